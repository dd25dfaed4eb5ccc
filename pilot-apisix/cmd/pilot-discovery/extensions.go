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

package main

import (
	// Agents that ask for it (XDS_COMPRESSION=gzip) get their responses compressed.
	_ "google.golang.org/grpc/encoding/gzip"

	istiobootstrap "istio.io/istio/pilot/pkg/bootstrap"
	v3 "istio.io/istio/pilot/pkg/xds/v3"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/bootstrap"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/generate"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/xds"
)

// extensions are all that this control plane has beyond upstream's.
var extensions = []bootstrap.Extension{serveAPISIX}

// apisixPage is the debug page with what each APISIX proxy was sent.
const apisixPage = "/debug/apisixz"

// serveAPISIX serves APISIX resources to the proxies that ask for them.
func serveAPISIX(s *istiobootstrap.Server) error {
	source := generate.NewSource(s.XDSServer.Env.EndpointIndex).WithCredentials(s.XDSServer.Generators[v3.SecretType])
	generator, err := xds.Register(s.XDSServer, source)
	if err != nil {
		return err
	}
	return bootstrap.AddDebugHandler(s, apisixPage, generator.DebugHandler().ServeHTTP)
}
