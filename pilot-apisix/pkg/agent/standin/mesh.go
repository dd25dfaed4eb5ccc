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

package standin

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/apisix-mesh/pilot-apisix/pkg/apis/mesh/v1alpha1"
)

// Mesh is a configuration that every stream is given, with the delta rules of pilot-apisix's istiod: content hashes as
// versions, initial_resource_versions honored, exact removals, nothing sent again after a NACK. Its Serve is for Start. The
// first request of a stream must be for APISIX's resources; others may be for a type of SetWhole.
type Mesh struct {
	// SilentWhenEqual leaves out the first answer when there is nothing to say.
	SilentWhenEqual bool

	mu        sync.Mutex
	resources map[string]*discovery.Resource
	requests  []*discovery.DeltaDiscoveryRequest
	responses []*discovery.DeltaDiscoveryResponse
	// whole are other types, each one resource that is sent as a whole; wholeVersion counts its changes.
	whole        map[string]*discovery.Resource
	wholeVersion map[string]int
	// changed is closed and replaced at each change of anything above.
	changed chan struct{}
}

// NewMesh is a Mesh with resources.
func NewMesh(resources ...*discovery.Resource) *Mesh {
	m := &Mesh{
		resources: map[string]*discovery.Resource{}, changed: make(chan struct{}),
		whole: map[string]*discovery.Resource{}, wholeVersion: map[string]int{},
	}
	m.Set(resources...)
	return m
}

// Resource is an xDS resource as pilot-apisix's istiod sends it, named kind/id, with a hash as its version.
func Resource(kind, id, json string) *discovery.Resource {
	return Wrap(kind+"/"+id, &v1alpha1.Resource{
		Kind: kind, Id: id, Json: []byte(json),
		Sources: []*v1alpha1.Source{{Kind: "VirtualService", Namespace: "default", Name: id, Field: "spec.http[0]"}},
	})
}

// Wrap puts any message under any name.
func Wrap(name string, m proto.Message) *discovery.Resource {
	body, err := anypb.New(m)
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(body.GetValue())
	return &discovery.Resource{Name: name, Version: hex.EncodeToString(sum[:8]), Resource: body}
}

// Set adds or replaces resources; every stream is sent them in one response.
func (m *Mesh) Set(resources ...*discovery.Resource) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range resources {
		m.resources[r.GetName()] = r
	}
	m.signal()
}

// SetWhole replaces what streams get that subscribe to another type: istiod's way with types that know no delta.
func (m *Mesh) SetWhole(typeURL string, r *discovery.Resource) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.whole[typeURL] = r
	m.wholeVersion[typeURL]++
	m.signal()
}

// Remove removes resources by name.
func (m *Mesh) Remove(names ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range names {
		delete(m.resources, n)
	}
	m.signal()
}

// signal wakes everybody who waits; m.mu is held.
func (m *Mesh) signal() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// Requests are all requests so far.
func (m *Mesh) Requests() []*discovery.DeltaDiscoveryRequest {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.requests)
}

// Responses are all responses so far.
func (m *Mesh) Responses() []*discovery.DeltaDiscoveryResponse {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.responses)
}

// Await waits until the requests satisfy done, and returns them.
func (m *Mesh) Await(t testing.TB, what string, done func([]*discovery.DeltaDiscoveryRequest) bool) []*discovery.DeltaDiscoveryRequest {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		m.mu.Lock()
		requests, changed := slices.Clone(m.requests), m.changed
		m.mu.Unlock()
		if done(requests) {
			return requests
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("stand-in: no %s after 20 s; there were %d requests", what, len(requests))
		}
	}
}

// AwaitAnswers waits for the client's answers to n responses, and returns all answers so far.
func (m *Mesh) AwaitAnswers(t testing.TB, n int) []*discovery.DeltaDiscoveryRequest {
	t.Helper()
	answers := func(requests []*discovery.DeltaDiscoveryRequest) (out []*discovery.DeltaDiscoveryRequest) {
		for _, r := range requests {
			if r.GetResponseNonce() != "" {
				out = append(out, r)
			}
		}
		return out
	}
	return answers(m.Await(t, "answer number "+strconv.Itoa(n), func(requests []*discovery.DeltaDiscoveryRequest) bool {
		return len(answers(requests)) >= n
	}))
}

// Serve serves one stream.
func (m *Mesh) Serve(stream Stream) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	if first.GetNode().GetId() == "" || first.GetTypeUrl() != v1alpha1.TypeURL || len(first.GetResourceNamesSubscribe()) > 0 {
		return ErrUnexpected
	}
	m.received(first)
	// subscribed are the other types of this stream, with the version that was sent; m.mu guards it.
	subscribed := map[string]int{}
	received := make(chan error, 1)
	go func() {
		for {
			request, err := stream.Recv()
			if err != nil {
				received <- err
				return
			}
			if typeURL := request.GetTypeUrl(); typeURL != v1alpha1.TypeURL && request.GetResponseNonce() == "" {
				m.mu.Lock()
				subscribed[typeURL] = 0
				m.mu.Unlock()
			}
			m.received(request)
		}
	}()
	sent := maps.Clone(first.GetInitialResourceVersions())
	if sent == nil {
		sent = map[string]string{}
	}
	for initial := true; ; initial = false {
		response, changed := m.diff(sent, initial && !m.SilentWhenEqual)
		responses := m.wholes(subscribed)
		if response != nil {
			responses = append(responses, response)
		}
		for _, response := range responses {
			if err := stream.Send(response); err != nil {
				return err
			}
		}
		select {
		case <-changed:
		case err := <-received:
			return err
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

func (m *Mesh) received(request *discovery.DeltaDiscoveryRequest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests = append(m.requests, request)
	m.signal()
}

// wholes are the other types of which subscribed is not the present version, which it then is.
func (m *Mesh) wholes(subscribed map[string]int) (out []*discovery.DeltaDiscoveryResponse) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, typeURL := range slices.Sorted(maps.Keys(subscribed)) {
		version := m.wholeVersion[typeURL]
		if subscribed[typeURL] == version {
			continue
		}
		subscribed[typeURL] = version
		nonce := "whole-" + strconv.Itoa(version)
		out = append(out, &discovery.DeltaDiscoveryResponse{
			TypeUrl: typeURL, Nonce: nonce, SystemVersionInfo: "v" + nonce, Resources: []*discovery.Resource{m.whole[typeURL]},
		})
	}
	return out
}

// diff is the way from sent to the present, which sent then is. It is nil when there is nothing to say, unless always.
func (m *Mesh) diff(sent map[string]string, always bool) (*discovery.DeltaDiscoveryResponse, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	nonce := strconv.Itoa(len(m.responses) + 1)
	response := &discovery.DeltaDiscoveryResponse{TypeUrl: v1alpha1.TypeURL, Nonce: nonce, SystemVersionInfo: "v" + nonce}
	for _, name := range slices.Sorted(maps.Keys(m.resources)) {
		r := m.resources[name]
		if sent[name] != r.GetVersion() {
			response.Resources = append(response.Resources, r)
			sent[name] = r.GetVersion()
		}
	}
	for _, name := range slices.Sorted(maps.Keys(sent)) {
		if m.resources[name] == nil {
			response.RemovedResources = append(response.RemovedResources, name)
			delete(sent, name)
		}
	}
	if len(response.Resources)+len(response.RemovedResources) == 0 && !always {
		return nil, m.changed
	}
	m.responses = append(m.responses, response)
	return response, m.changed
}
