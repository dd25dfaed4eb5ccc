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

package status

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"

	upstream "istio.io/istio/pilot/cmd/pilot-agent/status"
	"istio.io/istio/pkg/kube/apimirror"
	istiolog "istio.io/istio/pkg/log"
)

// probeLog is upstream's scope: these messages are about the application.
var probeLog = istiolog.RegisterScope("probes", "Status of forwarded application probes")

// probePath is upstream's (appProberPattern).
var probePath = regexp.MustCompile(`^/app-(health|lifecycle)/[^/]+/(livez|readyz|startupz|prestopz|poststartz)$`)

// appProbes asks the application what the kubelet wants to know. Injection points the kubelet here, because from outside of
// the pod a probe would end at the proxy, which wants mutual TLS.
type appProbes struct {
	probes map[string]*probe
	// port is the status port: a Host header with it means the application's port.
	port int
}

// probe is one probe of a container.
type probe struct {
	upstream.Prober
	// address is the application's host:port.
	address string
	dialer  *net.Dialer
	// client is nil unless the probe is one for HTTP.
	client *http.Client
}

// newAppProbes reads the variable ISTIO_KUBE_APP_PROBERS. podIP is where the application listens.
func newAppProbes(text, podIP string, port int) (*appProbes, error) {
	a := &appProbes{probes: map[string]*probe{}, port: port}
	if text == "" {
		return a, nil
	}
	fail := func(format string, args ...any) (*appProbes, error) {
		return nil, fmt.Errorf("%s: %w; injection writes it, so inject the pod again", upstream.KubeAppProberEnvName, fmt.Errorf(format, args...))
	}
	var probers upstream.KubeAppProbers
	if err := json.Unmarshal([]byte(text), &probers); err != nil {
		return fail("%w", err)
	}
	host := podIP
	if upstream.LegacyLocalhostProbeDestination.Get() || host == "" {
		host = "localhost"
	}
	for _, path := range slices.Sorted(maps.Keys(probers)) {
		p := probers[path]
		if !probePath.MatchString(path) {
			return fail("path %q is not of the form %s", path, probePath)
		}
		if p == nil {
			return fail("probe %q is null", path)
		}
		port, err := probedPort(p)
		if err != nil {
			return fail("probe %q: %w", path, err)
		}
		dialer := upstream.ProbeDialer()
		dialer.LocalAddr = localAddress(podIP)
		dialer.Timeout = timeoutOf(p)
		out := &probe{Prober: *p, address: net.JoinHostPort(host, strconv.Itoa(port)), dialer: dialer}
		if p.HTTPGet != nil {
			if out.client, err = probeClient(out); err != nil {
				return fail("probe %q: %w", path, err)
			}
		}
		a.probes[path] = out
	}
	return a, nil
}

// probedPort is the port of a probe, which must be of one kind.
func probedPort(p *upstream.Prober) (int, error) {
	var ports []apimirror.IntOrString
	if p.HTTPGet != nil {
		ports = append(ports, p.HTTPGet.Port)
	}
	if p.TCPSocket != nil {
		ports = append(ports, p.TCPSocket.Port)
	}
	if p.GRPC != nil {
		ports = append(ports, apimirror.IntOrString{Type: apimirror.Int, IntVal: p.GRPC.Port})
	}
	if len(ports) != 1 {
		return 0, errors.New("not exactly one of httpGet, tcpSocket and grpc")
	}
	if ports[0].Type != apimirror.Int {
		return 0, fmt.Errorf("port %q is a name, not a number", ports[0].StrVal)
	}
	if port := int(ports[0].IntVal); port < 1 || port > 65535 {
		return 0, fmt.Errorf("port %d is none", port)
	}
	return int(ports[0].IntVal), nil
}

// localAddress is where connections to the application come from: Istio's rules let only those pass by the proxy.
func localAddress(podIP string) net.Addr {
	ip := net.ParseIP(podIP)
	if ip != nil && ip.To4() == nil && !ip.IsLinkLocalUnicast() {
		return upstream.UpstreamLocalAddressIPv6
	}
	return upstream.UpstreamLocalAddressIPv4
}

// ServeHTTP answers with the application's status.
func (a *appProbes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p := a.probes[r.URL.Path]
	if p == nil {
		probeLog.Errorf("no probe %q: the pod's probes are not those that it was injected with", r.URL.Path)
		http.Error(w, fmt.Sprintf("no probe %q in %s", r.URL.Path, upstream.KubeAppProberEnvName), http.StatusBadRequest)
		return
	}
	switch {
	case p.HTTPGet != nil:
		p.serveHTTPGet(w, r, a.port)
	case p.TCPSocket != nil:
		answer(w, r, p.dialTCP(r.Context()))
	default:
		answer(w, r, p.checkGRPC(r.Context(), r.UserAgent()))
	}
}

// answer tells the kubelet, and the log why.
func answer(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		probeLog.Errorf("probe %s: %v", r.URL.Path, err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusOK)
}
