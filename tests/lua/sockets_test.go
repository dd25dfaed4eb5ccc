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

package lua

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/lua"
	"github.com/apisix-mesh/pilot-apisix/tests/apisixtest"
)

// listenSocket listens on a unix domain socket that every user may connect to.
func listenSocket(t *testing.T, path string) net.Listener {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	return l
}

// socketNodes are nodes that stand for sockets. One that is alone has a twin.
func socketNodes(paths ...string) []object {
	var out []object
	for i, path := range paths {
		out = append(out, object{"host": "0.0.0.0", "port": i + 1, "weight": 1, "metadata": object{"unix": path}})
	}
	if len(out) == 1 {
		out = append(out, object{"host": "0.0.0.0", "port": 1, "weight": 0, "metadata": object{"unix": paths[0]}})
	}
	return out
}

// TestSockets sends requests, copies of them and connections to unix domain sockets.
func TestSockets(t *testing.T) {
	listen := "127.0.0.1:" + strconv.Itoa(free(t))
	p := &proxy{t: t, rounds: new(int), APISIX: apisixtest.Start(t, apisixtest.Options{
		Plugins: lua.Plugins(), StreamPlugins: lua.StreamPlugins(), Workers: 1, Listen: []string{listen},
	})}
	dir, err := os.MkdirTemp("", "mesh-sockets")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := func(name string) string { return filepath.Join(dir, name) }
	copies := make(chan string, 100)
	for _, name := range []string{"a", "b", "c"} {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if name == "c" {
				copies <- r.Host
			}
			_, _ = io.WriteString(w, name+" "+r.Host)
		}))
		_ = s.Listener.Close()
		s.Listener = listenSocket(t, path(name))
		s.Start()
		t.Cleanup(s.Close)
	}
	lines := listenSocket(t, path("lines"))
	go func() {
		for {
			c, err := lines.Accept()
			if err != nil {
				return
			}
			line, _ := bufio.NewReader(c).ReadString('\n')
			_, _ = io.WriteString(c, "said "+line)
			_ = c.Close()
		}
	}()
	upstream := func(id string, paths ...string) {
		p.put("upstreams", id, object{
			"id": id, "type": "mesh", "nodes": socketNodes(paths...), "retries": 2, "discovery_args": object{"mesh": object{"policy": "round_robin"}},
		})
	}
	for id, paths := range map[string][]string{
		"socket-a": {path("a")}, "socket-b": {path("b")}, "socket-both": {path("a"), path("b")}, "socket-other": {path("absent"), path("b")},
		"socket-copy": {path("c")}, "socket-none": {path("absent")}, "socket-lines": {path("lines")},
	} {
		upstream(id, paths...)
		if id != "socket-copy" && id != "socket-lines" {
			p.route(id, id, object{"mesh-mirror": object{"mirrors": []object{{"upstream_id": "socket-copy"}}}})
		}
	}
	_, port, _ := net.SplitHostPort(listen)
	p.put("stream_routes", "socket", object{"id": "socket", "server_port": number(t, port), "upstream_id": "socket-lines"})
	p.sync()
	// Connections that are kept lead to the sockets of their upstream, though nodes of others have the same host and port.
	for range 3 {
		for host, want := range map[string][]string{
			"socket-a.test": {"a"}, "socket-b.test": {"b"}, "socket-both.test": {"a", "b"}, "socket-other.test": {"b"}, "socket-none.test": {"502"},
		} {
			if got := p.backends(host, 6); len(got) != len(want) || got[0] != want[0] || got[len(got)-1] != want[len(want)-1] {
				t.Errorf("%s: %v, want %v", host, got, want)
			}
		}
	}
	if r := p.do(request{host: "socket-a.test"}); r.body != "a socket-a.test" {
		t.Errorf("the server was asked for %q", r.body)
	}
	p.Eventually(t, "copies", func() bool { return len(copies) > 10 })
	p.Eventually(t, "connections", func() bool { return sayLine(listen, "hello") == "said hello" })
}
