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
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"istio.io/istio/pkg/test/util/assert"
)

const (
	// inNamespace tells the test that it runs again, in namespaces of its own.
	inNamespace = "CAPTURE_TEST_IN_NAMESPACE"

	podIPv4, podIPv6 = "192.0.2.10/32", "2001:db8::10/128"
)

// captureCases are command lines of Istio's injection template. The goldens are what iptables-save and ip6tables-save say
// afterwards.
var captureCases = []struct {
	name string
	// addresses are the pod's; IPv4 when none are given.
	addresses []string
	args      []string
}{
	{name: "default", args: captureArgs("-i", "*", "-x", "", "-b", "*", "-d", "15090,15021,15020")},
	{name: "ipv6", addresses: []string{podIPv6}, args: captureArgs("-i", "*", "-x", "", "-b", "*", "-d", "15090,15021,15020")},
	{
		name: "dual-stack", addresses: []string{podIPv4, podIPv6},
		args: captureArgs("-i", "*", "-x", "", "-b", "*", "-d", "15090,15021,15020", "--dual-stack"),
	},
	{name: "inbound-ports", args: captureArgs("-i", "*", "-x", "", "-b", "80,8443", "-d", "15090,15021,15020")},
	{name: "inbound-none", args: captureArgs("-i", "*", "-x", "", "-b", "", "-d", "15090,15021,15020")},
	{name: "outbound-ports", args: captureArgs("-i", "", "-x", "", "-b", "*", "-d", "15020", "-q", "80,443", "-o", "3306,6379")},
	{name: "outbound-ranges", args: captureArgs("-i", "10.0.0.0/8,172.16.0.0/12", "-x", "", "-b", "*", "-d", "15020")},
	{name: "outbound-ranges-excluded", args: captureArgs("-i", "*", "-x", "10.96.0.1/32,192.0.2.0/24", "-b", "*", "-d", "15020")},
	{
		name: "outbound-ranges-ipv6", addresses: []string{podIPv6},
		args: captureArgs("-i", "2001:db8:1::/48", "-x", "2001:db8:1:2::/64", "-b", "*", "-d", "15020"),
	},
	{name: "interfaces", args: captureArgs("-i", "*", "-x", "", "-b", "*", "-d", "15020", "-k", "net1,net2", "-c", "eth7")},
	{name: "dns", args: captureArgs("-i", "*", "-x", "", "-b", "*", "-d", "15020", "--redirect-dns")},
	{
		name: "dns-ipv6", addresses: []string{podIPv6},
		args: captureArgs("-i", "*", "-x", "", "-b", "*", "-d", "15020", "--redirect-dns"),
	},
	{name: "dns-all", args: captureArgs("-i", "*", "-x", "", "-b", "*", "-d", "15020", "--redirect-dns", "--capture-all-dns")},
}

// captureArgs are the arguments that the template always gives, and more.
func captureArgs(more ...string) []string {
	return append([]string{"istio-iptables", "-p", "15001", "-z", "15006", "-u", "1337", "-m", "REDIRECT"}, more...)
}

// resolvConf is that of a pod with two name servers.
const resolvConf = "search bookinfo.svc.cluster.local svc.cluster.local\nnameserver 10.96.0.10\nnameserver 2001:db8::a\n"

// TestCaptureRules runs the command in a network namespace for each case, twice as a restarted pod does, and compares
// all rules with testdata/iptables/<case>.golden; REFRESH_GOLDEN=true writes them.
func TestCaptureRules(t *testing.T) {
	inside := os.Getenv(inNamespace) != ""
	if !inside {
		for _, tool := range []string{"iptables", "iptables-save", "ip6tables-save", "ip"} {
			if _, err := exec.LookPath(tool); err != nil {
				t.Skipf("SKIPPED: capturing needs %s (Debian: iptables, iproute2)", tool)
			}
		}
	}
	for _, tt := range captureCases {
		t.Run(tt.name, func(t *testing.T) {
			if !inside {
				runInNamespace(t)
				return
			}
			addresses := tt.addresses
			if len(addresses) == 0 {
				addresses = []string{podIPv4}
			}
			preparePod(t, addresses)
			// A mistake ends this process, with upstream's words on standard error.
			capture(t, tt.args)
			got := rules(t)
			capture(t, tt.args)
			assert.Equal(t, rules(t), got)

			golden := filepath.Join("testdata", "iptables", tt.name+".golden")
			if os.Getenv("REFRESH_GOLDEN") == "true" {
				assert.NoError(t, os.WriteFile(golden, []byte(got), 0o600))
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatalf("%v: run the test with REFRESH_GOLDEN=true and look at what it writes", err)
			}
			assert.Equal(t, got, string(want))
		})
	}
}

// runInNamespace runs the subtest again, in network and mount namespaces that end with it.
func runInNamespace(t *testing.T) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestCaptureRules$/^"+regexp.QuoteMeta(filepath.Base(t.Name()))+"$", "-test.v")
	cmd.Env = append(os.Environ(), inNamespace+"=1", "XTABLES_LOCKFILE="+filepath.Join(t.TempDir(), "xtables.lock"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Unshareflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if err != nil && strings.Contains(err.Error(), "operation not permitted") {
		t.Skipf("SKIPPED: a network namespace of its own needs root: %v", err)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("the test did not run in its namespace:\n%s", out)
	}
}

// preparePod gives the namespace a pod's addresses and resolv.conf.
func preparePod(t *testing.T, addresses []string) {
	t.Helper()
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	run("ip", "link", "set", "lo", "up")
	for _, a := range addresses {
		if ip, _, err := net.ParseCIDR(a); err == nil && ip.To4() == nil {
			run("ip", "-6", "address", "add", a, "dev", "lo", "nodad")
			continue
		}
		run("ip", "address", "add", a, "dev", "lo")
	}
	file := filepath.Join(t.TempDir(), "resolv.conf")
	assert.NoError(t, os.WriteFile(file, []byte(resolvConf), 0o600))
	assert.NoError(t, syscall.Mount(file, "/etc/resolv.conf", "", syscall.MS_BIND, ""))
	t.Cleanup(func() { assert.NoError(t, syscall.Unmount("/etc/resolv.conf", 0)) })
}

func capture(t *testing.T, args []string) {
	t.Helper()
	root := newRootCommand()
	root.SetArgs(args)
	assert.NoError(t, root.Execute())
}

var (
	// saveComment has the version and the time, saveCounters the packets of a chain.
	saveComment  = regexp.MustCompile(`(?m)^#.*\n`)
	saveCounters = regexp.MustCompile(`(?m) \[\d+:\d+\]$`)
)

// rules are those of every table that Istio has rules in, for IPv4 and IPv6.
func rules(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, save := range []string{"iptables-save", "ip6tables-save"} {
		for _, table := range []string{"nat", "mangle", "raw"} {
			out, err := exec.Command(save, "-t", table).Output()
			if err != nil {
				t.Fatalf("%s -t %s: %v", save, table, err)
			}
			text := saveCounters.ReplaceAllString(saveComment.ReplaceAllString(string(out), ""), "")
			if strings.Contains(text, "\n-A ") {
				b.WriteString("# " + save + "\n" + text)
			}
		}
	}
	return b.String()
}
