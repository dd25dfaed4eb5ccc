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

package traffic

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/apisixconf"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/translate"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/instance/instancetest"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
	"github.com/apisix-mesh/pilot-apisix/tests/apisixtest"
)

// inNamespace tells the test that it runs again, in a network namespace of its own.
const inNamespace = "TRAFFIC_TEST_IN_NAMESPACE"

// applicationAddress is where the application's connections come from; only those are captured, not APISIX's own.
const applicationAddress = "127.0.0.99"

// TestCaptured captures an application's connections with iptables, as in a pod, and follows them to their original
// destination. The rules are in a network namespace that ends with the test.
func TestCaptured(t *testing.T) {
	instancetest.Find(t)
	if os.Getenv(inNamespace) != "" {
		testCaptured(t)
		return
	}
	for _, tool := range []string{"iptables", "ip"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("SKIPPED: capturing needs %s (Debian: iptables, iproute2)", tool)
		}
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestCaptured$", "-test.v")
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	out, err := cmd.CombinedOutput()
	if err != nil && strings.Contains(err.Error(), "operation not permitted") {
		t.Skipf("SKIPPED: a network namespace of its own needs root: %v", err)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func testCaptured(t *testing.T) {
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	run("ip", "link", "set", "lo", "up")
	m := startWith(t, apisixtest.Options{
		Plugins: translate.Plugins(), Capture: apisixconf.DefaultCapture(true, false), Change: addCollector,
	})
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(m.base, "http://"))
	run("iptables", "-t", "nat", "-A", "OUTPUT", "-s", applicationAddress, "-p", "tcp", "-j", "REDIRECT", "--to-ports", port)

	outside := serveAt(t, "127.66.0.1:8080", "outside")
	headless := serveAt(t, "127.66.0.2:8080", "pod-2")
	passthrough := &ir.Cluster{Name: "PassthroughCluster", OriginalDst: true, ConnectTimeout: patience}
	pods := cluster("headless", "", ir.Endpoint{Address: "127.66.0.3", Port: 8080, Weight: 1})
	pods.Name, pods.Port, pods.OriginalDst = "outbound|8080||headless", 8080, true
	known := cluster("known", "", backend(t, "known"))
	known.Name, known.Port = "outbound|8080||known", 8080
	cfg := &ir.Config{
		Clusters: []*ir.Cluster{passthrough, pods, known},
		VirtualHosts: []*ir.VirtualHost{
			{Port: 8080, Name: "headless", Domains: []string{"headless"}, Routes: []ir.Route{{Destinations: to(pods)}}},
			{Port: 8080, Name: "known", Domains: []string{"known"}, Routes: []ir.Route{{Destinations: to(known)}}},
			{Port: 8080, Name: "split", Domains: []string{"split"}, Routes: []ir.Route{{Destinations: to(pods, known)}}},
		},
		CatchAll: &ir.Route{Name: "allow_any", Destinations: to(passthrough)},
	}
	sortClusters(cfg)
	m.serve(cfg)

	application := *m
	application.client = &http.Client{Timeout: patience, Transport: &http.Transport{
		DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(applicationAddress)}}).DialContext,
	}}
	at := func(base string) *mesh {
		a := application
		a.base = "http://" + base
		return &a
	}
	for _, tt := range []struct {
		name, base, host, want string
	}{
		{"a host outside of the mesh", outside, "example.org", "outside"},
		{"a host that is an address", outside, outside, "outside"},
		{"a pod of a headless service", headless, "headless", "pod-2"},
		{"a host of the mesh, whatever the address", outside, "known", "known"},
	} {
		if res := at(tt.base).do(request{host: tt.host, path: "/"}); res.body != tt.want {
			t.Errorf("%s: got %+v, want %q", tt.name, res, tt.want)
		}
	}
	both := map[string]int{}
	for range 40 {
		both[at(headless).do(request{host: "split", path: "/"}).body]++
	}
	if both["pod-2"] != 20 || both["known"] != 20 {
		t.Errorf("shared among the original destination and another: %v", both)
	}
	// Who was not captured has no original destination, and means the port of the Host header.
	if res := m.do(request{host: "known:8080", path: "/"}); res.body != "known" {
		t.Errorf("not captured, to a host of the mesh: got %+v", res)
	}
	if res := m.do(request{host: "headless:8080", path: "/"}); res.status != http.StatusBadGateway {
		t.Errorf("not captured, to the endpoints that the service is known to have: got %+v", res)
	}
	if res := m.do(request{host: "example.org", path: "/"}); res.status != http.StatusServiceUnavailable {
		t.Errorf("not captured: got %+v", res)
	}
	// Nobody listens there: as without a proxy, but told by it.
	if res := at("127.66.0.9:9999").do(request{host: "example.org:9999", path: "/"}); res.status != http.StatusBadGateway {
		t.Errorf("nobody there: got %+v", res)
	}
	testCapturedStreams(t, m, run)
	testCapturedInbound(t, m, application.client, run)
	testPassed(t, m, run)
}

// serveAt is a backend at an address of its own.
func serveAt(t *testing.T, address, name string) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(name))
	})}}
	s.Start()
	t.Cleanup(s.Close)
	return address
}
