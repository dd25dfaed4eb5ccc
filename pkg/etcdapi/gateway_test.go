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
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// keysOf renders an answer's keys and values.
func keysOf(v wireRange) []string {
	var out []string
	for _, e := range v.Kvs {
		out = append(out, string(e.Key)+"="+string(e.Value))
	}
	return out
}

func diff(t *testing.T, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// TestStartOfAPISIX sends what APISIX sends, in its order: the version, the full load of both subsystems, the revision, the
// watch, then what follows from changes, idle times and compaction.
func TestStartOfAPISIX(t *testing.T) {
	g := newGateway(t, StoreOptions{StartRevision: 100, HistoryEvents: 4}, HandlerOptions{})
	g.store.Apply(append(InitDirs("/apisix", []string{"upstreams", "routes"}),
		put("/apisix/upstreams/u", `{"u":1}`), put("/apisix/routes/r1", `{"r":1}`), put("/apisix/routes/r2", `{"r":2}`)))
	const loaded = 106 // 101 is the empty store

	// apisix/cli/etcd.lua
	res, err := send(g.addr, http.MethodGet, "/version", "")
	if err != nil || res.status != http.StatusOK {
		t.Fatalf("GET /version: %v %v", res, err)
	}
	diff(t, "version", `{"etcdserver":"3.5.0","etcdcluster":"3.5.0"}`, string(res.body))

	// init_loaded_configuration, for http and for stream
	everything := []string{
		"/apisix/routes/=init_dir", `/apisix/routes/r1={"r":1}`, `/apisix/routes/r2={"r":2}`,
		"/apisix/upstreams/=init_dir", `/apisix/upstreams/u={"u":1}`,
	}
	for range 2 {
		v := readDir(t, g.addr, "/apisix")
		diff(t, "full load", everything, keysOf(v))
		if v.Header.Revision != loaded || v.Count != 5 || v.More {
			t.Errorf("full load at revision %d, want %d; count %d, more %v", v.Header.Revision, loaded, v.Count, v.More)
		}
	}

	// A kind without a directory reads itself: there is nothing, so kvs and count are left out.
	res, err = send(g.addr, http.MethodPost, "/v3/kv/range", rangeBody("/apisix/ssls", "/apisix/sslt"))
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "range of nothing", `{"header":{"revision":"106"}}`, string(res.body))

	// do_run_watch reads the revision.
	code, rev := post(t, g.addr, "/v3/kv/range", rangeBody("/apisix/", ""))
	if code != http.StatusOK || len(rev.Kvs) != 0 || rev.Header.Revision != loaded {
		t.Fatalf("exact key /apisix/: %d %+v", code, rev)
	}

	// The watch.
	w, created := watchFrom(t, g.addr, loaded+1)
	if created.Result.Header.Revision != loaded || len(created.Result.Events) != 0 {
		t.Errorf("created: %+v", created)
	}
	w.mustBeQuiet(t)

	// An update and a deletion.
	g.store.Apply([]Op{put("/apisix/routes/r1", `{"r":1.1}`)})
	m := w.mustMessage(t)
	diff(t, "update", []string{`PUT /apisix/routes/r1={"r":1.1}`}, eventStrings(m))
	if e := m.Result.Events[0]; m.Result.Header.Revision != 107 || e.Kv.ModRevision != 107 || e.Kv.CreateRevision != 105 || e.Kv.Version != 2 {
		t.Errorf("update: %+v", m)
	}
	g.store.Apply([]Op{del("/apisix/routes/r2")})
	raw, err := w.chunk(patience)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "deletion", `{"result":{"header":{"revision":"108"},"events":[{"type":"DELETE","kv":{"key":"`+b64("/apisix/routes/r2")+
		`","mod_revision":"108"}}]}}`+"\n", string(raw))

	// An Apply without a change is silence, several changes are one message.
	g.store.Apply([]Op{put("/apisix/routes/r1", `{"r":1.1}`), del("/apisix/routes/r2")})
	w.mustBeQuiet(t)
	g.store.Apply([]Op{put("/apisix/upstreams/v", `{"v":1}`), put("/apisix/routes/r3", `{"r":3}`)})
	m = w.mustMessage(t)
	diff(t, "two changes", []string{`PUT /apisix/upstreams/v={"v":1}`, `PUT /apisix/routes/r3={"r":3}`}, eventStrings(m))
	if m.Result.Header.Revision != 110 {
		t.Errorf("two changes at revision %d", m.Result.Header.Revision)
	}

	// Idle for watch_timeout: APISIX closes and comes back from the same revision, also a second time.
	w.close()
	for range 2 {
		w, _ = watchFrom(t, g.addr, 111)
		w.mustBeQuiet(t)
		w.close()
	}
	eventually(t, "the closed streams are forgotten", func() bool { return g.store.Stats().Watchers == 0 })

	// Changes while nobody watched are replayed in one message.
	g.store.Apply([]Op{put("/apisix/routes/r4", `4`)})
	g.store.Apply([]Op{put("/apisix/routes/r5", `5`)})
	w, _ = watchFrom(t, g.addr, 111)
	m = w.mustMessage(t)
	diff(t, "replay", []string{"PUT /apisix/routes/r4=4", "PUT /apisix/routes/r5=5"}, eventStrings(m))
	if m.Result.Header.Revision != 112 {
		t.Errorf("replay at revision %d", m.Result.Header.Revision)
	}
	w.close()

	// Compaction: the history holds four events.
	g.store.Apply([]Op{put("/apisix/routes/r6", `6`), put("/apisix/routes/r7", `7`), put("/apisix/routes/r8", `8`)})
	w, _ = watchFrom(t, g.addr, 111)
	m = w.mustMessage(t)
	if !m.Result.Canceled || m.Result.CompactRevision != 112 || len(m.Result.Events) != 0 {
		t.Errorf("compaction: %+v", m)
	}
	if _, err := w.chunk(patience); !errors.Is(err, errEndOfStream) {
		t.Errorf("after the cancellation: %v", err)
	}
	// Each kind reads itself, and the watch from the compact revision is accepted.
	if v := readDir(t, g.addr, "/apisix/routes"); v.Header.Revision != 115 || v.Count != 8 {
		t.Errorf("range of the routes: %+v", v)
	}
	w, _ = watchFrom(t, g.addr, 112)
	diff(t, "from the compact revision", 4, len(w.mustMessage(t).Result.Events))

	// The prometheus plugin.
	if code, v := post(t, g.addr, "/v3/kv/range", rangeBody("/apisix/phantomkey", rangeEnd("/apisix/phantomkey"))); code != 200 || v.Header.Revision != 115 {
		t.Errorf("phantom key: %d %+v", code, v)
	}
}

