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
	"testing"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"

	"istio.io/istio/pkg/test/util/assert"
	"istio.io/istio/pkg/test/util/retry"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/ads"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/standin"
	"github.com/apisix-mesh/pilot-apisix/pkg/apis/mesh/v1alpha1"
)

const otherType = "type.googleapis.com/envoy.config.core.v3.Node"

func other(id string) *discovery.Resource {
	r := standin.Wrap("", &core.Node{Id: id})
	r.Name, r.Version = "", ""
	return r
}

// answersOf are the answers of one type.
func answersOf(requests []*discovery.DeltaDiscoveryRequest, typeURL string) (out []*discovery.DeltaDiscoveryRequest) {
	for _, r := range requests {
		if r.GetTypeUrl() == typeURL && r.GetResponseNonce() != "" {
			out = append(out, r)
		}
	}
	return out
}

// TestSeveralTypes share a stream: each has its own first request, nonces, versions and refusals.
func TestSeveralTypes(t *testing.T) {
	mesh := standin.NewMesh(resource("a", "/1"))
	mesh.SetWhole(otherType, other("1"))
	istiod := standin.Start(t, mesh.Serve)
	first, second := newStandinHandler(), newStandinHandler()
	first.held["routes/old"] = "1"
	second.refuse = map[string]string{"": "bad"}
	client := run(t, istiod.Address, first, func(o *ads.Options) {
		o.Subscriptions = append(o.Subscriptions, ads.Subscription{TypeURL: otherType, Handler: second})
	})
	mesh.AwaitAnswers(t, 2)
	var opening []*discovery.DeltaDiscoveryRequest
	for _, r := range mesh.Requests() {
		if r.GetResponseNonce() == "" {
			opening = append(opening, r)
		}
	}
	assert.Equal(t, len(opening), 2)
	assert.Equal(t, []string{opening[0].GetTypeUrl(), opening[1].GetTypeUrl()}, []string{v1alpha1.TypeURL, otherType})
	assert.Equal(t, opening[0].GetNode() != nil, true)
	assert.Equal(t, opening[1].GetNode() == nil, true)
	assert.Equal(t, opening[0].GetInitialResourceVersions(), map[string]string{"routes/old": "1"})
	assert.Equal(t, len(opening[1].GetInitialResourceVersions()), 0)

	acks, refused := answersOf(mesh.Requests(), v1alpha1.TypeURL), answersOf(mesh.Requests(), otherType)
	assert.Equal(t, acks[0].GetResponseNonce(), "1")
	assert.Equal(t, acks[0].GetErrorDetail() == nil, true)
	assert.Equal(t, refused[0].GetResponseNonce(), "whole-1")
	assert.Equal(t, refused[0].GetErrorDetail().GetMessage(), `1 resource refused: "": bad`)
	assert.Equal(t, first.Versions(), map[string]string{"routes/a": resource("a", "/1").GetVersion()})

	second.refuseOnly(nil)
	mesh.SetWhole(otherType, other("2"))
	mesh.AwaitAnswers(t, 3)
	retry.UntilOrFail(t, func() bool {
		st := client.Status()
		return st.State == ads.StateConnected && len(st.Others) == 1 && st.Others[0].Acks == 1
	}, retry.Timeout(20*time.Second))
	st := client.Status()
	assert.Equal(t, []uint64{st.Acks, st.Nacks, st.Others[0].Acks, st.Others[0].Nacks}, []uint64{1, 0, 1, 1})
	assert.Equal(t, len(st.LastNack), 0)
	assert.Equal(t, st.Others[0].LastNack, []ads.Rejection{{Reason: "bad"}})
	assert.Equal(t, istiod.Streams(), 1)
}

// TestTheFirstTypeDecides: an answer of another type leaves the client waiting.
func TestTheFirstTypeDecides(t *testing.T) {
	mesh := standin.NewMesh()
	mesh.SilentWhenEqual = true
	mesh.SetWhole(otherType, other("1"))
	istiod := standin.Start(t, mesh.Serve)
	client := run(t, istiod.Address, newStandinHandler(), func(o *ads.Options) {
		o.Subscriptions = append(o.Subscriptions, ads.Subscription{TypeURL: otherType, Handler: newStandinHandler()})
		o.AnswerWait = 10 * time.Millisecond
	})
	mesh.AwaitAnswers(t, 1)
	retry.UntilOrFail(t, func() bool {
		st := client.Status()
		return st.State == ads.StateSubscribed && st.Note != "" && st.Others[0].Acks == 1
	}, retry.Timeout(20*time.Second))
	mesh.Set(resource("a", "/1"))
	retry.UntilOrFail(t, func() bool { return client.Status().State == ads.StateConnected }, retry.Timeout(20*time.Second))
}
