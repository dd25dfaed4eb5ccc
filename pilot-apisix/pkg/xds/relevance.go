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
	"slices"
	"strings"

	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/pkg/model/credentials"
	"istio.io/istio/pkg/config/schema/kind"
	"istio.io/istio/pkg/util/sets"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/ingest"
)

// irrelevantKinds are the kinds of configuration that no APISIX resource is made from: when a push concerns nothing
// else, the Source is not asked. Every other kind counts, also one that no Source reads today: asking it in vain costs
// a millisecond, and not asking costs an update. EnvoyFilter counts because it makes a diagnostic. Who teaches a Source to
// read one of these takes it off the list.
var irrelevantKinds = sets.New(
	// Code that runs in Envoy.
	kind.WasmPlugin,
	kind.TrafficExtension,
	// Read by the injector, by the sidecar's bootstrap and by the registration of virtual machines.
	kind.ProxyConfig,
	kind.WorkloadGroup,
	// Ambient: read by ztunnel and waypoints. What sidecars need of it comes as ServiceEntry or Endpoints as well.
	kind.Address,
	// The names of headless endpoints for Istio's DNS table; the endpoints themselves are pushed as Endpoints.
	kind.DNSName,
	// Not carried yet.
	kind.Telemetry,
	// Those that a gateway's servers name count for it, see namesSecret.
	kind.Secret,
)

// concerns tells whether a push can change what an APISIX proxy must have.
func concerns(proxy *model.Proxy, req *model.PushRequest) bool {
	if req.Forced || len(req.ConfigsUpdated) == 0 {
		return true
	}
	for key := range req.ConfigsUpdated {
		switch {
		case proxy.Type == model.Router && (key.Kind == kind.Secret || key.Kind == kind.ConfigMap):
			if namesSecret(proxy, key) {
				return true
			}
		case !irrelevantKinds.Contains(key.Kind):
			return true
		}
	}
	return false
}

// namesSecret tells whether a server of the gateway, or a DestinationRule for it, names the Secret or ConfigMap, or the one with its CA. Whether
// the proxy may have it does not matter here.
func namesSecret(proxy *model.Proxy, key model.ConfigKey) bool {
	name := strings.TrimSuffix(key.Name, credentials.SdsCaSuffix)
	namespace := proxy.ConfigNamespace
	if proxy.VerifiedIdentity != nil {
		namespace = proxy.VerifiedIdentity.Namespace
	}
	named := func(credential string) bool {
		if credential == "" {
			return false
		}
		r, err := credentials.ParseResourceName(credentials.ToResourceName(credential), namespace, "", "")
		return err == nil && r.ResourceKind == key.Kind && r.Namespace == key.Namespace && strings.TrimSuffix(r.Name, credentials.SdsCaSuffix) == name
	}
	if proxy.MergedGateway != nil {
		for server := range proxy.MergedGateway.GatewayNameForServer {
			t := server.GetTls()
			if slices.ContainsFunc(append([]string{t.GetCredentialName(), t.GetCaCertCredentialName()}, t.GetCredentialNames()...), named) {
				return true
			}
		}
	}
	return slices.ContainsFunc(ingest.DestinationCredentials(proxy), named)
}

// insists tells whether a computation that failed in the same state is to be tried again for this push: it is for one
// proxy only, or an operator asked for it.
func insists(req *model.PushRequest) bool {
	return req.IsRequest() || req.IsProxyUpdate() || req.Reason.Has(model.DebugTrigger)
}