// TestNothingIsLostBetweenLoadAndWatch applies a change between the full load and the read of the revision.
func TestNothingIsLostBetweenLoadAndWatch(t *testing.T) {
	g := newGateway(t, StoreOptions{}, HandlerOptions{})
	g.store.Apply(append(InitDirs("/apisix", []string{"routes"}), put("/apisix/routes/r1", "1")))

	worker := &apisixStandIn{addr: g.addr, idle: patience}
	if err := worker.load("routes"); err != nil {
		t.Fatal(err)
	}
	g.store.Apply([]Op{put("/apisix/routes/r2", "2"), del("/apisix/routes/r1")})
	if err := worker.start(); err != nil {
		t.Fatal(err)
	}
	if want := g.store.Revision() - 2; worker.rev != want+1 {
		t.Errorf("the worker watches from %d, its load was at %d", worker.rev, want)
	}
	done := make(chan struct{})
	ctx := t.Context()
	go func() {
		_ = worker.follow(ctx, func() {
			if cmp.Equal(worker.state(), g.store.state()) {
				close(done)
			}
		})
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("the change between the load and the read of the revision never arrived")
	}
}

// TestRevisionOfLoads checks what the exact-key range of the prefix answers with a clock of its own.
func TestRevisionOfLoads(t *testing.T) {
	g := newGateway(t, StoreOptions{StartRevision: 10}, HandlerOptions{LoadWindow: time.Minute})
	now := time.Unix(1_000_000, 0)
	g.h.loads.now = func() time.Time { return now }
	revision := func() int64 {
		t.Helper()
		_, v := post(t, g.addr, "/v3/kv/range", rangeBody("/apisix/", ""))
		return v.Header.Revision
	}
	expect := func(what string, want int64) {
		t.Helper()
		if got := revision(); got != want {
			t.Errorf("%s: revision %d, want %d", what, got, want)
		}
	}
	canceled := func() bool {
		t.Helper()
		w, _ := watchFrom(t, g.addr, revision()+1)
		defer w.close()
		if w, err := w.message(50 * time.Millisecond); err == nil {
			return w.Result.Canceled && w.Result.CompactRevision > 0
		}
		return false
	}
	change := func() { g.store.Apply([]Op{put("/apisix/routes/r", now.String()+time.Now().String())}) }

	if !canceled() {
		t.Error("the load of a worker was not seen by this process, but its watch is not canceled")
	}
	change() // 12
	readDir(t, g.addr, "/apisix")
	change() // 13
	expect("after a load at 12", 12)
	now = now.Add(40 * time.Second)
	readDir(t, g.addr, "/apisix")
	change() // 14
	expect("with loads at 12 and 13", 12)
	now = now.Add(30 * time.Second)
	expect("when the first is out of the window", 13)
	// What is no full load does not count.
	readDir(t, g.addr, "/apisix/routes")
	post(t, g.addr, "/v3/kv/range", `{"key":"`+b64("/apisix")+`","range_end":"`+b64("/apisiy")+`","count_only":true}`)
	post(t, g.addr, "/v3/kv/range", `{"key":"`+b64("/apisix")+`","range_end":"`+b64("/apisiy")+`","keys_only":true}`)
	expect("after ranges that load nothing", 13)
	now = now.Add(2 * time.Minute)
	if !canceled() {
		t.Error("no load is known any more, but the watch is not canceled")
	}
	// The log stays bounded, at the cost of older answers only.
	first := g.store.Revision()
	for range 3 * maxLoads {
		readDir(t, g.addr, "/apisix")
		change()
	}
	expect("many loads", first)
	if n := len(g.h.loads.loads); n > maxLoads {
		t.Errorf("%d loads are kept", n)
	}
}

