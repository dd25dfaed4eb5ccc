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
	"strconv"
	"testing"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/simulate"
	"github.com/apisix-mesh/pilot-apisix/pkg/etcdapi"
	"github.com/apisix-mesh/pilot-apisix/tests/apisixtest"
)

const patience = apisixtest.Patience

// medium is a running APISIX whose resources are changed at will.
type medium struct {
	*apisixtest.APISIX
	t      *testing.T
	client *client
	// inbound sends what is sent to the workload.
	inbound *client
	// current are the names of the resources that it has.
	current map[string]bool
	round   int
	// requests counts those that were numbered.
	requests int
}

// start runs APISIX with one worker, so that one answer of the probe, which is mesh-direct-response's, tells of all.
func start(t *testing.T, plugins ...string) *medium {
	t.Helper()
	a := apisixtest.Start(t, apisixtest.Options{Plugins: append(plugins, "mesh-direct-response"), Workers: 1})
	m := &medium{APISIX: a, t: t, client: &client{address: a.Address}, inbound: &client{address: a.Inbound}, current: map[string]bool{}}
	t.Cleanup(m.client.close)
	t.Cleanup(m.inbound.close)
	return m
}

// send sends a request to the listener of its direction.
func (m *medium) send(r simulate.Request) answer {
	if r.Inbound {
		return m.inbound.send(r)
	}
	return m.client.send(r)
}

// serve replaces all resources and waits until they are served: a route of the round's own answers with its number.
func (m *medium) serve(resources []simulate.Resource) {
	m.t.Helper()
	m.round++
	round := strconv.Itoa(m.round)
	probe := apisix.Route{
		ID: "probe", Hosts: []string{"r" + round + ".probe.oracle"}, URI: "/*",
		Plugins: []apisix.Plugin{&apisix.MeshDirectResponse{Status: 204}},
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
	m.Store.Apply(ops)
	m.current = next
	m.Eventually(m.t, "APISIX serves the table", func() bool {
		a := m.client.send(simulate.Request{Host: "r" + round + ".probe.oracle", Path: "/"})
		return a.status == 204
	})
}
