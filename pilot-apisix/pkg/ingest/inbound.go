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
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	meshconfig "istio.io/api/mesh/v1alpha1"
	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/pkg/features"
	"istio.io/istio/pilot/pkg/model"
	istionetworking "istio.io/istio/pilot/pkg/networking"
	"istio.io/istio/pkg/config/protocol"
	netutil "istio.io/istio/pkg/util/net"

	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// inboundPort is a port of the workload that the proxy stands in front of (inboundChainConfig).
type inboundPort struct {
	// port is the one that clients connect to; zero is every one that is not declared.
	port     int
	protocol protocol.Instance
	// service is the one whose DestinationRule limits the workload, servicePort its port; nil for none.
	service     *model.Service
	servicePort *model.Port
	// host and hostPort are where the workload listens, or path, a unix domain socket. Without both it is the address that the client meant.
	host     string
	hostPort int
	path     string
	// undeclared ports are named by a policy only, and treated like those that nobody names.
	undeclared bool
	// refused ports let nothing through.
	refused bool
	// peers is what their clients speak.
	peers ir.PeerTLS
	// http and tcp are who may send requests and make connections.
	http, tcp *ir.Authorization
	source    ir.Source
}

// inbound adds the routes of what is sent to the workload. They have no conditions but the port.
func (b *builder) inbound() {
	ports := b.inboundPorts()
	if ports == nil {
		return
	}
	policies := b.inboundPolicies()
	for _, p := range policies.undeclared(ports) {
		ports = append(ports, &inboundPort{port: p, protocol: protocol.Unsupported, undeclared: true, source: ports[0].source})
	}
	slices.SortFunc(ports, func(x, y *inboundPort) int { return cmp.Compare(x.port, y.port) })
	b.inboundByPort = make(map[int]*inboundPort, len(ports))
	for _, p := range ports {
		b.inboundByPort[p.port] = p
		p.refused = p.refused || policies.all
		p.peers = policies.peerTLS(p.port)
		p.http, p.tcp = policies.httpFor(p), policies.tcp
		b.inboundRoutes(p)
	}
}

// inboundRoutes adds the routes of a port, for HTTP and for the rest: what must not pass has one that refuses it, so that those
// for undeclared ports do not take it.
func (b *builder) inboundRoutes(p *inboundPort) {
	var to []ir.Destination
	var answer *ir.DirectResponse
	if p.refused {
		answer = denied
	} else {
		key := clusterKey{inbound: true, port: p.port}
		if p.undeclared {
			key.port = 0
		}
		to = []ir.Destination{{Cluster: b.want(key)}}
	}
	kind := istionetworking.ModelProtocolToListenerProtocol(p.protocol)
	if kind != istionetworking.ListenerProtocolTCP || p.refused {
		b.config.VirtualHosts = append(b.config.VirtualHosts, &ir.VirtualHost{
			Inbound: true, Port: p.port, Name: "inbound", Domains: []string{"*"}, Peers: p.peers, Authorization: p.http,
			Routes: []ir.Route{{Name: "default", Destinations: to, DirectResponse: answer, Source: p.source}}, Source: p.source,
		})
	}
	route := ir.TCPRoute{
		Inbound: true, Match: ir.TCPMatch{Port: p.port}, Peers: p.peers, Authorization: p.tcp, DetectionTimeout: b.detectionTimeout(),
		Destinations: to, Source: p.source,
	}
	switch kind {
	case istionetworking.ListenerProtocolHTTP:
		route.HTTP, route.Destinations = ir.OnlyHTTP, nil
	case istionetworking.ListenerProtocolAuto:
		route.HTTP = ir.DetectHTTP
	}
	b.config.TCP = append(b.config.TCP, route)
}

// inboundPorts are those of the workload, the first one for all that are not declared (buildInboundChainConfigs). There are none
// for proxies that capture nothing.
func (b *builder) inboundPorts() []*inboundPort {
	proxy := b.in.Proxy
	if proxy.Type != model.SidecarProxy || proxy.GetInterceptionMode() == model.InterceptionNone {
		return nil
	}
	byPort := map[int]*inboundPort{}
	if !b.scope.HasIngressListener() || features.EnableSidecarServiceInboundListenerMerge {
		for _, t := range proxy.ServiceTargets {
			b.serviceTarget(byPort, t)
		}
	}
	if b.scope.HasIngressListener() {
		src := ir.Source{Kind: "Sidecar", Namespace: b.scope.Namespace, Name: b.scope.Name}
		for i, l := range b.scope.Sidecar.Ingress {
			b.ingressListener(byPort, l, src.At("spec.ingress["+strconv.Itoa(i)+"]"))
		}
	}
	mesh := ir.Source{Kind: "MeshConfig", Name: "istio"}
	out := []*inboundPort{{protocol: protocol.Unsupported, source: mesh.At("inboundTrafficPolicy")}}
	return slices.AppendSeq(out, maps.Values(byPort))
}

