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
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/user"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/instance/instancetest"
)

// realAPISIX is an APISIX in the role data_plane, with a home of its own.
type realAPISIX struct {
	http    string
	workers int
}

func startAPISIX(t *testing.T, gateway string) *realAPISIX {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	a := &realAPISIX{http: freeAddr(t), workers: 2}
	listen := func(addr string) string {
		return "{ip: 127.0.0.1, port: " + addr[strings.LastIndex(addr, ":")+1:] + "}"
	}
	config := fmt.Sprintf(`
apisix:
  node_listen: [%s]
  enable_admin: false
  enable_control: true
  control: %s
  proxy_mode: http&stream
  stream_proxy: {tcp: ["%s"]}
  ssl: {enable: false}
nginx_config:
  user: %s
  worker_processes: %d
  error_log_level: warn
deployment:
  role: data_plane
  role_data_plane: {config_provider: etcd}
  etcd: {host: ["http://%s"], prefix: /apisix, timeout: 30, watch_timeout: 1, health_check_timeout: 1, user: apisix, password: s3cret}
plugins: [fault-injection]
stream_plugins: [ip-restriction]
`, listen(a.http), listen(freeAddr(t)), freeAddr(t), me.Username, a.workers, gateway)
	instancetest.Start(t, config, nil)
	return a
}

// get returns the status and the body of a request to the data plane; the status is 0 when nobody answers.
func (a *realAPISIX) get(path string) (int, string) {
	// A connection of its own, so that every worker gets its share.
	c := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := c.Get("http://" + a.http + path)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(b)
}

// serves waits until many requests in a row, so that all workers answer, get the answer.
func (a *realAPISIX) serves(t *testing.T, path string, status int, body string) {
	t.Helper()
	begin := time.Now()
	eventually(t, fmt.Sprintf("%s is answered with %d %q", path, status, body), func() bool {
		for range 20 * a.workers {
			if s, b := a.get(path); s != status || s == http.StatusOK && b != body {
				return false
			}
		}
		return true
	})
	t.Logf("%s: %d %q after %v", path, status, body, time.Since(begin).Round(time.Millisecond))
}

// testRoute answers path by itself.
func testRoute(id, body string) Op {
	return put("/apisix/routes/"+id, fmt.Sprintf(
		`{"id":"%s","uri":"/%s","plugins":{"fault-injection":{"abort":{"http_status":200,"body":"%s"}}}}`, id, id, body))
}

// requestLog counts the requests that APISIX sends, and calls before on the read of the revision.
type requestLog struct {
	next   http.Handler
	before func()

	mu   sync.Mutex
	seen map[string]int
}

func (l *requestLog) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	what := r.Method + " " + r.URL.Path
	var req rangeRequest
	if r.URL.Path == "/v3/kv/range" && json.Unmarshal(body, &req) == nil {
		what += " " + string(req.Key) + " " + string(req.RangeEnd)
	}
	l.mu.Lock()
	l.seen[what]++
	if strings.HasSuffix(what, "/apisix/ ") {
		l.before()
	}
	l.mu.Unlock()
	r.Body = io.NopCloser(bytes.NewReader(body))
	l.next.ServeHTTP(w, r)
}

// TestRealAPISIX lets a stock APISIX read from the gateway, through everything that can happen to it.
func TestRealAPISIX(t *testing.T) {
	instancetest.Find(t)
	opts := HandlerOptions{Username: "apisix", Password: "s3cret", Logf: t.Logf}
	// Only the routes are preloaded: so a worker has taken everything that was loaded, and reads the revision.
	dirs := InitDirs("/apisix", []string{"routes"})
	store := mustStore(t, StoreOptions{StartRevision: 1_000_000, HistoryEvents: 20})
	store.Apply(append(dirs, testRoute("a", "one"), testRoute("gone", "gone")))

	log := &requestLog{next: Handler(store, opts), seen: map[string]int{}}
	reads := 0
	log.before = func() {
		// Between the load and the watch of the worker that reads.
		reads++
		store.Apply([]Op{testRoute(fmt.Sprint("late", reads), "late")})
	}
	g := serveHandler(t, store, log, "127.0.0.1:0")
	a := startAPISIX(t, g.addr)
	a.serves(t, "/a", http.StatusOK, "one")
	a.serves(t, "/gone", http.StatusOK, "gone")

	eventually(t, "every process and subsystem watches", func() bool { return store.Stats().Watchers == 2*(a.workers+1) })
	log.mu.Lock()
	for _, what := range sortedKeys(log.seen) {
		t.Logf("%3d %s", log.seen[what], what)
	}
	late := reads
	log.mu.Unlock()
	if late == 0 {
		t.Error("no worker has read the revision: this says nothing about changes between the load and the watch")
	}
	for i := range late {
		a.serves(t, fmt.Sprint("/late", i+1), http.StatusOK, "late")
	}

	t.Log("update and deletion")
	store.Apply([]Op{testRoute("a", "two"), testRoute("b", "new"), del("/apisix/routes/late1")})
	a.serves(t, "/a", http.StatusOK, "two")
	a.serves(t, "/b", http.StatusOK, "new")
	a.serves(t, "/late1", http.StatusNotFound, "")

	t.Log("idle for longer than watch_timeout, twice")
	time.Sleep(2500 * time.Millisecond)
	store.Apply([]Op{testRoute("a", "three")})
	a.serves(t, "/a", http.StatusOK, "three")

	t.Log("compaction while the gateway is away")
	g.stop()
	for i := range 20 {
		store.Apply([]Op{testRoute("a", fmt.Sprint("away", i)), testRoute(fmt.Sprint("x", i), "x")})
	}
	store.Apply([]Op{del("/apisix/routes/gone")})
	g = serveStore(t, store, g.addr, opts)
	a.serves(t, "/a", http.StatusOK, "away19")
	a.serves(t, "/gone", http.StatusNotFound, "")

	for _, tt := range []struct {
		body string
		rev  int64
	}{{"restarted", store.Revision()}, {"state lost", 0}} {
		t.Log("restart from revision", tt.rev)
		g.stop()
		if code, body := a.get("/a"); code != http.StatusOK {
			t.Errorf("without the agent the last configuration should be served, got %d %s", code, body)
		}
		store = mustStore(t, StoreOptions{StartRevision: tt.rev})
		store.Apply(append(dirs, testRoute("a", tt.body)))
		g = serveStore(t, store, g.addr, opts)
		a.serves(t, "/a", http.StatusOK, tt.body)
		a.serves(t, "/b", http.StatusNotFound, "")
		store.Apply([]Op{testRoute("b", tt.body)})
		a.serves(t, "/b", http.StatusOK, tt.body)
	}
}
