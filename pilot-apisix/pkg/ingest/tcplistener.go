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
	"strings"

	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/pkg/model"
	istionetworking "istio.io/istio/pilot/pkg/networking"
	"istio.io/istio/pilot/pkg/serviceregistry/provider"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/constants"
	"istio.io/istio/pkg/config/protocol"
	netutil "istio.io/istio/pkg/util/net"

	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// tcpListener is a listener of Istio, as far as what is not HTTP is concerned.
type tcpListener struct {
	// binds are its addresses, of which the first one names it.
	binds    []string
	port     int
	protocol protocol.Instance
	// locked listeners take no more services (outboundListenerEntry).
	locked bool
	// http says whether, and how, the listener takes HTTP.
	http   ir.HTTPUse
	chains []tcpChain
}

// wildcard says that the listener is for every address.
func (l *tcpListener) wildcard() bool {
	return l.binds[0] == constants.UnspecifiedIP || l.binds[0] == constants.UnspecifiedIPv6
}

type tcpListenerKey struct {
	bind string
	port int
}

// tcpListenerBuilder collects the listeners of a scope as buildSidecarOutboundListeners does, whose order decides who gets a
// port that several want.
type tcpListenerBuilder struct {
	*builder
	listeners map[tcpListenerKey]*tcpListener
	// wildcard is every address of the proxy's family, and everywhere a listener there.
	wildcard   string
	everywhere []string
	// raw are the VirtualServices of the egress listener at hand that have rules for TCP or TLS.
	raw []*config.Config
}

// tcpListeners are sorted by port and address.
func (b *builder) tcpListeners() []*tcpListener {
	t := tcpListenerBuilder{builder: b, listeners: map[tcpListenerKey]*tcpListener{}, wildcard: constants.UnspecifiedIP}
	if b.in.Proxy.IsIPv6() {
		t.wildcard = constants.UnspecifiedIPv6
	}
	t.everywhere = []string{t.wildcard}
	for _, e := range b.scope.EgressListeners {
		t.addEgress(e)
	}
	out := make([]*tcpListener, 0, len(t.listeners))
	for _, l := range t.listeners {
		out = append(out, l)
	}
	slices.SortFunc(out, func(x, y *tcpListener) int {
		return cmp.Or(cmp.Compare(x.port, y.port), cmp.Compare(x.binds[0], y.binds[0]))
	})
	return out
}

func (t *tcpListenerBuilder) addEgress(e *model.IstioEgressListenerWrapper) {
	t.raw = t.raw[:0]
	for _, vs := range e.VirtualServices() {
		if spec := vs.Spec.(*networking.VirtualService); len(spec.Tcp)+len(spec.Tls) > 0 {
			t.raw = append(t.raw, vs)
		}
	}
	var binds []string
	if bind := e.IstioListener.GetBind(); bind != "" {
		if strings.HasPrefix(bind, model.UnixAddressPrefix) {
			return
		}
		binds = []string{bind}
	}
	if p := e.IstioListener.GetPort(); p != nil {
		port := &model.Port{Port: int(p.Number), Protocol: protocol.Parse(p.Protocol), Name: p.Name}
		for _, svc := range e.Services() {
			t.addService(svc, port, binds)
		}
		return
	}
	for _, l := range t.listeners {
		l.locked = true
	}
	for _, svc := range e.Services() {
		for _, port := range svc.Ports {
			t.addPort(svc, port, binds)
		}
	}
}

// addPort adds a port of a service of a listener for all ports. A headless service of Kubernetes has a listener at each of
// its endpoints.
func (t *tcpListenerBuilder) addPort(svc *model.Service, port *model.Port, binds []string) {
	headless := len(binds) == 0 && svc.Resolution == model.Passthrough && (port.Protocol.IsTCP() || port.Protocol.IsUnsupported()) &&
		svc.GetAddressForProxy(t.in.Proxy) == constants.UnspecifiedIP
	if !headless {
		t.addService(svc, port, binds)
		return
	}
	instances := t.in.Push.ServiceEndpointsByPort(svc, port.Port, nil)
	if len(instances) == 0 && svc.Attributes.ServiceRegistry != provider.Kubernetes && svc.Attributes.LabelSelectors == nil {
		t.addService(svc, port, binds)
		return
	}
	for _, i := range instances {
		if len(i.Addresses) > 0 && !slices.ContainsFunc(i.Addresses, func(a string) bool { return !netutil.IsValidIPAddress(a) }) {
			t.addService(svc, port, i.Addresses)
		}
	}
}