// serviceTarget adds the port of a service that the workload belongs to, unless an older service has it.
func (b *builder) serviceTarget(byPort map[int]*inboundPort, t model.ServiceTarget) {
	port := int(t.Port.TargetPort)
	if _, taken := byPort[port]; taken || !validPort(port) {
		return
	}
	p := &inboundPort{port: port, protocol: t.Port.Protocol, service: t.Service, servicePort: t.Port.ServicePort, source: serviceSource(t.Service)}
	if b.in.Push.Mesh.GetInboundTrafficPolicy().GetMode() != meshconfig.MeshConfig_InboundTrafficPolicy_PASSTHROUGH {
		p.host, p.hostPort = localhost(b.in.Proxy, true), port
	}
	byPort[port] = p
}

// ingressListener adds the port of a Sidecar's listener, which replaces those of services.
func (b *builder) ingressListener(byPort map[int]*inboundPort, l *networking.IstioIngressListener, src ir.Source) {
	if l.CaptureMode == networking.CaptureMode_NONE {
		b.diagnose(fidelity.ListenerNotOpened.At(src.At("captureMode"), ""))
	}
	if !validPort(int(l.Port.GetNumber())) {
		return
	}
	p := &inboundPort{port: int(l.Port.GetNumber()), protocol: protocol.Parse(l.Port.GetProtocol()), source: src}
	if l.Tls != nil && features.EnableTLSOnSidecarIngress {
		b.diagnose(fidelity.IngressTLSRefused.At(src.At("tls"), ""))
		p.refused = true
	}
	for _, t := range b.in.Proxy.ServiceTargets {
		if int(t.Port.TargetPort) == p.port {
			p.service = t.Service
			break
		}
	}
	p.servicePort = &model.Port{Port: p.port, Protocol: p.protocol, Name: l.Port.GetName()}
	host, port, err := net.SplitHostPort(l.DefaultEndpoint)
	switch {
	case strings.HasPrefix(l.DefaultEndpoint, model.UnixAddressPrefix):
		if path := strings.TrimPrefix(l.DefaultEndpoint, model.UnixAddressPrefix); reachablePath(path) {
			p.path = path
			break
		}
		b.diagnose(fidelity.UnixDefaultEndpoint.At(src.At("defaultEndpoint"), ""))
		p.refused = true
	case l.DefaultEndpoint == "" || err != nil:
	default:
		p.host = endpointHost(b.in.Proxy, host)
		p.hostPort, _ = strconv.Atoi(port)
	}
	byPort[p.port] = p
}

// endpointHost is the address that the host of a defaultEndpoint stands for: loopback, or the workload's own.
func endpointHost(proxy *model.Proxy, host string) string {
	own := func(is func(string) bool, otherwise string) string {
		if i := slices.IndexFunc(proxy.IPAddresses, is); i >= 0 {
			return proxy.IPAddresses[i]
		}
		return otherwise
	}
	switch host {
	case model.PodIPAddressPrefix:
		return own(netutil.IsIPv4Address, model.LocalhostAddressPrefix)
	case model.PodIPv6AddressPrefix:
		return own(netutil.IsIPv6Address, model.LocalhostIPv6AddressPrefix)
	case model.LocalhostAddressPrefix:
		return localhost(proxy, true)
	case model.LocalhostIPv6AddressPrefix:
		return localhost(proxy, false)
	}
	return ""
}

// localhost is loopback in one of the families that the proxy has, rather IPv4 or rather not.
func localhost(proxy *model.Proxy, v4 bool) string {
	if v4 && proxy.SupportsIPv4() || !proxy.SupportsIPv6() {
		return model.LocalhostAddressPrefix
	}
	return model.LocalhostIPv6AddressPrefix
}

// inboundKey tells which proxies of the same scope have the same inbound ports.
func inboundKey(proxy *model.Proxy) string {
	if proxy.GetInterceptionMode() == model.InterceptionNone {
		return "none"
	}
	var b strings.Builder
	for _, t := range proxy.ServiceTargets {
		b.WriteString(strconv.Itoa(int(t.Port.TargetPort)))
		b.WriteByte('/')
		b.WriteString(string(t.Port.Protocol))
		b.WriteByte('/')
		b.WriteString(string(t.Service.Hostname))
		b.WriteByte('/')
		b.WriteString(strconv.Itoa(t.Port.ServicePort.Port))
		b.WriteByte(',')
	}
	if scope := proxy.SidecarScope; scope.HasIngressListener() {
		for _, l := range scope.Sidecar.Ingress {
			if host, _, _ := net.SplitHostPort(l.DefaultEndpoint); host == model.PodIPAddressPrefix || host == model.PodIPv6AddressPrefix {
				b.WriteString(endpointHost(proxy, host))
				b.WriteByte(',')
			}
		}
	}
	return b.String()
}
