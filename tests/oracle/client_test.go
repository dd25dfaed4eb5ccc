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
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/simulate"
)

// client writes requests byte for byte: net/http would put straight what is meant to be crooked.
type client struct {
	address string
	conn    net.Conn
	reader  *bufio.Reader
}

// answer is what came back; status is 0 when nothing did.
type answer struct {
	status int
	header http.Header
	body   string
	err    error
}

func (c *client) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// wire is the request as it is sent. Names are in the order of the simulator, which is that of the alphabet.
func wire(r simulate.Request) []byte {
	method := r.Method
	if method == "" {
		method = http.MethodGet
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, r.Path, r.Host)
	names := make([]string, 0, len(r.Header))
	for name := range r.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, v := range r.Header[name] {
			fmt.Fprintf(&b, "%s: %s\r\n", name, v)
		}
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

// send tries a connection that was kept once more, because nginx may have closed it.
func (c *client) send(r simulate.Request) answer {
	kept := c.conn != nil
	a := c.try(r)
	if a.err != nil && kept {
		a = c.try(r)
	}
	return a
}

func (c *client) try(r simulate.Request) answer {
	if c.conn == nil {
		conn, err := net.DialTimeout("tcp", c.address, patience)
		if err != nil {
			return answer{err: err}
		}
		c.conn, c.reader = conn, bufio.NewReader(conn)
	}
	_ = c.conn.SetDeadline(time.Now().Add(patience))
	if _, err := c.conn.Write(wire(r)); err != nil {
		c.close()
		return answer{err: err}
	}
	res, err := http.ReadResponse(c.reader, &http.Request{Method: r.Method})
	if err != nil {
		c.close()
		return answer{err: err}
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil || res.Close {
		c.close()
	}
	return answer{res.StatusCode, res.Header, string(body), err}
}