func TestRange(t *testing.T) {
	g := newGateway(t, StoreOptions{}, HandlerOptions{})
	base := g.store.Apply([]Op{put("/a/1", "z"), put("/a/2", "y"), put("/a/3", "x"), put("/a", ""), put("/b", "w"), put("/a/1", "zz")}) - 6
	field := func(name, value string) string { return `"` + name + `":` + value }
	body := func(key, end string, more ...string) string {
		f := []string{field("key", `"`+b64(key)+`"`)}
		if end != "" {
			f = append(f, field("range_end", `"`+b64(end)+`"`))
		}
		return "{" + strings.Join(append(f, more...), ",") + "}"
	}
	rev := func(above int64) string { b, _ := json.Marshal(base + above); return string(b) }
	for _, tt := range []struct {
		name, body string
		want       []string
		count      int64
		more       bool
	}{
		{"one key", body("/a/1", ""), []string{"/a/1=zz"}, 1, false},
		{"an empty value", body("/a", ""), []string{"/a="}, 1, false},
		{"no such key", body("/c", ""), nil, 0, false},
		{"prefix", body("/a/", "/a0"), []string{"/a/1=zz", "/a/2=y", "/a/3=x"}, 3, false},
		{"from a key on", body("/a/3", "\x00"), []string{"/a/3=x", "/b=w"}, 2, false},
		{"all keys", body("\x00", "\x00"), []string{"/a=", "/a/1=zz", "/a/2=y", "/a/3=x", "/b=w"}, 5, false},
		{"an inverted range", body("/b", "/a"), nil, 0, false},
		{"limit", body("/a/", "/a0", field("limit", `"2"`)), []string{"/a/1=zz", "/a/2=y"}, 3, true},
		{"limit of all", body("/a/", "/a0", field("limit", "3")), []string{"/a/1=zz", "/a/2=y", "/a/3=x"}, 3, false},
		{"count only", body("/a/", "/a0", field("count_only", "true")), nil, 3, false},
		{"keys only", body("/a/", "/a0", field("keys_only", "true")), []string{"/a/1=", "/a/2=", "/a/3="}, 3, false},
		{"the newest revision", body("/b", "", field("revision", rev(6))), []string{"/b=w"}, 1, false},
		{"descending", body("/a/", "/a0", field("sort_order", `"DESCEND"`)), []string{"/a/3=x", "/a/2=y", "/a/1=zz"}, 3, false},
		{"by modification", body("/a/", "/a0", field("sort_target", `"MOD"`)), []string{"/a/2=y", "/a/3=x", "/a/1=zz"}, 3, false},
		{"by value, limit", body("/a/", "/a0", field("sort_target", "4"), field("limit", "1")), []string{"/a/3=x"}, 3, true},
		{"by creation", body("/a/", "/a0", field("sort_target", `"CREATE"`), field("sort_order", "2")), []string{"/a/3=x", "/a/2=y", "/a/1=zz"}, 3, false},
		{"by version", body("/a/", "/a0", field("sort_target", "1"), field("sort_order", "2")), []string{"/a/1=zz", "/a/2=y", "/a/3=x"}, 3, false},
		{"unknown target", body("/a/", "/a0", field("sort_target", "9")), []string{"/a/1=zz", "/a/2=y", "/a/3=x"}, 3, false},
		{"modified since", body("/a/", "/a0", field("min_mod_revision", rev(3))), []string{"/a/1=zz", "/a/3=x"}, 3, false},
		{"created until", body("/a/", "/a0", field("max_create_revision", rev(2))), []string{"/a/1=zz", "/a/2=y"}, 3, false},
		{"nulls and unknown fields", body("/b", "", `"limit":null,"sort_order":null,"bogus":[{}]`), []string{"/b=w"}, 1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, v := post(t, g.addr, "/v3/kv/range", tt.body)
			if code != http.StatusOK || v.Header.Revision != base+6 {
				t.Fatalf("%d %+v", code, v)
			}
			diff(t, "keys", tt.want, keysOf(v))
			if v.Count != tt.count || v.More != tt.more {
				t.Errorf("count %d, more %v, want %d, %v", v.Count, v.More, tt.count, tt.more)
			}
		})
	}
}

