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

package status

import (
	"time"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/ads"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/listeners"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/proxy"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/security"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/store"
)

// Source is what there is to show. Its methods may be called at any time, by several goroutines.
type Source interface {
	// Ready is nil when the proxy can take traffic, or says why not.
	Ready() error
	// Status is a snapshot of the agent.
	Status() Status
	// Resources are all that is held, in dependency order.
	Resources() []*store.Resource
}

// Status is a snapshot of the agent. It holds no secret.
type Status struct {
	// Version is the agent's.
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	// NotReady is why the proxy is not ready; empty when it is.
	NotReady string `json:"notReady,omitempty"`
	// Gateway is the address where APISIX reads, Serving whether it can.
	Gateway string `json:"gateway"`
	Serving bool   `json:"serving"`
	// XDS is the stream to istiod.
	XDS ads.Status `json:"xds"`
	// Rejected are the resources of which istiod's present content is refused.
	Rejected []ads.Rejection `json:"rejected,omitempty"`
	// Store is what is held.
	Store store.Status `json:"store"`
	// APISIX is nil when the agent runs none.
	APISIX *proxy.Status `json:"apisix,omitempty"`
	// Listeners are the ports of a gateway; nil for a sidecar.
	Listeners *listeners.Status `json:"listeners,omitempty"`
	// Certificate is nil when the workload uses none.
	Certificate *security.Certificate `json:"certificate,omitempty"`
}
