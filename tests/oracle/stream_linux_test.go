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

package oracle

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/instance/instancetest"
)

// inNamespace tells the test that it runs again, in a network namespace of its own.
const inNamespace = "ORACLE_TEST_IN_NAMESPACE"

// The addresses of clients whose connections are captured, by direction and family.
var captured = map[bool][2]netip.Addr{
	false: {netip.MustParseAddr("127.0.0.99"), netip.MustParseAddr("fd00::99")},
	true:  {netip.MustParseAddr("127.0.0.98"), netip.MustParseAddr("fd00::98")},
}

func capturedFrom(inbound, six bool) netip.Addr {
	if six {
		return captured[inbound][1]
	}
	return captured[inbound][0]
}

// sourceOf is where a server sees a connection that went on to its original destination come from: the address that Istio's
// rules do not capture for those to a workload, and else any.
func sourceOf(in *call) string {
	switch {
	case !in.Inbound:
		return "any"
	case in.Destination.Addr().Is4():
		return "127.0.0.6"
	}
	return "::6"
}

// TestStreams captures connections with iptables, as in a pod, where it may. The rules are in a network namespace that ends
// with the test.
func TestStreams(t *testing.T) {
	instancetest.Find(t)
	if os.Getenv(inNamespace) != "" {
		// Without it nobody, this test included, has an address.
		run(t, "ip", "link", "set", "lo", "up")
		testStreams(t, true)
		return
	}
	for _, tool := range []string{"iptables", "ip6tables", "ip"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Logf("without captured connections, which need %s (Debian: iptables, iproute2)", tool)
			testStreams(t, false)
			return
		}
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestStreams$", "-test.v")
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	out, err := cmd.CombinedOutput()
	switch {
	case err == nil:
		t.Logf("%s", out)
	case strings.Contains(err.Error(), "operation not permitted"):
		t.Logf("without captured connections, for which a network namespace of its own needs root: %v", err)
		testStreams(t, false)
	default:
		t.Fatalf("%v\n%s", err, out)
	}
}

// capture sends what comes from some addresses to APISIX, and has a server at every address of the ports that are served.
func (s *streams) capture() {
	families := 1
	run(s.t, "ip", "route", "add", "local", "10.0.0.0/8", "dev", "lo")
	if hasIPv6() {
		families = 2
		// Who does not choose an address, as APISIX, gets none of the deprecated ones.
		run(s.t, "ip", "-6", "addr", "add", "fd00::1/128", "dev", "lo")
		for _, a := range []string{"fd00::98", "fd00::99", "::6"} {
			run(s.t, "ip", "-6", "addr", "add", a+"/128", "dev", "lo", "preferred_lft", "0")
		}
		run(s.t, "ip", "-6", "route", "add", "local", "fd00:1::/64", "dev", "lo")
	}
	for inbound, addresses := range captured {
		listener := s.listeners[0]
		if inbound {
			listener = s.inbound[0]
		}
		for i, tool := range []string{"iptables", "ip6tables"}[:families] {
			run(s.t, tool, "-t", "nat", "-A", "OUTPUT", "-s", addresses[i].String(), "-p", "tcp", "-j", "REDIRECT", "--to-ports", fmt.Sprint(listener.Port()))
		}
	}
	for _, port := range servedPorts {
		l, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
		if err != nil {
			s.t.Fatal(err)
		}
		s.greet(l, func(c net.Conn) string {
			from := netip.MustParseAddrPort(c.RemoteAddr().String()).Addr().Unmap().String()
			if from != "127.0.0.6" && from != "::6" {
				from = "any"
			}
			return fmt.Sprintf("original %s %s", c.LocalAddr(), from)
		})
	}
}

func run(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
}
