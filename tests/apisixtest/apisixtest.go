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

package apisixtest

import (
	"net"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/lua"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/apisixconf"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/instance/instancetest"
	"github.com/apisix-mesh/pilot-apisix/pkg/etcdapi"
)

// Patience bounds every wait; nothing is asserted about how long things take.
const Patience = 30 * time.Second

// APISIX is one that runs until the test ends.
type APISIX struct {
	// Store has the resources that it follows; at first there are none.
	Store *etcdapi.Store
	// Address is where it listens for HTTP, on loopback, and Inbound where it does for what is sent to the workload.
	Address, Inbound string
	// Stream and InboundStream are the same for TCP, when there are StreamPlugins.
	Stream, InboundStream string
	// Log is the end of its error log.
	Log func() string
}

// Options are what APISIX runs with.
type Options struct {
	// Plugins and StreamPlugins are loaded; without any of the latter there is no TCP.
	Plugins, StreamPlugins []string
	Workers                int
	// Listen are further addresses for TCP, and InboundPorts those of their ports that take what is sent to the workload.
	Listen       []string
	InboundPorts []int
	// Capture takes captured connections; none when nil.
	Capture *apisixconf.Capture
	// RetryClasses are those that routes of the test ask for.
	RetryClasses []string
	// Change, when it is set, changes config.yaml before APISIX reads it.
	Change func(config map[string]any)
}

// Start runs an APISIX and waits until it listens.
func Start(t testing.TB, o Options) *APISIX {
	t.Helper()
	instancetest.Find(t)
	store, err := etcdapi.NewStore(etcdapi.StoreOptions{StartRevision: 1})
	if err != nil {
		t.Fatal(err)
	}
	store.Apply(etcdapi.InitDirs("/apisix", etcdapi.Directories()))
	gateway := httptest.NewServer(etcdapi.Handler(store, etcdapi.HandlerOptions{}))
	t.Cleanup(gateway.Close)
	// The test's own directory belongs to whom nginx's workers may not be.
	pack, err := os.MkdirTemp("", "lua")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(pack) })
	if err := lua.Write(pack); err != nil {
		t.Fatal(err)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	a := &APISIX{Store: store, Address: freeAddress(t), Inbound: freeAddress(t)}
	sockets, err := os.MkdirTemp("", "sock")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(sockets) })
	options := apisixconf.Options{
		Mirror: filepath.Join(sockets, "mirror.sock"), StreamOrigination: filepath.Join(sockets, "tls.sock"),
		Gateway: gateway.Listener.Addr().String(), Listen: []string{a.Address, a.Inbound}, Plugins: o.Plugins, Workers: o.Workers,
		User: me.Username, ExtraLuaPath: lua.Path(pack), LuaModuleHook: lua.Hook, InboundPorts: append([]int{portOf(t, a.Inbound)}, o.InboundPorts...),
		Capture: o.Capture, RetryClasses: o.RetryClasses,
	}
	if len(o.StreamPlugins) > 0 {
		a.Stream, a.InboundStream = freeAddress(t), freeAddress(t)
		options.StreamPlugins = o.StreamPlugins
		options.Stream = append([]string{a.Stream, a.InboundStream}, o.Listen...)
		options.InboundPorts = append(options.InboundPorts, portOf(t, a.InboundStream))
	}
	config, err := apisixconf.Render(options)
	if err != nil {
		t.Fatal(err)
	}
	if o.Change != nil {
		var object map[string]any
		if err := yaml.Unmarshal(config, &object); err != nil {
			t.Fatal(err)
		}
		o.Change(object)
		if config, err = yaml.Marshal(object); err != nil {
			t.Fatal(err)
		}
	}
	a.Log = instancetest.Start(t, string(config), nil).ErrorLog
	t.Cleanup(gateway.CloseClientConnections)
	a.Eventually(t, "APISIX listens", func() bool {
		c, err := net.Dial("tcp", a.Address)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return a
}

// Eventually waits until ok, and fails the test with APISIX's log when that does not come.
func (a *APISIX) Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(Patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("in vain: %s\n%s", what, a.Log())
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func portOf(t testing.TB, address string) int {
	t.Helper()
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return int(a.Port())
}
