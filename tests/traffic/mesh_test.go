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
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/translate"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/etcdapi"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
	"github.com/apisix-mesh/pilot-apisix/tests/apisixtest"
)

const patience = apisixtest.Patience

// mesh is an APISIX under a translated configuration.
type mesh struct {
	*apisixtest.APISIX
	t      *testing.T
	output *translate.Output
	base   string
	client *http.Client
}

// start runs APISIX on an empty configuration.
func start(t *testing.T) *mesh {
	t.Helper()
	return startWith(t, apisixtest.Options{Plugins: translate.Plugins()})
}

// startWith is start with more than that.
func startWith(t *testing.T, o apisixtest.Options) *mesh {
	t.Helper()
	o.StreamPlugins, o.Workers = translate.StreamPlugins(), 2
	a := apisixtest.Start(t, o)
	return &mesh{
		APISIX: a, t: t, base: "http://" + a.Address,
		client: &http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
}

// serve translates cfg and waits until every worker serves it: a route of the round's own answers with the round's number.
func (m *mesh) serve(cfg *ir.Config) {
	m.t.Helper()
	next := translate.Translate(cfg, m.output)
	var ops []etcdapi.Op
	keep := map[string]bool{}
	for _, r := range next.Resources {
		keep[r.Name()] = true
		ops = append(ops, etcdapi.Op{Key: "/apisix/" + r.Name(), Value: r.JSON})
	}
	if m.output != nil {
		for i := len(m.output.Resources) - 1; i >= 0; i-- {
			if name := m.output.Resources[i].Name(); !keep[name] {
				ops = append(ops, etcdapi.Op{Key: "/apisix/" + name, Delete: true})
			}
		}
	}
	rev := strconv.FormatInt(m.Store.Revision(), 10)
	probe := apisix.Route{
		ID: "probe", Hosts: []string{"r" + rev + ".probe.test"}, URI: "/*",
		Plugins: []apisix.Plugin{&apisix.MeshDirectResponse{Status: http.StatusNoContent}},
	}
	ops = append(ops, etcdapi.Op{Key: "/apisix/routes/probe", Value: probe.AppendJSON(nil)})
	m.Store.Apply(ops)
	m.output = next
	m.Eventually(m.t, "both workers serve the configuration", func() bool {
		for range 40 {
			res := m.do(request{host: "r" + rev + ".probe.test", path: "/", fresh: true})
			if res.status != http.StatusNoContent {
				return false
			}
		}
		return true
	})
}

// request is what a client sends. The port that it means is that of the host, or 80.
type request struct {
	method, host, path string
	headers            map[string]string
	// fresh asks for a connection of its own, so that any worker may answer.
	fresh bool
}

type response struct {
	status int
	// body is the name of the backend that answered.
	body string
	took time.Duration
}

func (m *mesh) do(r request) response {
	m.t.Helper()
	if r.method == "" {
		r.method = http.MethodGet
	}
	req, err := http.NewRequest(r.method, m.base+r.path, nil)
	if err != nil {
		m.t.Fatal(err)
	}
	req.Host, req.Close = r.host, r.fresh
	for k, v := range r.headers {
		req.Header.Set(k, v)
	}
	begun := time.Now()
	res, err := m.client.Do(req)
	if err != nil {
		return response{body: err.Error()}
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return response{body: err.Error()}
	}
	return response{res.StatusCode, string(b), time.Since(begun)}
}

// backend answers with its name and returns its endpoint.
func backend(t *testing.T, name string) ir.Endpoint {
	t.Helper()
	return endpointOf(t, httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, name)
	})))
}

func endpointOf(t *testing.T, s *httptest.Server) ir.Endpoint {
	t.Helper()
	t.Cleanup(s.Close)
	port := s.Listener.Addr().(*net.TCPAddr).Port
	return ir.Endpoint{Address: "127.0.0.1", Port: port, Weight: 1}
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

// cluster is a cluster of the service host:80 in the subset.
func cluster(host, subset string, endpoints ...ir.Endpoint) *ir.Cluster {
	return &ir.Cluster{
		Name: "outbound|80|" + subset + "|" + host, Host: host, Subset: subset, Port: 80, ConnectTimeout: time.Second, Endpoints: endpoints,
	}
}

func to(clusters ...*ir.Cluster) []ir.Destination {
	out := make([]ir.Destination, 0, len(clusters))
	for _, c := range clusters {
		out = append(out, ir.Destination{Cluster: c.Name, Weight: 1})
	}
	return out
}
