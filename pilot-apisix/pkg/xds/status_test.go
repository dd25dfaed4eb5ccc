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

package xds

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	statusv3 "github.com/envoyproxy/go-control-plane/envoy/service/status/v3"

	"istio.io/istio/pilot/pkg/features"
	"istio.io/istio/pilot/pkg/model"
	istioxds "istio.io/istio/pilot/pkg/xds"
	v3 "istio.io/istio/pilot/pkg/xds/v3"
	"istio.io/istio/pkg/monitoring/monitortest"
	"istio.io/istio/pkg/test"
	"istio.io/istio/pkg/test/util/assert"
	"istio.io/istio/pkg/test/util/retry"

	"github.com/apisix-mesh/pilot-apisix/pkg/apis/mesh/v1alpha1"
)

func TestServerKeepsNoNames(t *testing.T) {
	m := newMesh(t, services(20))
	s := m.proxy("app.default")
	s.subscribe()
	m.setEndpoints(0, "10.1.0.1")
	s.until(upstream0, "10.0.0.0 10.1.0.1")
	retry.UntilSuccessOrFail(t, func() error {
		names := m.Discovery.Clients()[0].Proxy().DeepCloneWatchedResources()[v1alpha1.TypeURL].ResourceNames
		if len(names) != 1 {
			return fmt.Errorf("Istio keeps %d names of the connection", len(names))
		}
		return nil
	})
}

func (m *mesh) syncz(node string) istioxds.ResourceStatus {
	m.t.Helper()
	rec := httptest.NewRecorder()
	m.DiscoveryDebug.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/debug/syncz", nil))
	for _, s := range unmarshal[[]istioxds.SyncStatus](m.t, rec.Body.Bytes()) {
		if s.ProxyID == node {
			return s.Resources[v1alpha1.TypeURL]
		}
	}
	return istioxds.ResourceStatus{}
}

func TestServerRecordsAckAndNack(t *testing.T) {
	test.SetForTest(t, &features.EnableDebugEndpointAuth, false)
	mt := monitortest.New(t)
	m := newMesh(t, services(2))
	s := m.proxy("app.default")
	s.request(&discovery.DeltaDiscoveryRequest{})
	resp := s.receive()
	retry.UntilOrFail(t, func() bool { return m.proxyStatus("app.default") == statusv3.ConfigStatus_STALE })
	s.ack(resp)
	retry.UntilOrFail(t, func() bool { return m.syncz("app.default").Acked == resp.Nonce })
	assert.Equal(t, m.syncz("app.default").Sent, resp.Nonce)
	retry.UntilOrFail(t, func() bool { return m.proxyStatus("app.default") == statusv3.ConfigStatus_SYNCED })

	m.apply(virtualService("default", 0, "v2"))
	bad := s.receive()
	s.nack(bad, route0+": refused")
	retry.UntilOrFail(t, func() bool { return m.syncz("app.default").LastError == route0+": refused" })
	assert.Equal(t, m.syncz("app.default").Acked, resp.Nonce)
	assert.Equal(t, m.syncz("app.default").Sent, bad.Nonce)
	retry.UntilOrFail(t, func() bool { return m.proxyStatus("app.default") == statusv3.ConfigStatus_ERROR })
	assert.Equal(t, m.statusOf("app.default").Rejected, route0+": refused")
	mt.Assert("pilot_total_xds_rejects", map[string]string{"type": v1alpha1.TypeURL}, monitortest.Exactly(1))

	// What was refused is not sent again by a push that does not change it, and the next acceptance clears the error.
	m.apply(virtualService("default", 1, "v2"))
	assert.Equal(t, s.next().names(), []string{route1})
	retry.UntilOrFail(t, func() bool { return m.syncz("app.default").LastError == "" })
	retry.UntilOrFail(t, func() bool { return m.proxyStatus("app.default") == statusv3.ConfigStatus_SYNCED })
}

