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

package ads

import (
	"slices"
	"time"
)

// State is where the client stands.
type State string

const (
	// StateConnecting means that there is no stream yet.
	StateConnecting State = "connecting"
	// StateSubscribed means that the first request was sent and istiod has not answered. An istiod that finds everything
	// up to date does not answer until something changes.
	StateSubscribed State = "subscribed"
	// StateConnected means that istiod has answered.
	StateConnected State = "connected"
	// StateWaiting means that the last stream ended and the next one follows after a pause.
	StateWaiting State = "waiting"
)

// Push is one response of istiod.
type Push struct {
	Time time.Time `json:"time"`
	// Version is istiod's system_version_info.
	Version string `json:"version"`
	Nonce   string `json:"nonce"`
	// Resources, Removed and Rejected count what the response held.
	Resources int `json:"resources"`
	Removed   int `json:"removed"`
	Rejected  int `json:"rejected"`
	// Duration is the time that it took to apply.
	Duration time.Duration `json:"durationNanoseconds"`
}

// Status is a snapshot for people.
type Status struct {
	State State `json:"state"`
	// Since is when the state began.
	Since time.Time `json:"since"`
	// Address is istiod's, Node this proxy's id.
	Address string `json:"address"`
	Node    string `json:"node"`
	// Streams counts the streams that were opened.
	Streams uint64 `json:"streams"`
	// ControlPlane is how istiod names itself.
	ControlPlane string `json:"controlPlane,omitempty"`
	// Note is a condition that is no failure.
	Note string `json:"note,omitempty"`
	// LastFailure is why the last stream ended; it stays when the next one is well.
	LastFailure *Failure `json:"lastFailure,omitempty"`
	// TypeStatus is that of the first subscription, Others those of the others.
	TypeStatus
	Others []TypeStatus `json:"others,omitempty"`
}

// TypeStatus is what came of one type.
type TypeStatus struct {
	TypeURL string `json:"typeURL"`
	// Acks and Nacks count the answers.
	Acks     uint64 `json:"acks"`
	Nacks    uint64 `json:"nacks"`
	LastPush *Push  `json:"lastPush,omitempty"`
	// LastNack are the rejections of the last NACK, which a later ACK does not clear.
	LastNack     []Rejection `json:"lastNack,omitempty"`
	LastNackTime time.Time   `json:"lastNackTime,omitzero"`
}

// Status is the current state.
func (c *Client) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	st := c.status
	st.LastNack = slices.Clone(st.LastNack)
	st.Others = slices.Clone(st.Others)
	for i := range st.Others {
		st.Others[i].LastNack = slices.Clone(st.Others[i].LastNack)
	}
	return st
}

// update changes the status.
func (c *Client) update(change func(*Status)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.status.State
	change(&c.status)
	if c.status.State != before {
		c.status.Since = c.opts.Now()
	}
}
