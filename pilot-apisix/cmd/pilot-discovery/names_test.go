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
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	miekg "github.com/miekg/dns"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pkg/test/util/assert"
	"istio.io/istio/pkg/test/util/retry"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/ads"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/dns"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/intake"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/standin"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/store"
	"github.com/apisix-mesh/pilot-apisix/pkg/apis/mesh/v1alpha1"
)

func named(address string) string {
	return `
apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: bookinfo}
spec:
  clusterIP: 10.96.0.7
  clusterIPs: [10.96.0.7]
  ports: [{name: http, port: 9080}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: outside, namespace: bookinfo}
spec:
  hosts: [api.example.org]
  addresses: [` + address + `]
  ports: [{name: tcp, number: 5432, protocol: TCP}]
  resolution: STATIC
  endpoints: [{address: 192.0.2.9}]
`
}

// TestNames follows the mesh's names from files to a DNS answer: an APISIX sidecar gets istiod's name table on the stream on which
// it gets its resources.
func TestNames(t *testing.T) {
	dir, istiod := t.TempDir(), freeAddress(t)
	file := filepath.Join(dir, "a.yaml")
	assert.NoError(t, os.WriteFile(file, []byte(named("240.0.0.9")), 0o600))
	start(t, dir, "", istiod)

	held, err := store.Open(store.Options{})
	assert.NoError(t, err)
	address := standin.FreeAddress(t)
	names, err := dns.New(dns.Options{Address: address, Namespace: "bookinfo", Domain: "bookinfo.svc.cluster.local"})
	assert.NoError(t, err)
	names.Start()
	t.Cleanup(names.Close)
	client := ads.New(ads.Options{
		Address: istiod,
		Dial: func() (*grpc.ClientConn, error) {
			return grpc.NewClient(istiod, grpc.WithTransportCredentials(insecure.NewCredentials()))
		},
		Node: &core.Node{
			Id: "sidecar~10.0.0.1~productpage-1.bookinfo~bookinfo.svc.cluster.local",
			Metadata: model.NodeMetadata{
				Namespace: "bookinfo", InstanceIPs: []string{"10.0.0.1"}, ClusterID: "Kubernetes", IstioVersion: "1.31.0", DNSCapture: true,
			}.ToStruct(),
		},
		Subscriptions: []ads.Subscription{
			{TypeURL: v1alpha1.TypeURL, Handler: intake.NewHandler(held, nil, nil)},
			{TypeURL: dns.TypeURL, Handler: names},
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { client.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})

	resolve := func(name, want string) {
		t.Helper()
		retry.UntilSuccessOrFail(t, func() error {
			m := new(miekg.Msg)
			m.SetQuestion(name, miekg.TypeA)
			answer, err := miekg.Exchange(m, address)
			if err != nil {
				return err
			}
			for _, rr := range answer.Answer {
				if a, ok := rr.(*miekg.A); ok && a.A.String() == want {
					return nil
				}
			}
			return fmt.Errorf("answer %v", answer)
		}, retry.Timeout(30*time.Second), retry.Delay(5*time.Millisecond), retry.Message(name+" is not "+want))
	}
	resolve("reviews.", "10.96.0.7")
	resolve("reviews.bookinfo.svc.cluster.local.", "10.96.0.7")
	resolve("api.example.org.", "240.0.0.9")
	assert.NoError(t, os.WriteFile(file, []byte(named("240.0.0.10")), 0o600))
	resolve("api.example.org.", "240.0.0.10")

	st := client.Status()
	assert.Equal(t, st.State, ads.StateConnected)
	assert.Equal(t, []uint64{st.Nacks, st.Others[0].Nacks, st.Streams}, []uint64{0, 0, 1})
	if held.Len() == 0 || st.Others[0].Acks < 2 {
		t.Errorf("%d resources are held after %d name tables", held.Len(), st.Others[0].Acks)
	}
}