// TestLargeRange checks an answer of many chunks, with a value that is larger than a buffer.
func TestLargeRange(t *testing.T) {
	g := newGateway(t, StoreOptions{}, HandlerOptions{})
	var ops []Op
	var want []string
	for i := range 500 {
		v := strings.Repeat("v", i*7%3000)
		if i == 250 {
			v = strings.Repeat("w", 2*maxPooled)
		}
		k := "/apisix/routes/" + string(rune('a'+i/100)) + strings.Repeat("x", i%100)
		ops, want = append(ops, put(k, v)), append(want, k+"="+v)
	}
	g.store.Apply(ops)
	for range 2 {
		v := readDir(t, g.addr, "/apisix")
		if d := cmp.Diff(want, keysOf(v)); d != "" || v.Count != 500 {
			t.Fatalf("count %d; (-want +got):\n%s", v.Count, d)
		}
	}
}

func TestRefusals(t *testing.T) {
	g := newGateway(t, StoreOptions{}, HandlerOptions{})
	g.store.Apply([]Op{put("/a", "1"), put("/a", "2")})
	const (
		badRequest   = http.StatusBadRequest
		forbidden    = http.StatusForbidden
		precondition = http.StatusPreconditionFailed
	)
	for _, tt := range []struct {
		name, path, body string
		status, code     int
		text             string // part of "error"
	}{
		{"no body", "/v3/kv/range", "", badRequest, 3, "etcdserver: key is not provided"},
		{"no key", "/v3/kv/range", `{"key":""}`, badRequest, 3, "etcdserver: key is not provided"},
		{"cut", "/v3/kv/range", `{`, badRequest, 3, "unexpected EOF"},
		{"no object", "/v3/kv/range", `[]`, badRequest, 3, "cannot unmarshal array"},
		{"no base64", "/v3/kv/range", `{"key":"%%"}`, badRequest, 3, "illegal base64 data"},
		{"no integer", "/v3/kv/range", `{"key":"YQ==","limit":"x"}`, badRequest, 3, "not a 64-bit integer"},
		{"a fraction", "/v3/kv/range", `{"key":"YQ==","limit":1.5}`, badRequest, 3, "not a 64-bit integer"},
		{"no enum", "/v3/kv/range", `{"key":"YQ==","sort_order":"BOGUS"}`, badRequest, 3, "sort_order: unknown value"},
		{"too long", "/v3/kv/range", `{"key":"` + strings.Repeat("A", maxBodyBytes) + `"}`, badRequest, 3, "request body too large"},
		{"future revision", "/v3/kv/range", `{"key":"L2E=","revision":"99"}`, badRequest, 11, "etcdserver: mvcc: required revision is a future revision"},
		{"old revision", "/v3/kv/range", `{"key":"L2E=","revision":3}`, badRequest, 11, "etcdserver: mvcc: required revision has been compacted"},
		{"watch: cut", "/v3/watch", `{`, badRequest, 3, "unexpected EOF"},
		{"watch: nothing", "/v3/watch", ``, badRequest, 3, "one create_request"},
		{"watch: empty", "/v3/watch", `{}`, badRequest, 3, "one create_request"},
		{"watch: cancel", "/v3/watch", `{"cancel_request":{"watch_id":1}}`, badRequest, 3, "one create_request"},
		{"watch: progress", "/v3/watch", `{"progress_request":{}}`, badRequest, 3, "one create_request"},
		{"watch: two", "/v3/watch", `{"create_request":{}}{"create_request":{}}`, badRequest, 3, "one create_request"},
		{"watch: no filter", "/v3/watch", `{"create_request":{"filters":["X"]}}`, badRequest, 3, "filters: unknown value"},
		{"authenticate without auth", "/v3/auth/authenticate", `{"name":"a","password":"b"}`, precondition, 9, "etcdserver: authentication is not enabled"},
		{"put", "/v3/kv/put", `{"key":"L2E=","value":"MQ=="}`, forbidden, 7, "etcdserver: permission denied"},
		{"deleterange", "/v3/kv/deleterange", `{"key":"L2E="}`, forbidden, 7, "etcdserver: permission denied"},
		{"txn", "/v3/kv/txn", `{}`, forbidden, 7, "etcdserver: permission denied"},
		{"compaction", "/v3/kv/compaction", `{"revision":1}`, forbidden, 7, "etcdserver: permission denied"},
		{"lease", "/v3/lease/grant", `{"TTL":60}`, forbidden, 7, "etcdserver: permission denied"},
		{"old lease", "/v3/kv/lease/revoke", `{"ID":1}`, forbidden, 7, "etcdserver: permission denied"},
		{"users", "/v3/auth/user/list", `{}`, forbidden, 7, "etcdserver: permission denied"},
		{"maintenance", "/v3/maintenance/snapshot", `{}`, forbidden, 7, "etcdserver: permission denied"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, v := post(t, g.addr, tt.path, tt.body)
			if status != tt.status || v.Code != tt.code || !strings.Contains(v.Error, tt.text) || !strings.Contains(v.Message, tt.text) {
				t.Errorf("%d %+v, want %d, code %d, %q", status, v, tt.status, tt.code, tt.text)
			}
		})
	}
	if v, _ := g.store.Get("/a"); string(v) != "2" {
		t.Errorf("the store was written to: %q", v)
	}
	for _, tt := range []struct {
		method, path string
		status       int
	}{
		{http.MethodGet, "/v3/kv/range", http.StatusMethodNotAllowed},
		{http.MethodGet, "/v3/watch", http.StatusMethodNotAllowed},
		{http.MethodGet, "/v3/kv/put", http.StatusMethodNotAllowed},
		{http.MethodPut, "/version", http.StatusMethodNotAllowed},
		{http.MethodPost, "/v3/bogus", http.StatusNotFound},
		{http.MethodPost, "/v3/bogus/put", http.StatusNotFound},
		{http.MethodPost, "/v3alpha/kv/put", http.StatusNotFound},
		{http.MethodGet, "/", http.StatusNotFound},
	} {
		res, err := send(g.addr, tt.method, tt.path, "{}")
		if err != nil || res.status != tt.status {
			t.Errorf("%s %s: %v %v, want %d", tt.method, tt.path, res, err, tt.status)
		}
	}
}