// addService adds a service to the listener of a port (buildSidecarOutboundListener).
func (t *tcpListenerBuilder) addService(svc *model.Service, port *model.Port, binds []string) {
	if svc.Resolution == model.Alias || !validPort(port.Port) {
		return
	}
	wanted := ""
	if len(binds) > 0 {
		wanted = binds[0]
	}
	if can, _ := t.in.Proxy.CanBindToPort(false, t.in.Proxy, t.in.Push, wanted, port.Port, port.Protocol, t.wildcard); !can {
		return
	}
	kind := istionetworking.ModelProtocolToListenerProtocol(port.Protocol)
	var ranges []string
	switch {
	case kind == istionetworking.ListenerProtocolUnknown || port.Protocol == protocol.HTTP_PROXY:
		return
	case len(binds) > 0:
	case kind == istionetworking.ListenerProtocolHTTP:
		binds = t.everywhere
	default:
		binds, ranges = t.addresses(svc)
	}
	if len(binds) == 0 {
		return
	}
	key := tcpListenerKey{binds[0], port.Port}
	current := t.listeners[key]
	switch {
	case current == nil, kind == istionetworking.ListenerProtocolAuto && current.protocol.IsHTTP() && !current.locked:
		current = t.newListener(binds, port, kind)
		t.listeners[key] = current
	case !current.share(port.Protocol, kind):
		return
	}
	if kind != istionetworking.ListenerProtocolHTTP {
		current.merge(t.chains(svc, port, binds[0], ranges))
	}
}

func (t *tcpListenerBuilder) newListener(binds []string, port *model.Port, kind istionetworking.ListenerProtocol) *tcpListener {
	l := &tcpListener{binds: binds, port: port.Port, protocol: port.Protocol}
	switch {
	case kind == istionetworking.ListenerProtocolHTTP && binds[0] == t.wildcard:
		// Whatever is not HTTP there has another chain.
		l.protocol, l.http = protocol.Unsupported, ir.DetectHTTP
	case kind == istionetworking.ListenerProtocolHTTP:
		l.http = ir.OnlyHTTP
	case kind == istionetworking.ListenerProtocolAuto:
		l.http = ir.DetectHTTP
	}
	return l
}

// share lets one more service have the listener, unless that changes nothing or cannot be.
func (l *tcpListener) share(p protocol.Instance, kind istionetworking.ListenerProtocol) bool {
	if l.locked || wellKnownConflict(p, l.protocol) {
		return false
	}
	if kind == istionetworking.ListenerProtocolTCP {
		if l.protocol.IsHTTP() {
			l.protocol = protocol.Unsupported
		}
		return true
	}
	if !l.protocol.IsTCP() {
		// It takes HTTP already, for every service.
		return false
	}
	l.protocol, l.http = protocol.Unsupported, ir.DetectHTTP
	return true
}

// validPort says that somebody can listen on the port.
func validPort(port int) bool { return port > 0 && port <= 65535 }

// addresses are those that the listener of a service has, and the ranges that its chains ask for.
func (t *tcpListenerBuilder) addresses(svc *model.Service) (binds, ranges []string) {
	address, more := svc.GetAddressForProxy(t.in.Proxy), svc.GetExtraAddressesForProxy(t.in.Proxy)
	switch {
	case address == "":
		return nil, nil
	case address == constants.UnspecifiedIP:
		// Whichever family the proxy has.
		return t.everywhere, nil
	case strings.Contains(address, "/"):
		return t.everywhere, append([]string{address}, more...)
	}
	return append([]string{address}, more...), nil
}

// merge appends the chains that ask for something which no other asks for (mergeTCPFilterChains).
func (l *tcpListener) merge(chains []tcpChain) {
	for i := range chains {
		if l.http == ir.OnlyHTTP && chains[i].all() {
			continue
		}
		if !slices.ContainsFunc(l.chains, func(c tcpChain) bool { return c.conflictsWith(&chains[i]) }) {
			l.chains = append(l.chains, chains[i])
		}
	}
}

// wellKnownConflict says that a protocol in which the server speaks first cannot share a port (isConflictWithWellKnownPort).
func wellKnownConflict(incoming, existing protocol.Instance) bool {
	serverFirst := func(p protocol.Instance) bool { return p == protocol.Mongo || p == protocol.MySQL }
	return incoming != existing && (serverFirst(incoming) || serverFirst(existing))
}