func (m *mesh) proxyStatus(id string) statusv3.ConfigStatus {
	m.t.Helper()
	istioctl := m.connect(model.SidecarProxy, "istioctl.istio-system")
	defer istioctl.close()
	istioctl.request(&discovery.DeltaDiscoveryRequest{TypeUrl: istioxds.TypeDebugSyncronization})
	for _, r := range istioctl.anyResponse().Resources {
		config := &statusv3.ClientConfig{}
		if err := r.Resource.UnmarshalTo(config); err != nil {
			m.t.Fatal(err)
		}
		for _, x := range config.GenericXdsConfigs {
			if config.Node.Id == id && x.TypeUrl == v1alpha1.TypeURL {
				return x.ConfigStatus
			}
		}
	}
	return statusv3.ConfigStatus_UNKNOWN
}

func TestServerSurvivesPanics(t *testing.T) {
	quiet(t)
	mt := monitortest.New(t)
	m := newMesh(t, services(2))
	s, envoy := m.proxy("app.default"), m.proxy("envoy.default")
	s.subscribe()
	envoy.request(&discovery.DeltaDiscoveryRequest{TypeUrl: v3.ClusterType})
	envoy.anyResponse()

	m.panics.Store(true)
	m.apply(virtualService("default", 0, "v2"))
	m.await(route0, "v2")
	m.quiesce()
	mt.Assert("pilot_apisix_generator_panics_total", nil, monitortest.AtLeast(1), retry.Timeout(patience))
	retry.UntilOrFail(t, func() bool { return m.statusOf("app.default").Behind })
	assert.Equal(t, m.statusOf("app.default").Failure, "panic: as the test wants")
	assert.Equal(t, m.statusOf("app.default").Total, 4)

	// A client that comes now keeps what it has and waits.
	late := m.proxy("late.default")
	late.has = map[string]string{"routes/old": "1"}
	late.request(&discovery.DeltaDiscoveryRequest{InitialResourceVersions: maps.Clone(late.has)})
	retry.UntilOrFail(t, func() bool { return m.statusOf("late.default").Behind })

	m.panics.Store(false)
	m.setEndpoints(1, "10.1.0.1")
	sent := s.until(upstream1, "10.0.0.1 10.1.0.1")
	assert.Equal(t, sent, []string{route0, upstream1})
	r := late.next()
	assert.Equal(t, r.removed, []string{"routes/old"})
	late.until(upstream1, "10.0.0.1 10.1.0.1")
	assert.Equal(t, s.values, m.want())
	assert.Equal(t, late.values, m.want())
	assert.Equal(t, m.statusOf("app.default").Behind, false)
	// Envoy's streams have noticed nothing.
	envoy.request(&discovery.DeltaDiscoveryRequest{TypeUrl: v3.ListenerType})
	for envoy.anyResponse().TypeUrl != v3.ListenerType {
	}
}

func TestServerForgetsConnections(t *testing.T) {
	m := newMesh(t, services(1))
	var streams []*stream
	for i := range 10 {
		s := m.proxy(fmt.Sprintf("app-%d.default", i))
		s.subscribe()
		streams = append(streams, s)
	}
	for _, s := range streams[1:] {
		s.close()
	}
	retry.UntilSuccessOrFail(t, func() error {
		runtime.GC()
		if n := m.generator.connections.size(); n != 1 {
			return fmt.Errorf("%d connections: %w", n, errStillThere)
		}
		return nil
	}, retry.Timeout(patience))
	assert.Equal(t, m.generator.groups.size(), 1)
	streams[0].close()
	m.apply(virtualService("default", 0, "v2"))
	retry.UntilSuccessOrFail(t, func() error {
		runtime.GC()
		if n := m.generator.connections.size() + m.generator.groups.size(); n != 0 {
			return fmt.Errorf("%d connections and groups: %w", n, errStillThere)
		}
		return nil
	}, retry.Timeout(patience))
}