func TestAuthentication(t *testing.T) {
	var logged []string
	opts := HandlerOptions{Username: "apisix", Password: "s3cret", Logf: func(f string, _ ...any) { logged = append(logged, f) }}
	g := newGateway(t, StoreOptions{}, opts)
	rev := g.store.Apply([]Op{put("/apisix/routes/r", "1")})
	watch := watchBody("/apisix/", "/apisix0", rev)

	for _, tt := range []struct {
		name, body string
		text       string
	}{
		{"wrong password", `{"name":"apisix","password":"x"}`, "etcdserver: authentication failed, invalid user ID or password"},
		{"wrong user", `{"name":"root","password":"s3cret"}`, "etcdserver: authentication failed, invalid user ID or password"},
		{"nothing", `{}`, "etcdserver: authentication failed, invalid user ID or password"},
		{"no JSON", `nonsense`, "invalid character"},
	} {
		if status, v := post(t, g.addr, "/v3/auth/authenticate", tt.body); status != http.StatusBadRequest || v.Token != "" || !strings.Contains(v.Error, tt.text) {
			t.Errorf("%s: %d %+v", tt.name, status, v)
		}
	}
	status, v := post(t, g.addr, "/v3/auth/authenticate", `{"name":"apisix","password":"s3cret"}`)
	if status != http.StatusOK || len(v.Token) < 32 || v.Header.Revision != rev || strings.Contains(v.Token, "s3cret") {
		t.Fatalf("authenticate: %d %+v", status, v)
	}
	for _, tt := range []struct {
		name   string
		header []string
		status int
		text   string
	}{
		{"no token", nil, http.StatusBadRequest, "etcdserver: user name is empty"},
		{"wrong token", []string{"Authorization", "x" + v.Token}, http.StatusUnauthorized, "etcdserver: invalid auth token"},
	} {
		for path, body := range map[string]string{"/v3/kv/range": rangeBody("/apisix", "/apisiy"), "/v3/watch": watch} {
			if status, v := post(t, g.addr, path, body, tt.header...); status != tt.status || v.Error != tt.text || len(v.Kvs) > 0 {
				t.Errorf("%s, %s: %d %+v", tt.name, path, status, v)
			}
		}
	}
	if status, v := post(t, g.addr, "/v3/kv/range", rangeBody("/apisix", "/apisiy"), "Authorization", v.Token); status != http.StatusOK || v.Count != 1 {
		t.Errorf("range with the token: %d %+v", status, v)
	}
	w, _ := watchWith(t, g.addr, watch, "Authorization", v.Token)
	diff(t, "watch with the token", []string{"PUT /apisix/routes/r=1"}, eventStrings(w.mustMessage(t)))

	// The token outlives a restart of the agent, but neither a new password nor another user.
	for _, tt := range []struct {
		user, password string
		same           bool
	}{{"apisix", "s3cret", true}, {"apisix", "other", false}, {"other", "s3cret", false}} {
		if a := newAuthenticator(tt.user, tt.password); (a.token == v.Token) != tt.same {
			t.Errorf("user %s, password %s: same token %v", tt.user, tt.password, !tt.same)
		}
	}
	for _, l := range logged {
		if strings.Contains(l, "s3cret") || strings.Contains(l, v.Token) {
			t.Errorf("a secret was logged: %s", l)
		}
	}
}
