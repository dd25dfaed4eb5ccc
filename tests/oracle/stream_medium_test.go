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

package oracle

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/simulate"
	"github.com/apisix-mesh/pilot-apisix/pkg/etcdapi"
	"github.com/apisix-mesh/pilot-apisix/tests/apisixtest"
)

// call is a connection that is opened, and what is sent.
type call struct {
	simulate.Connection
	// from is the address of the client; iptables captures by it.
	from netip.Addr
	// data is sent in so many pieces; empty for a client that waits for the server.
	data   string
	pieces int
	// half says that the client ends its half of the connection then.
	half bool
}

// streams is a running APISIX whose resources for TCP are changed at will.
type streams struct {
	*apisixtest.APISIX
	t *testing.T
	// listeners take connections from the workload, and inbound ones to it.
	listeners, inbound []netip.AddrPort
	probe              netip.AddrPort
	upstreams          []simulate.Resource
	current            map[string]bool
	round              int
}

// streamUpstreams is how many upstreams have a node: one for each route, so that a route is told by its upstream.
const streamUpstreams = 9

// startStreams runs APISIX with one worker, so that one answer of the probe tells of all.
func startStreams(t *testing.T) *streams {
	s := &streams{t: t, current: map[string]bool{}, probe: freeStream(t, "127.0.0.1")}
	outbound, inbound := freeStream(t, "127.0.0.1").Port(), freeStream(t, "127.0.0.1").Port()
	for _, host := range []string{"127.0.0.1", "127.0.0.2", "127.0.0.3", "::1"} {
		if strings.Contains(host, ":") && !hasIPv6() {
			continue
		}
		s.listeners = append(s.listeners, netip.AddrPortFrom(netip.MustParseAddr(host), outbound))
		s.inbound = append(s.inbound, netip.AddrPortFrom(netip.MustParseAddr(host), inbound))
	}
	listen := []string{s.probe.String()}
	for i := range s.listeners {
		listen = append(listen, s.listeners[i].String(), s.inbound[i].String())
	}
	s.APISIX = apisixtest.Start(t, apisixtest.Options{
		Plugins: []string{"traffic-split"}, StreamPlugins: []string{"mesh-original-dst", "mesh-split", "traffic-split"}, Workers: 1,
		Listen: listen, InboundPorts: []int{int(inbound)},
	})
	for i := range streamUpstreams {
		name := fmt.Sprintf("u%d", i)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s.greet(l, func(net.Conn) string { return name })
		u := apisix.Upstream{
			ID: name, Type: apisix.RoundRobin,
			Nodes: []apisix.Node{{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, Weight: 1}},
		}
		s.upstreams = append(s.upstreams, simulate.Resource{Kind: apisix.Upstreams, ID: name, JSON: u.AppendJSON(nil)})
	}
	empty := apisix.Upstream{ID: "empty", Type: apisix.RoundRobin}
	s.upstreams = append(s.upstreams, simulate.Resource{Kind: apisix.Upstreams, ID: "empty", JSON: empty.AppendJSON(nil)})
	return s
}

func hasIPv6() bool {
	l, err := net.Listen("tcp", "[::1]:0")
	if err == nil {
		_ = l.Close()
	}
	return err == nil
}

func freeStream(t *testing.T, host string) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return netip.MustParseAddrPort(l.Addr().String())
}

// greet speaks first, as databases do, with a line, and says then whatever it hears.
func (s *streams) greet(l net.Listener, line func(net.Conn) string) {
	s.t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(patience))
				if _, err := io.WriteString(c, line(c)+"\n"); err == nil {
					_, _ = io.Copy(c, c)
				}
			}()
		}
	}()
}

// serve replaces all stream routes and waits until they are served: the probe's goes to another upstream each round.
func (s *streams) serve(routes []simulate.Resource) {
	s.t.Helper()
	s.round++
	name := fmt.Sprintf("u%d", s.round%2)
	probe := apisix.StreamRoute{ID: "probe", ServerPort: int(s.probe.Port()), UpstreamID: name}
	next := map[string]bool{}
	var ops []etcdapi.Op
	for _, r := range append(append([]simulate.Resource{}, s.upstreams...), routes...) {
		key := apisix.Name(r.Kind, r.ID)
		next[key] = true
		ops = append(ops, etcdapi.Op{Key: "/apisix/" + key, Value: r.JSON})
	}
	if s.round > 1 {
		ops = ops[len(s.upstreams):]
	}
	for key := range s.current {
		if !next[key] {
			ops = append(ops, etcdapi.Op{Key: "/apisix/" + key, Delete: true})
		}
	}
	ops = append(ops, etcdapi.Op{Key: "/apisix/" + apisix.Name(apisix.StreamRoutes, "probe"), Value: probe.AppendJSON(nil)})
	s.Store.Apply(ops)
	s.current = next
	s.Eventually(s.t, "APISIX serves the table", func() bool {
		return s.becomes(&call{Connection: simulate.Connection{Destination: s.probe}}, false) == name
	})
}

// becomes is what the server has said, closed or waiting. For what is expected to wait a moment must do.
func (s *streams) becomes(in *call, waits bool) string {
	d := net.Dialer{Timeout: patience}
	if in.from.IsValid() {
		d.LocalAddr = &net.TCPAddr{IP: in.from.AsSlice()}
	}
	c, err := d.Dial("tcp", in.Destination.String())
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	limit := patience
	if waits {
		limit = 300 * time.Millisecond
	}
	_ = c.SetDeadline(time.Now().Add(limit))
	go in.send(c.(*net.TCPConn))
	reader := bufio.NewReader(c)
	line, err := reader.ReadString('\n')
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return waiting
	case err != nil:
		return closed
	}
	heard := make([]byte, len(in.data))
	if _, err := io.ReadFull(reader, heard); err != nil {
		return "what is sent does not come back: " + err.Error()
	}
	if string(heard) != in.data {
		return fmt.Sprintf("the server hears %q", heard)
	}
	if in.half {
		if _, err := reader.ReadByte(); err != io.EOF {
			return fmt.Sprintf("it does not end as the client did: %v", err)
		}
	}
	return strings.TrimSuffix(line, "\n")
}

// send says what the client has to say.
func (in *call) send(c *net.TCPConn) {
	for left := in.data; left != ""; {
		n := len(left)
		if in.pieces > 1 {
			n = min(n, len(in.data)/in.pieces+1)
		}
		if _, err := io.WriteString(c, left[:n]); err != nil {
			return
		}
		if left = left[n:]; left != "" {
			time.Sleep(3 * time.Millisecond)
		}
	}
	if in.half {
		_ = c.CloseWrite()
	}
}
