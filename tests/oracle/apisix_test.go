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
	"net"
	"net/http/httptest"
	"os/user"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/apisixconf"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/instance/instancetest"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/simulate"
	"github.com/apisix-mesh/pilot-apisix/pkg/etcdapi"
)

// patience bounds every wait; nothing is asserted about how long things take.
const patience = 30 * time.Second

// medium is a running APISIX whose resources are changed at will.
type medium struct {
	t       *testing.T
	store   *etcdapi.Store
	address string
	client  *client
	log     func() string
	// current are the names of the resources that it has.
	current map[string]bool
	round   int
	// requests counts those that were numbered.
	requests int
}

// start runs APISIX with one worker, so that one answer of the probe tells of all.
func start(t *testing.T, plugins ...string) *medium {
	t.Helper()
	instancetest.Find(t)
	store, err := etcdapi.NewStore(etcdapi.StoreOptions{StartRevision: 1})
	if err != nil {
		t.Fatal(err)
	}
	store.Apply(etcdapi.InitDirs("/apisix", etcdapi.Directories()))
	gateway := httptest.NewServer(etcdapi.Handler(store, etcdapi.HandlerOptions{}))
	t.Cleanup(gateway.Close)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	lua, err := filepath.Abs("../../pilot-apisix/lua/?.lua")
	if err != nil {
		t.Fatal(err)
	}
	address := "127.0.0.1:" + strconv.Itoa(freePort(t))
	config, err := apisixconf.Render(apisixconf.Options{
		Gateway: gateway.Listener.Addr().String(), Listen: []string{address}, Plugins: plugins, Workers: 1, User: me.Username, ExtraLuaPath: lua,
	})
	if err != nil {
		t.Fatal(err)
	}
	p := instancetest.Start(t, string(config), nil)
	t.Cleanup(gateway.CloseClientConnections)
	m := &medium{t: t, store: store, address: address, client: &client{address: address}, log: p.ErrorLog, current: map[string]bool{}}
	t.Cleanup(m.client.close)
	m.eventually("APISIX listens", func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return m
}

// serve replaces all resources and waits until they are served: a route of the round's own answers with its number.
func (m *medium) serve(resources []simulate.Resource) {
	m.t.Helper()
	m.round++
	round := strconv.Itoa(m.round)
	probe := apisix.Route{
		ID: "probe", Hosts: []string{"r" + round + ".probe.oracle"}, URI: "/*",
		Plugins: []apisix.Plugin{&apisix.FaultInjection{HTTPStatus: 204}},
	}
	next := map[string]bool{}
	var ops []etcdapi.Op
	for _, r := range resources {
		name := apisix.Name(r.Kind, r.ID)
		next[name] = true
		ops = append(ops, etcdapi.Op{Key: "/apisix/" + name, Value: r.JSON})
	}
	for name := range m.current {
		if !next[name] {
			ops = append(ops, etcdapi.Op{Key: "/apisix/" + name, Delete: true})
		}
	}
	ops = append(ops, etcdapi.Op{Key: "/apisix/routes/probe", Value: probe.AppendJSON(nil)})
	m.store.Apply(ops)
	m.current = next
	m.eventually("APISIX serves the table", func() bool {
		a := m.client.send(simulate.Request{Host: "r" + round + ".probe.oracle", Path: "/"})
		return a.status == 204
	})
}

func (m *medium) eventually(what string, ok func() bool) {
	m.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	m.t.Fatalf("in vain: %s\n%s", what, m.log())
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
