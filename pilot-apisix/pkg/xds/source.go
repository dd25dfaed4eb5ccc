// Copyright The pilot-apisix Authors
//
// Licensed under the Apache License, Version 2.0 (the "License");
// you may not use this file except in compliance with the License.
// You may obtain a copy of the License at
//
//     http://www.apache.org/licenses/LICENSE-2.0
//
// Unless required by applicable law or agreed to in writing, software
// distributed under the License is distributed on an "AS IS" BASIS,
// WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
// See the License for the specific language governing permissions and
// limitations under the License.

package xds

import (
	"istio.io/istio/pilot/pkg/model"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/translate"
)

// Source computes what a proxy must have. Both methods are called concurrently for different proxies.
type Source interface {
	// Key tells which proxies get the same resources: as long as neither the push context nor anything else in istiod
	// changes, proxies with equal keys do. The value is comparable and cheap to make, and it holds no reference that
	// keeps a push context alive.
	Key(proxy *model.Proxy, push *model.PushContext) any

	// Generate computes the output for proxy, and so for all proxies of its key. req says which push context to read;
	// it never tells what was updated, because the output is not made for one connection's update: req.ConfigsUpdated
	// is nil and req.Forced is true. req.Start is the start of the push, as Istio's XdsCache wants it.
	//
	// prev is the last output for the same key, or nil; it may be of an older or, when a slow proxy is served, of a
	// newer state. Resources whose meaning did not change keep their pointer.
	Generate(proxy *model.Proxy, req *model.PushRequest, prev *translate.Output) (*translate.Output, error)
}
