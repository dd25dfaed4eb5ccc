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

package ads_test

import (
	"strings"
	"sync/atomic"
	"testing"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"

	"istio.io/istio/pkg/test/util/assert"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/ads"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/standin"
)

// lateHandler finds out later that something is wrong.
type lateHandler struct {
	*standinHandler
	standing atomic.Pointer[[]ads.Rejection]
}

func (h *lateHandler) Standing() []ads.Rejection {
	if p := h.standing.Load(); p != nil {
		return *p
	}
	return nil
}

// TestReport: what was acknowledged is refused, as long as it is so, and acknowledged again.
func TestReport(t *testing.T) {
	mesh := standin.NewMesh(resource("a", "/1"))
	istiod := standin.Start(t, mesh.Serve)
	handler := &lateHandler{standinHandler: newStandinHandler()}
	client := run(t, istiod.Address, handler, nil)
	// Nobody to tell yet is no mistake.
	ads.New(ads.Options{Subscriptions: []ads.Subscription{{Handler: handler}}}).Report([]ads.Rejection{{Name: "routes/a", Reason: "late"}})
	answers := mesh.AwaitAnswers(t, 1)
	assert.Equal(t, answers[0].GetErrorDetail() == nil, true)

	late := []ads.Rejection{{Name: "routes/a", Reason: "late"}}
	handler.standing.Store(&late)
	client.Report(late)
	answers = mesh.AwaitAnswers(t, 2)
	assert.Equal(t, answers[1].GetErrorDetail().GetMessage(), `1 resource refused: "routes/a": late`)
	assert.Equal(t, answers[1].GetResponseNonce(), "1")
	assert.Equal(t, len(answers[1].GetResourceNamesSubscribe()), 0)
	assert.Equal(t, client.Status().LastNack, late)

	// The next answer says so, too; and with what is new.
	handler.refuseOnly(map[string]string{"routes/c": "broken"})
	mesh.Set(resource("b", "/1"), resource("c", "/1"))
	answers = mesh.AwaitAnswers(t, 3)
	m := answers[2].GetErrorDetail().GetMessage()
	if !strings.Contains(m, `"routes/a": late`) || !strings.Contains(m, `"routes/c": broken`) || strings.Contains(m, "routes/b") {
		t.Errorf("the NACK says %q", m)
	}

	handler.standing.Store(nil)
	client.Report(nil)
	mesh.Await(t, "ACK", func(requests []*discovery.DeltaDiscoveryRequest) bool {
		last := requests[len(requests)-1]
		return last.GetErrorDetail() == nil && last.GetResponseNonce() == answers[2].GetResponseNonce()
	})
}
