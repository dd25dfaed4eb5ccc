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

package etcdapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"testing"
	"time"
)

// patience bounds every wait of the tests; none of them waits for it when all is well.
const patience = 20 * time.Second

// gateway is a served store.
type gateway struct {
	store *Store
	addr  string
	h     *handler
	stop  func()
}

func mustStore(t testing.TB, opts StoreOptions) *Store {
	t.Helper()
	s, err := NewStore(opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serveStore serves s on loopback at addr ("127.0.0.1:0" for any port) until the test ends or stop is called.
func serveStore(t testing.TB, s *Store, addr string, opts HandlerOptions) *gateway {
	t.Helper()
	return serveHandler(t, s, Handler(s, opts), addr)
}

func serveHandler(t testing.TB, s *Store, h http.Handler, addr string) *gateway {
	t.Helper()
	l, err := Listen(addr)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, l, h) }()
	stopped := false
	g := &gateway{store: s, addr: l.Addr().String()}
	g.h, _ = h.(*handler)
	g.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Serve: %v", err)
			}
		case <-time.After(patience):
			t.Error("Serve does not return after its context was canceled")
		}
	}
	t.Cleanup(g.stop)
	return g
}

func newGateway(t testing.TB, so StoreOptions, ho HandlerOptions) *gateway {
	t.Helper()
	return serveStore(t, mustStore(t, so), "127.0.0.1:0", ho)
}

func put(key, value string) Op { return Op{Key: key, Value: []byte(value)} }
func del(key string) Op        { return Op{Key: key, Delete: true} }
func b64(s string) string      { return base64.StdEncoding.EncodeToString([]byte(s)) }

// rangeEnd is get_range_end of lua-resty-etcd.
func rangeEnd(key string) string {
	return key[:len(key)-1] + string(rune(key[len(key)-1]+1))
}

type wireHeader struct {
	Revision int64 `json:"revision,string"`
}

type wireKV struct {
	Key            []byte
	Value          []byte
	CreateRevision int64 `json:"create_revision,string"`
	ModRevision    int64 `json:"mod_revision,string"`
	Version        int64 `json:"version,string"`
}

type wireRange struct {
	Header  wireHeader
	Kvs     []wireKV
	More    bool
	Count   int64 `json:"count,string"`
	Error   string
	Message string
	Code    int
	Token   string
}

type wireWatch struct {
	Result struct {
		Header          wireHeader
		WatchID         int64 `json:"watch_id,string"`
		Created         bool
		Canceled        bool
		CancelReason    string `json:"cancel_reason"`
		CompactRevision int64  `json:"compact_revision,string"`
		Events          []struct {
			Type string
			Kv   wireKV
		}
	}
}

var testClient = &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// reply is an answer that was read to its end.
type reply struct {
	status      int
	contentType string
	body        []byte
}

