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

package agent

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"istio.io/istio/pkg/test/util/assert"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/ads"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/config"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/intake"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/listeners"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/proxy"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/store"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

// routerOf is a gateway whose APISIX never starts, and what it reports.
func routerOf(t *testing.T, try func(string) error) (c *sidecar, listen func(json string), reported *[][]ads.Rejection) {
	t.Helper()
	s, err := store.Open(store.Options{})
	assert.NoError(t, err)
	cfg := &config.Proxy{Router: true, IPv4: true, Dir: t.TempDir(), MetricsAddress: "127.0.0.1:15090"}
	c = &sidecar{cfg: cfg, store: s, gateway: "127.0.0.1:15022", ports: newChooser(cfg), Proxy: proxy.New(proxy.Options{})}
	c.ports = listeners.New(listeners.Options{IPv4: true, Try: try})
	reported = new([][]ads.Rejection)
	c.refusals = refusals{intake: intake.NewHandler(s, nil, nil), report: func(r []ads.Rejection) { *reported = append(*reported, r) }}
	return c, func(json string) {
		s.Apply(store.Update{Upserts: []*store.Resource{store.NewResource(apisix.PluginMetadata, apisix.MeshListenersID, json, []byte(json), "")}})
	}, reported
}

// rendered are the lines of config.yaml with a port.
func (c *sidecar) rendered(t *testing.T) string {
	t.Helper()
	b, err := c.config()
	assert.NoError(t, err)
	var out []string
	for line := range strings.SplitSeq(string(b), "\n") {
		if strings.Contains(line, "port: ") || strings.Contains(line, "addr: ") {
			out = append(out, strings.TrimLeft(line, " -"))
		}
	}
	return strings.Join(out, ", ")
}

func TestPortsOfAGateway(t *testing.T) {
	var taken error
	c, listen, reported := routerOf(t, func(address string) error {
		if strings.HasSuffix(address, ":81") {
			return taken
		}
		return nil
	})
	// Nothing but what the agent asks.
	assert.Equal(t, c.rendered(t), "port: 15080")
	assert.Equal(t, len(*reported), 0)
	listen(`{"id":"mesh-listeners","listeners":[{"port":80,"protocol":"http"},{"port":81,"protocol":"http"},{"port":443,"protocol":"https"},` +
		`{"bind":"10.0.0.1","port":3306,"protocol":"tcp"},{"port":6380,"protocol":"tls"}]}`)
	assert.Equal(t, c.rendered(t), "port: 15080, port: 80, port: 81, port: 443, addr: 10.0.0.1:3306, addr: 0.0.0.0:6380")
	assert.Equal(t, c.clientPorts(), []int{80, 81, 443, 3306, 6380})
	assert.Equal(t, len(*reported), 0)

	// A port that cannot be opened is told once, and does without the others.
	taken = errors.New("taken")
	for range 2 {
		assert.Equal(t, c.rendered(t), "port: 15080, port: 80, port: 443, addr: 10.0.0.1:3306, addr: 0.0.0.0:6380")
	}
	want := []ads.Rejection{{Name: "plugin_metadata/mesh-listeners", Reason: "not open: 0.0.0.0:81 (http): taken"}}
	assert.Equal(t, *reported, [][]ads.Rejection{want})
	assert.Equal(t, c.refusals.intake.Standing(), want)
	taken = nil
	assert.Equal(t, strings.Contains(c.rendered(t), "port: 81"), true)
	assert.Equal(t, len(*reported), 2)
	assert.Equal(t, len((*reported)[1])+len(c.refusals.intake.Standing()), 0)

	// One that nginx did not get is left out of the next configuration.
	c.line("2026/11/25 13:43:31 [emerg] 31#31: bind() to 0.0.0.0:443 failed (98: Address already in use)")
	assert.Equal(t, c.rendered(t), "port: 15080, port: 80, port: 81, addr: 10.0.0.1:3306, addr: 0.0.0.0:6380")
	assert.Equal(t, strings.Contains((*reported)[2][0].Reason, "0.0.0.0:443"), true)
}

func TestNoPortOfTheProxysOwn(t *testing.T) {
	c := newChooser(&config.Proxy{Router: true, IPv4: true, MetricsAddress: "127.0.0.1:15090"})
	st := c.Choose([]byte(`{"listeners":[{"port":15080,"protocol":"http"},{"port":15090,"protocol":"tcp"}]}`))
	assert.Equal(t, st.Reason(), "not open: 0.0.0.0:15080 (http): the proxy needs the port itself, for its own status, "+
		"0.0.0.0:15090 (tcp): the proxy needs the port itself, for its metrics")
	assert.Equal(t, newChooser(&config.Proxy{}) == nil, true)
}

// TestMetricsOfTheProxy: APISIX serves them when something is measured, or somebody said where.
func TestMetricsOfTheProxy(t *testing.T) {
	for _, tt := range []struct {
		name, kind, json string
		always           bool
		want             string
	}{
		{"nobody measures", "routes", `{"id":"a"}`, false, ""},
		{"somebody said where", "routes", `{"id":"a"}`, true, "127.0.0.1:15090"},
		{"a route", "routes", `{"id":"a","plugins":{"prometheus":{}}}`, false, "127.0.0.1:15090"},
		{"a stream route", "stream_routes", `{"id":"a","plugins":{"prometheus":{}}}`, false, "127.0.0.1:15090"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _, _ := routerOf(t, func(string) error { return nil })
			c.cfg.MetricsAlways = tt.always
			c.store.Apply(store.Update{Upserts: []*store.Resource{store.NewResource(apisix.Kind(tt.kind), "a", "1", []byte(tt.json), "")}})
			b, err := c.config()
			assert.NoError(t, err)
			assert.Equal(t, c.metricsAddress(), tt.want)
			assert.Equal(t, strings.Contains(string(b), "enable_export_server: true"), tt.want != "")
		})
	}
}

// TestDrainingConfiguration ends connections with their responses.
func TestDrainingConfiguration(t *testing.T) {
	c, _, _ := routerOf(t, func(string) error { return nil })
	before, err := c.config()
	assert.NoError(t, err)
	c.startDrain()
	after, err := c.config()
	assert.NoError(t, err)
	assert.Equal(t, []bool{strings.Contains(string(before), "keepalive_timeout"), strings.Contains(string(after), "keepalive_timeout: 0s")}, []bool{false, true})
}

func TestClientPortsOfASidecar(t *testing.T) {
	assert.Equal(t, (&sidecar{cfg: &config.Proxy{Capture: true}}).clientPorts(), []int{15001, 15006})
	assert.Equal(t, (&sidecar{cfg: &config.Proxy{}}).clientPorts(), []int{15001})
	assert.Equal(t, (&sidecar{cfg: &config.Proxy{Capture: true, IPv6: true}}).statusURL(), "http://[::1]:15080/apisix/nginx_status")
	assert.Equal(t, filepath.Base((&sidecar{cfg: &config.Proxy{}}).statusURL()), "nginx_status")
}
