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
	"fmt"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/simulate"
)

// echo is a request as a backend got it.
type echo struct {
	Backend, Method, Host, Target string
	Header                        http.Header
}

// backends answer with what they got, and remember it by the request's number.
type backends struct {
	mu   sync.Mutex
	seen map[string][]echo
	// upstreams have one backend each, of the same name, but for one without nodes.
	upstreams []simulate.Resource
}

// backendHeader is what every backend answers with; operations on responses find it.
var backendHeader = http.Header{"X-R": {"1"}, "X-M": {"a", "b"}, "Access-Control-Allow-Credentials": {"false"}}

// names of the upstreams that have a node. "empty" has none, and "absent" is not there.
var upstreamNames = []string{"u0", "u1", "u2"}

func newBackends(t *testing.T) *backends {
	b := &backends{seen: map[string][]echo{}}
	for _, name := range upstreamNames {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				go b.serve(conn, name)
			}
		}()
		u := apisix.Upstream{
			ID: name, Type: apisix.RoundRobin,
			Nodes: []apisix.Node{{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, Weight: 1}},
		}
		b.upstreams = append(b.upstreams, simulate.Resource{Kind: apisix.Upstreams, ID: name, JSON: u.AppendJSON(nil)})
	}
	empty := apisix.Upstream{ID: "empty", Type: apisix.RoundRobin}
	b.upstreams = append(b.upstreams, simulate.Resource{Kind: apisix.Upstreams, ID: "empty", JSON: empty.AppendJSON(nil)})
	return b
}

// serve answers requests without a body, whatever their target: net/http would refuse some.
func (b *backends) serve(conn net.Conn, name string) {
	defer conn.Close()
	in := textproto.NewReader(bufio.NewReader(conn))
	for {
		_ = conn.SetDeadline(time.Now().Add(patience))
		line, err := in.ReadLine()
		if err != nil {
			return
		}
		header, err := in.ReadMIMEHeader()
		words := strings.Split(line, " ")
		if err != nil || len(words) != 3 {
			fmt.Fprintf(conn, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nX-Line: %q\r\n\r\n", line)
			return
		}
		e := echo{name, words[0], header.Get("Host"), words[1], http.Header(header)}
		e.Header.Del("Host")
		b.mu.Lock()
		b.seen[e.Header.Get(headerID)] = append(b.seen[e.Header.Get(headerID)], e)
		b.mu.Unlock()
		body := fmt.Sprintf("%s %q", name, e.Target)
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n", len(body))
		_ = backendHeader.Write(conn)
		if e.Method == http.MethodHead {
			body = ""
		}
		fmt.Fprintf(conn, "\r\n%s", body)
		if header.Get("Connection") == "close" {
			return
		}
	}
}

// of are the requests of that number.
func (b *backends) of(id string) []echo {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]echo{}, b.seen[id]...)
}