// send sends a body as lua-resty-etcd does, without a Content-Type.
func send(addr, method, path, body string, header ...string) (reply, error) {
	req, err := http.NewRequest(method, "http://"+addr+path, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := testClient.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return reply{status: res.StatusCode, contentType: res.Header.Get("Content-Type"), body: b}, err
}

func post(t testing.TB, addr, path, body string, header ...string) (int, wireRange) {
	t.Helper()
	res, err := send(addr, http.MethodPost, path, body, header...)
	if err != nil {
		t.Fatal(err)
	}
	var v wireRange
	if err := json.Unmarshal(res.body, &v); err != nil {
		t.Fatalf("POST %s %s: %v in %q", path, body, err, res.body)
	}
	if res.contentType != "application/json" {
		t.Errorf("POST %s: Content-Type %q", path, res.contentType)
	}
	return res.status, v
}

// rangeBody is the body of lua-resty-etcd's http_get, field by field.
func rangeBody(key, end string) string {
	e := ""
	if end != "" {
		e = `"range_end":"` + b64(end) + `",`
	}
	return `{"count_only":false,"max_create_revision":0,` + e + `"keys_only":false,"min_mod_revision":0,"limit":0,"key":"` + b64(key) +
		`","sort_order":0,"serializable":false,"sort_target":0,"min_create_revision":0,"max_mod_revision":0,"revision":0}`
}

// readDir is lua-resty-etcd's readdir.
func readDir(t testing.TB, addr, key string) wireRange {
	t.Helper()
	code, v := post(t, addr, "/v3/kv/range", rangeBody(key, rangeEnd(key)))
	if code != http.StatusOK {
		t.Fatalf("range of %s: %d %+v", key, code, v)
	}
	return v
}

// luaStreamStandIn reads a watch as lua-resty-http and lua-resty-etcd do, chunk by chunk: it stands in for them only in
// tests.
type luaStreamStandIn struct {
	conn net.Conn
	r    *bufio.Reader
}

func watchBody(key, end string, start int64) string {
	return fmt.Sprintf(`{"create_request":{"key":"%s","range_end":"%s","start_revision":%d}}`, b64(key), b64(end), start)
}

func dialWatch(addr, body string, header ...string) (*luaStreamStandIn, error) {
	network, host := "tcp", addr
	if strings.HasPrefix(addr, "/") {
		network, host = "unix", "agent"
	}
	c, err := net.DialTimeout(network, addr, patience)
	if err != nil {
		return nil, err
	}
	s := &luaStreamStandIn{conn: c, r: bufio.NewReader(c)}
	extra := ""
	for i := 0; i+1 < len(header); i += 2 {
		extra += header[i] + ": " + header[i+1] + "\r\n"
	}
	_, err = fmt.Fprintf(c, "POST /v3/watch HTTP/1.1\r\nHost: %s\r\nUser-Agent: lua-resty-http/0.17 (Lua) ngx_lua/10026\r\nContent-Length: %d\r\n%s\r\n%s",
		host, len(body), extra, body)
	if err == nil {
		err = s.readHead()
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return s, nil
}

func (s *luaStreamStandIn) readHead() error {
	_ = s.conn.SetReadDeadline(time.Now().Add(patience))
	tp := textproto.NewReader(s.r)
	line, err := tp.ReadLine()
	if err != nil {
		return err
	}
	head, err := tp.ReadMIMEHeader()
	if err != nil {
		return err
	}
	if !strings.HasPrefix(line, "HTTP/1.1 200 ") {
		return fmt.Errorf("failed to watch data: %s", line)
	}
	if te := head.Get("Transfer-Encoding"); te != "chunked" {
		return fmt.Errorf("watch is not chunked: %v", head)
	}
	return nil
}

var errEndOfStream = errors.New("end of stream")

// chunk returns the next HTTP chunk.
func (s *luaStreamStandIn) chunk(timeout time.Duration) ([]byte, error) {
	_ = s.conn.SetReadDeadline(time.Now().Add(timeout))
	line, err := s.r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(line), 16, 32)
	if err != nil {
		return nil, fmt.Errorf("chunk size %q: %w", line, err)
	}
	b := make([]byte, n+2)
	if _, err := io.ReadFull(s.r, b); err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, errEndOfStream
	}
	return b[:n], nil
}

// message returns the next message, and fails unless it is one whole chunk that ends with a newline.
func (s *luaStreamStandIn) message(timeout time.Duration) (wireWatch, error) {
	var w wireWatch
	b, err := s.chunk(timeout)
	if err != nil {
		return w, err
	}
	if bytes.Count(b, []byte("\n")) != 1 || b[len(b)-1] != '\n' {
		return w, fmt.Errorf("a chunk is not one line: %q", b)
	}
	return w, json.Unmarshal(b, &w)
}

func (s *luaStreamStandIn) close() { _ = s.conn.Close() }

// watchFrom opens a watch as APISIX does and reads the created message.
func watchFrom(t testing.TB, addr string, start int64) (*luaStreamStandIn, wireWatch) {
	t.Helper()
	return watchWith(t, addr, watchBody("/apisix/", "/apisix0", start))
}

func watchWith(t testing.TB, addr, body string, header ...string) (*luaStreamStandIn, wireWatch) {
	t.Helper()
	s, err := dialWatch(addr, body, header...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	w, err := s.message(patience)
	if err != nil {
		t.Fatal(err)
	}
	if !w.Result.Created {
		t.Fatalf("first message is not created: %+v", w)
	}
	return s, w
}

func (s *luaStreamStandIn) mustMessage(t testing.TB) wireWatch {
	t.Helper()
	w, err := s.message(patience)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// mustBeQuiet fails if anything arrives for a moment.
func (s *luaStreamStandIn) mustBeQuiet(t testing.TB) {
	t.Helper()
	w, err := s.message(50 * time.Millisecond)
	var ne net.Error
	if !errors.As(err, &ne) || !ne.Timeout() {
		t.Fatalf("the stream is not quiet: %+v, %v", w, err)
	}
}

// eventStrings renders a message's events: "PUT key=value" or "DELETE key".
func eventStrings(w wireWatch) []string {
	var out []string
	for _, e := range w.Result.Events {
		if e.Type == "DELETE" {
			out = append(out, "DELETE "+string(e.Kv.Key))
		} else {
			out = append(out, "PUT "+string(e.Kv.Key)+"="+string(e.Kv.Value))
		}
	}
	return out
}

// eventually waits until ok returns true.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it did not come about: %s", what)
		}
	}
}
