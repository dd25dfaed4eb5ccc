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

package generate

import (
	"fmt"

	"istio.io/istio/pilot/pkg/model"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/ingest"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/translate"
)

// Source computes what proxies must have. Its methods may be called concurrently.
type Source struct {
	endpoints   *model.EndpointIndex
	credentials ingest.Credentials
}

// NewSource makes a source that reads endpoints from index, which is that of the environment the push contexts come from.
func NewSource(index *model.EndpointIndex) *Source {
	return &Source{endpoints: index}
}

// WithCredentials makes s read the certificates of gateways through sds, the generator of Envoy's Secrets that an istiod has. It
// returns s. Without a generator (nil), no gateway answers TLS.
func (s *Source) WithCredentials(sds model.XdsResourceGenerator) *Source {
	if sds != nil {
		s.credentials = credentials{sds}
	}
	return s
}

// Key tells which proxies get the same output.
func (s *Source) Key(proxy *model.Proxy, _ *model.PushContext) any {
	return ingest.KeyOf(proxy)
}

// Generate computes the output for a proxy. Prev is an earlier output for the same key, or nil; it is returned as it is when
// nothing changed, and resources that did not change keep their pointers otherwise.
func (s *Source) Generate(proxy *model.Proxy, req *model.PushRequest, prev *translate.Output) (*translate.Output, error) {
	if proxy.SidecarScope == nil {
		return nil, fmt.Errorf("proxy %s has no SidecarScope yet: it is not initialised", proxy.ID)
	}
	in := ingest.Input{Proxy: proxy, Push: req.Push, Endpoints: s.endpoints, Credentials: s.credentials}
	cfg := ingest.Build(in, prev.Config())
	return translate.Translate(cfg, prev), nil
}
