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

package listeners

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

// patience is how long a port is left out that nginx did not get.
const patience = 30 * time.Second

// Options are what a gateway listens with.
type Options struct {
	// IPv4 and IPv6 are the families of the gateway's addresses: a listener without an address listens on all of each.
	IPv4, IPv6 bool
	// Reserved are ports that the proxy itself needs, and for what.
	Reserved map[int]string
	// Try is nil when an address can be bound, or says why not; bind when nil. Now is the clock; time.Now when nil.
	Try func(address string) error
	Now func() time.Time
}

// Listener is a port that can be opened at an address.
type Listener struct {
	// Address is host:port.
	Address string `json:"address"`
	// Protocol is apisix.ListenHTTP or another of these.
	Protocol string `json:"protocol"`
}

// Refusal is a listener that cannot be opened.
type Refusal struct {
	Listener
	Reason string `json:"reason"`
}

// Status is what there is to show.
type Status struct {
	Open    []Listener `json:"open"`
	Refused []Refusal  `json:"refused,omitempty"`
}

// Chooser is safe for use by several goroutines.
type Chooser struct {
	opts Options

	mu     sync.Mutex
	status Status
	// failed are addresses that nginx did not get.
	failed map[string]failure
}

type failure struct {
	reason string
	until  time.Time
}

// New makes a Chooser.
func New(opts Options) *Chooser {
	if opts.Try == nil {
		opts.Try = bind
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Chooser{opts: opts, failed: map[string]failure{}}
}

// Choose reads the metadata, an object of /apisix/plugin_metadata or nothing, and tries each port.
func (c *Chooser) Choose(metadata []byte) Status {
	var m struct {
		Listeners []struct {
			Port     int    `json:"port"`
			Protocol string `json:"protocol"`
			Bind     string `json:"bind"`
		} `json:"listeners"`
	}
	var st Status
	if len(metadata) > 0 {
		if err := json.Unmarshal(metadata, &m); err != nil {
			st.Refused = append(st.Refused, Refusal{Reason: "the ports cannot be read: " + err.Error()})
		}
	}
	seen := map[string]struct{}{}
	for _, l := range m.Listeners {
		for _, host := range c.hosts(l.Bind) {
			next := Listener{net.JoinHostPort(host, strconv.Itoa(l.Port)), l.Protocol}
			if _, twice := seen[next.Address]; twice {
				continue
			}
			seen[next.Address] = struct{}{}
			if reason := c.refuse(next, host, l.Port); reason != "" {
				st.Refused = append(st.Refused, Refusal{next, reason})
				continue
			}
			st.Open = append(st.Open, next)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = st
	return st
}

// hosts are the addresses that a listener listens on.
func (c *Chooser) hosts(bind string) []string {
	if bind != "" {
		return []string{bind}
	}
	var out []string
	if c.opts.IPv4 || !c.opts.IPv6 {
		out = append(out, "0.0.0.0")
	}
	if c.opts.IPv6 {
		out = append(out, "::")
	}
	return out
}

// refuse is why a listener cannot be opened; empty when it can.
func (c *Chooser) refuse(l Listener, host string, port int) string {
	if _, err := netip.ParseAddr(host); err != nil {
		return fmt.Sprintf("bind %q is not an IP address", host)
	}
	if port < 1 || port > 65535 {
		return fmt.Sprintf("the port %d is not within 1 and 65535", port)
	}
	if !slices.Contains([]string{apisix.ListenHTTP, apisix.ListenHTTPS, apisix.ListenTCP, apisix.ListenTLS}, l.Protocol) {
		return fmt.Sprintf("the protocol %q is none that this agent knows", l.Protocol)
	}
	if what := c.opts.Reserved[port]; what != "" {
		return "the proxy needs the port itself, for " + what
	}
	c.mu.Lock()
	f, failed := c.failed[l.Address]
	if failed && !f.until.After(c.opts.Now()) {
		delete(c.failed, l.Address)
		failed = false
	}
	c.mu.Unlock()
	if failed {
		return f.reason
	}
	if err := c.opts.Try(l.Address); err != nil {
		return explain(err, port)
	}
	return ""
}

// Failed leaves an address out for a while that nginx did not get. It is false when it was left out already.
func (c *Chooser) Failed(address, reason string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.opts.Now()
	known := c.failed[address].until.After(now)
	c.failed[address] = failure{reason, now.Add(patience)}
	return !known
}

// Status is what was chosen last.
func (c *Chooser) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// Of are the addresses of a protocol.
func (s *Status) Of(protocol string) []string {
	var out []string
	for _, l := range s.Open {
		if l.Protocol == protocol {
			out = append(out, l.Address)
		}
	}
	return out
}

// Reason says of all refusals at once, short enough for several to fit into a NACK; empty when there are none.
func (s *Status) Reason() string {
	parts := make([]string, 0, len(s.Refused))
	for _, r := range s.Refused {
		parts = append(parts, fmt.Sprintf("%s (%s): %s", r.Address, r.Protocol, r.Reason))
	}
	if len(parts) == 0 {
		return ""
	}
	return "not open: " + strings.Join(parts, ", ")
}
