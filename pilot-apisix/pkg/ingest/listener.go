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

package ingest

import (
	"cmp"
	"slices"

	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/pkg/serviceregistry/provider"
	"istio.io/istio/pkg/config/constants"
	"istio.io/istio/pkg/config/protocol"

	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// listener is a port on which a client may send HTTP, and the part of the proxy's scope that serves it.
type listener struct {
	port   int
	egress *model.IstioEgressListenerWrapper
}

// listeners are the HTTP ports of the proxy's scope, in ascending order. It follows buildSidecarOutboundListeners: an
// egress listener of a Sidecar with a port owns that port, the catch-all one owns the ports of its services.
func (b *builder) listeners() []listener {
	ports := map[int]struct{}{}
	var out []listener
	add := func(port int) {
		if _, dup := ports[port]; dup {
			return
		}
		ports[port] = struct{}{}
		if l := b.scope.GetEgressListenerForRDS(port, ""); l != nil {
			out = append(out, listener{port: port, egress: l})
		}
	}
	own := func(port int) { ports[port] = struct{}{} }
	sidecar := ir.Source{Kind: "Sidecar", Namespace: b.scope.Namespace, Name: b.scope.Name}
	for _, e := range b.scope.EgressListeners {
		if e.IstioListener.GetCaptureMode() == networking.CaptureMode_NONE {
			b.diagnose(fidelity.ListenerNotOpened.At(sidecar.At("spec.egress"), ""))
		}
		if e.IstioListener == nil || e.IstioListener.Port == nil {
			for _, svc := range e.Services() {
				b.servicePorts(svc, add)
			}
			continue
		}
		if !slices.ContainsFunc(e.Services(), func(s *model.Service) bool { return s.Resolution != model.Alias }) {
			// It opens nothing, as on Envoy.
			continue
		}
		p := protocol.Parse(e.IstioListener.Port.Protocol)
		if e.IstioListener.Bind != "" && e.IstioListener.Port.Number != 0 {
			b.diagnose(fidelity.ListenerBind.At(sidecar.At("spec.egress"), "%s", e.IstioListener.Bind))
		}
		if p == protocol.GRPCWeb {
			b.diagnose(fidelity.GRPCWeb.At(sidecar.At("spec.egress"), "port %d", e.IstioListener.Port.Number))
		}
		switch {
		case e.IstioListener.Port.Number == 0:
			b.diagnose(fidelity.UnixListener.At(sidecar.At("spec.egress"), "%s", e.IstioListener.Bind))
		case p == protocol.HTTP_PROXY:
			own(int(e.IstioListener.Port.Number))
			b.diagnose(fidelity.HTTPProxyListener.At(sidecar.At("spec.egress"), "port %d", e.IstioListener.Port.Number))
		case p.IsHTTPOrSniffed():
			add(int(e.IstioListener.Port.Number))
		default:
			// One for services without an address of their own takes the port of every address.
			if slices.ContainsFunc(e.Services(), func(s *model.Service) bool {
				return s.GetAddressForProxy(b.in.Proxy) == constants.UnspecifiedIP
			}) {
				own(int(e.IstioListener.Port.Number))
			}
		}
	}
	slices.SortFunc(out, func(x, y listener) int { return cmp.Compare(x.port, y.port) })
	return out
}

// servicePorts adds the HTTP ports of svc. Those of TCP have listeners of their own, and Envoy does not route UDP either.
func (b *builder) servicePorts(svc *model.Service, add func(int)) {
	if svc.Resolution == model.Alias {
		// The service that it is another name for has the ports.
		return
	}
	for _, p := range svc.Ports {
		switch {
		case p.Protocol.IsHTTP():
			add(p.Port)
			if p.Protocol == protocol.GRPCWeb {
				b.diagnose(fidelity.GRPCWeb.At(serviceSource(svc).At("spec.ports"), "port %d", p.Port))
			}
		case p.Protocol.IsHTTPOrSniffed():
			add(p.Port)
			b.diagnose(fidelity.SniffedPort.At(serviceSource(svc).At("spec.ports"), "port %d", p.Port))
		}
	}
}

// serviceSource is the object that declared svc.
func serviceSource(svc *model.Service) ir.Source {
	src := ir.Source{Kind: "ServiceEntry", Namespace: svc.Attributes.Namespace, Name: svc.Attributes.K8sAttributes.ObjectName}
	if svc.Attributes.ServiceRegistry == provider.Kubernetes {
		src.Kind = "Service"
	}
	if src.Name == "" {
		src.Name = svc.Attributes.Name
	}
	return src
}
