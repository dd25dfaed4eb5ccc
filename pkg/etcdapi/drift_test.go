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
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// etcdProcess is a real etcd with an empty key space.
type etcdProcess struct {
	addr   string
	client *clientv3.Client
}

func startEtcd(t *testing.T) *etcdProcess {
	t.Helper()
	path, err := exec.LookPath("etcd")
	if err != nil {
		t.Skip("SKIPPED: the gateway was NOT compared with a real etcd, there is no etcd on PATH: apt-get install etcd-server")
	}
	client, peer := freeAddr(t), freeAddr(t)
	var log bytes.Buffer
	cmd := exec.Command(path, "--data-dir", t.TempDir(), "--log-level", "error",
		"--listen-client-urls", "http://"+client, "--advertise-client-urls", "http://"+client,
		"--listen-peer-urls", "http://"+peer, "--initial-advertise-peer-urls", "http://"+peer, "--initial-cluster", "default=http://"+peer)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("etcd: %s", &log)
		}
	})
	eventually(t, "etcd is healthy", func() bool {
		res, err := send(client, http.MethodGet, "/health", "")
		return err == nil && bytes.Contains(res.body, []byte("true"))
	})
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{client}, DialTimeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &etcdProcess{addr: client, client: c}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// apply makes the same changes as Store.Apply, one transaction each.
func (e *etcdProcess) apply(t *testing.T, ops []Op) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, op := range ops {
		var err error
		if op.Delete {
			_, err = e.client.Delete(ctx, op.Key)
		} else {
			_, err = e.client.Put(ctx, op.Key, string(op.Value))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// side is one of the two that are compared: where it is and its revision before the first change.
type side struct {
	addr string
	base int64
}

// body replaces {N} by the revision N above the base.
func (s side) body(b string) string {
	for n := -3; n < 100; n++ {
		b = strings.ReplaceAll(b, fmt.Sprintf("{%d}", n), fmt.Sprint(s.base+int64(n)))
	}
	return b
}

// normalize takes the base off all revisions and removes what a store without a cluster has not.
func (s side) normalize(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range []string{"cluster_id", "member_id", "raft_term"} {
			delete(v, name)
		}
		for k, e := range v {
			if text, ok := e.(string); ok && (k == "revision" || strings.HasSuffix(k, "_revision")) {
				n, err := strconv.ParseInt(text, 10, 64)
				if err != nil {
					v[k] = err.Error()
				} else {
					v[k] = n - s.base
				}
				continue
			}
			v[k] = s.normalize(e)
		}
	case []any:
		for i := range v {
			v[i] = s.normalize(v[i])
		}
	}
	return v
}

// decode returns the normalized JSON, or the text if it is none.
func (s side) decode(b []byte) any {
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		return string(b)
	}
	return s.normalize(v)
}

// answer is what is compared of a plain request.
func (s side) answer(t *testing.T, method, path, body string, header ...string) any {
	t.Helper()
	res, err := send(s.addr, method, path, s.body(body), header...)
	if err != nil {
		t.Fatal(err)
	}
	return []any{res.status, strings.Split(res.contentType, ";")[0], s.decode(res.body)}
}

// watchMessages reads a stream until it has had that many events or was canceled. Events that arrive in several messages
// are put together: where etcd cuts depends on when its writer woke up.
func (s side) watchMessages(t *testing.T, stream *luaStreamStandIn, events int) []any {
	t.Helper()
	var out []any
	var got []any
	for {
		if events > 0 && len(got) >= events {
			return append(out, got)
		}
		b, err := stream.chunk(patience)
		if err != nil {
			t.Fatalf("%s: after %v: %v", s.addr, out, err)
		}
		if !bytes.HasSuffix(b, []byte("\n")) {
			t.Errorf("%s: a chunk does not end with a newline: %q", s.addr, b)
		}
		msg := s.decode(b).(map[string]any)
		result := msg["result"].(map[string]any)
		if list, ok := result["events"].([]any); ok {
			got = append(got, list...)
			continue
		}
		out = append(out, msg)
		if canceled, _ := result["canceled"].(bool); canceled || events == 0 {
			return out
		}
	}
}

// TestNoDriftFromEtcd sends the same requests to a real etcd and to the gateway, which hold the same keys.
func TestNoDriftFromEtcd(t *testing.T) {
	e := startEtcd(t)
	g := newGateway(t, StoreOptions{StartRevision: 1_790_000_000_000}, HandlerOptions{})
	etcd, ours := side{e.addr, etcdRevision(t, e)}, side{g.addr, g.store.Revision()}
	apply := func(ops []Op) {
		t.Helper()
		e.apply(t, ops)
		g.store.Apply(ops)
	}
	same := func(name, method, path, body string) {
		t.Helper()
		if d := cmp.Diff(etcd.answer(t, method, path, body), ours.answer(t, method, path, body)); d != "" {
			t.Errorf("%s: %s %s (-etcd +ours):\n%s", name, path, body, d)
		}
	}
	watch := func(body string) (x, y *luaStreamStandIn) {
		t.Helper()
		var err error
		if x, err = dialWatch(etcd.addr, etcd.body(body)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(x.close)
		if y, err = dialWatch(ours.addr, ours.body(body)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(y.close)
		return x, y
	}
	sameStream := func(name string, x, y *luaStreamStandIn, events int) {
		t.Helper()
		if d := cmp.Diff(etcd.watchMessages(t, x, events), ours.watchMessages(t, y, events)); d != "" {
			t.Errorf("%s (-etcd +ours):\n%s", name, d)
		}
	}
	create := func(key, end, start, more string) string {
		return fmt.Sprintf(`{"create_request":{"key":"%s","range_end":"%s","start_revision":%s%s}}`, b64(key), b64(end), start, more)
	}

	ops := InitDirs("/apisix", []string{"routes", "upstreams"}) // 1, 2
	ops = append(ops, put("/apisix/routes/1", `{"uri":"/1"}`), put("/apisix/upstreams/1", "\x00\xff"), put("/apisix/routes/2", ""),
		put("/apisix/routes/1", `{"uri":"/one"}`), del("/apisix/routes/2"), put("/apisix/routes/2", "again"), put("/zzz", "z")) // 3 to 9
	apply(ops)

	key := func(k string) string { return `"key":"` + b64(k) + `"` }
	end := func(k string) string { return `,"range_end":"` + b64(k) + `"` }
	routes := key("/apisix/routes/") + end("/apisix/routes0")
	everything := `"key":"AA==","range_end":"AA=="`
	for _, tt := range []struct{ name, body string }{
		{"full load", rangeBody("/apisix", "/apisiy")},
		{"kind", rangeBody("/apisix/routes", "/apisix/routet")},
		{"one key", "{" + key("/apisix/routes/1") + "}"},
		{"an empty value", "{" + key("/apisix/routes/2") + "}"},
		{"missing key", "{" + key("/apisix/phantomkey") + "}"},
		{"missing prefix", "{" + key("/x") + end("/y") + "}"},
		{"inverted", "{" + key("/y") + end("/x") + "}"},
		{"everything", "{" + everything + "}"},
		{"from a key on", "{" + key("/apisix/routes/2") + `,"range_end":"AA=="}`},
		{"limit", "{" + everything + `,"limit":2}`},
		{"limit as a string", "{" + everything + `,"limit":"3"}`},
		{"limit of all", "{" + everything + `,"limit":6}`},
		{"negative limit", "{" + everything + `,"limit":-1}`},
		{"count only", "{" + everything + `,"count_only":true}`},
		{"count only with a limit", "{" + everything + `,"count_only":true,"limit":1}`},
		{"keys only", "{" + everything + `,"keys_only":true}`},
		{"descending", "{" + everything + `,"sort_order":"DESCEND"}`},
		{"by modification, limited", "{" + everything + `,"sort_target":"MOD","sort_order":"DESCEND","limit":2}`},
		{"by creation", "{" + everything + `,"sort_target":2}`},
		{"by value", "{" + everything + `,"sort_target":"VALUE","sort_order":1}`},
		{"unknown order", "{" + everything + `,"sort_order":9}`},
		{"min_mod_revision", "{" + everything + `,"min_mod_revision":"{6}"}`},
		{"max_mod_revision, limited", "{" + everything + `,"max_mod_revision":"{6}","limit":1}`},
		{"min and max_create_revision", "{" + everything + `,"min_create_revision":"{2}","max_create_revision":{4}}`},
		{"newest revision", "{" + routes + `,"revision":{9}}`},
		{"negative revision", "{" + routes + `,"revision":-5}`},
		{"future revision", "{" + routes + `,"revision":{10}}`},
		{"serializable", "{" + routes + `,"serializable":true}`},
		{"unknown fields", "{" + routes + `,"bogus":{"a":[1]}}`},
		{"something behind", "{" + routes + `}{"x"`},
		{"no body", ""},
		{"no key", "{}"},
		{"cut", "{"},
		{"no base64", `{"key":"%%"}`},
	} {
		same(tt.name, http.MethodPost, "/v3/kv/range", tt.body)
	}
	same("authenticate", http.MethodPost, "/v3/auth/authenticate", `{"name":"a","password":"b"}`)
	same("method", http.MethodGet, "/v3/kv/range", "")
	same("no such path", http.MethodGet, "/bogus", "")

	for _, tt := range []struct {
		name, body string
		events     int
	}{
		{"from the first change", create("/apisix/", "/apisix0", "{1}", ""), 8},
		{"from the middle", create("/apisix/", "/apisix0", `"{6}"`, ""), 3},
		{"one key", create("/apisix/routes/2", "", "{1}", ""), 3},
		{"from a key on", create("/apisix/upstreams/", "\x00", "{1}", ""), 3},
		{"no key", create("", "\x00", "{8}", ""), 2},
		{"no puts", create("/apisix/", "/apisix0", "{1}", `,"filters":["NOPUT"]`), 1},
		{"no deletions", create("/apisix/routes/2", "", "{1}", `,"filters":[1]`), 2},
		{"an id", create("/zzz", "", "{1}", `,"watch_id":"7"`), 1},
		{"an empty range", create("/b", "/a", "{1}", ""), 0},
		{"nothing new", create("/apisix/", "/apisix0", "{10}", ""), 0},
	} {
		x, y := watch(tt.body)
		sameStream("watch "+tt.name, x, y, tt.events)
	}

	// Live events, also those that are no change of the watched keys.
	x, y := watch(create("/apisix/", "/apisix0", "{10}", ""))
	sameStream("created", x, y, 0)
	for i, step := range [][]Op{
		{put("/apisix/routes/3", "3")}, {put("/zzz", "zz")}, {put("/apisix/routes/3", "")}, {del("/apisix/routes/3")}, // 10 to 13
	} {
		apply(step)
		if i != 1 {
			sameStream(fmt.Sprintf("live event %d", i), x, y, 1)
		}
	}

	// Compaction. Ours drops a history by its limit, so it gets one that ends where etcd is compacted.
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := e.client.Compact(ctx, etcd.base+11); err != nil {
		t.Fatal(err)
	}
	g.store.mu.Lock()
	g.store.history.maxEvents = 3
	g.store.history.trim(0)
	g.store.mu.Unlock()
	same("compacted range", http.MethodPost, "/v3/kv/range", "{"+routes+`,"revision":{5}}`)
	x, y = watch(create("/apisix/", "/apisix0", "{5}", ""))
	sameStream("created before the compaction", x, y, 0)
	etcdCancel, ourCancel := etcd.watchMessages(t, x, 0), ours.watchMessages(t, y, 0)
	// On purpose: the header of ours tells the revision.
	header := ourCancel[0].(map[string]any)["result"].(map[string]any)["header"].(map[string]any)
	if header["revision"] != int64(13) {
		t.Errorf("compacted: header %v", header)
	}
	delete(header, "revision")
	diff(t, "watch of compacted revisions", etcdCancel, ourCancel)
	x, y = watch(create("/apisix/", "/apisix0", "{11}", ""))
	sameStream("watch from the compact revision", x, y, 2)

	t.Run("deviation: a future start revision", func(t *testing.T) {
		x, y := watch(create("/apisix/", "/apisix0", "{50}", ""))
		sameStream("created", x, y, 0)
		x.mustBeQuiet(t)
		w := y.mustMessage(t)
		if !w.Result.Canceled || w.Result.CompactRevision != ours.base+14 {
			t.Errorf("ours: %+v", w)
		}
	})
	t.Run("deviation: an older revision that is not compacted", func(t *testing.T) {
		body := "{" + routes + `,"revision":{12}}`
		etcdStatus, _ := post(t, etcd.addr, "/v3/kv/range", etcd.body(body))
		status, v := post(t, ours.addr, "/v3/kv/range", ours.body(body))
		if etcdStatus != http.StatusOK || status != http.StatusBadRequest || v.Error != "etcdserver: mvcc: required revision has been compacted" {
			t.Errorf("etcd %d, ours %d %+v", etcdStatus, status, v)
		}
	})
	t.Run("deviation: no writes", func(t *testing.T) {
		for path, body := range map[string]string{
			"/v3/kv/put":         "{" + key("/apisix/routes/4") + "}",
			"/v3/kv/deleterange": "{" + key("/apisix/routes/1") + "}",
			"/v3/kv/txn":         `{"success":[{"requestPut":{` + key("/apisix/routes/4") + `}}]}`,
			"/v3/lease/grant":    `{"TTL":60}`,
		} {
			etcdStatus, _ := post(t, etcd.addr, path, body)
			status, v := post(t, ours.addr, path, body)
			if etcdStatus != http.StatusOK || status != http.StatusForbidden || v.Error != "etcdserver: permission denied" {
				t.Errorf("%s: etcd %d, ours %d %+v", path, etcdStatus, status, v)
			}
		}
	})
	t.Run("deviation: the words for a wrong JSON type are this decoder's", func(t *testing.T) {
		for _, body := range []string{"[]", `{"key":5}`, `{"key":"YQ==","limit":"x"}`, `{"key":"YQ==","limit":1.5}`, `{"key":"YQ==","sort_order":"BOGUS"}`} {
			etcdStatus, x := post(t, etcd.addr, "/v3/kv/range", body)
			status, y := post(t, ours.addr, "/v3/kv/range", body)
			if etcdStatus != status || x.Code != y.Code || x.Error == "" || y.Error == "" || y.Error != y.Message {
				t.Errorf("%s: etcd %d %+v, ours %d %+v", body, etcdStatus, x, status, y)
			}
		}
	})
	t.Run("deviation: malformed watches are 400", func(t *testing.T) {
		x, y := etcd.answer(t, http.MethodPost, "/v3/watch", "{").([]any), ours.answer(t, http.MethodPost, "/v3/watch", "{").([]any)
		if x[0] != http.StatusInternalServerError || y[0] != http.StatusBadRequest {
			t.Errorf("etcd %v, ours %v", x, y)
		}
	})
	t.Run("the version has the same fields", func(t *testing.T) {
		for _, s := range []side{etcd, ours} {
			var v map[string]string
			res, err := send(s.addr, http.MethodGet, "/version", "")
			if err == nil {
				err = json.Unmarshal(res.body, &v)
			}
			if err != nil || len(v) != 2 || v["etcdserver"] == "" || v["etcdcluster"] == "" {
				t.Errorf("%s: %s %v", s.addr, res.body, err)
			}
		}
	})
}

// TestNoDriftFromEtcdWithAuthentication compares the answers that APISIX gets when it has a user and a password.
func TestNoDriftFromEtcdWithAuthentication(t *testing.T) {
	e := startEtcd(t)
	g := newGateway(t, StoreOptions{}, HandlerOptions{Username: "root", Password: "s3cret"})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := e.client.UserAdd(ctx, "root", "s3cret"); err != nil {
		t.Fatal(err)
	}
	if _, err := e.client.UserGrantRole(ctx, "root", "root"); err != nil {
		t.Fatal(err)
	}
	if _, err := e.client.AuthEnable(ctx); err != nil {
		t.Fatal(err)
	}
	etcd, ours := side{e.addr, 1}, side{g.addr, g.store.Revision()}
	same := func(name, path, body string, header ...string) {
		t.Helper()
		if d := cmp.Diff(etcd.answer(t, http.MethodPost, path, body, header...), ours.answer(t, http.MethodPost, path, body, header...)); d != "" {
			t.Errorf("%s (-etcd +ours):\n%s", name, d)
		}
	}
	same("wrong password", "/v3/auth/authenticate", `{"name":"root","password":"x"}`)
	same("wrong user", "/v3/auth/authenticate", `{"name":"x","password":"s3cret"}`)
	same("range without a token", "/v3/kv/range", rangeBody("/apisix", "/apisiy"))
	same("range with a wrong token", "/v3/kv/range", rangeBody("/apisix", "/apisiy"), "Authorization", "x")
	for _, s := range []side{etcd, ours} {
		status, v := post(t, s.addr, "/v3/auth/authenticate", `{"name":"root","password":"s3cret"}`)
		if status != http.StatusOK || v.Token == "" || v.Header.Revision == 0 {
			t.Fatalf("%s: authenticate: %d %+v", s.addr, status, v)
		}
		if status, v := post(t, s.addr, "/v3/kv/range", rangeBody("/apisix", "/apisiy"), "Authorization", v.Token); status != http.StatusOK {
			t.Errorf("%s: range with the token: %d %+v", s.addr, status, v)
		}
	}
}

func etcdRevision(t *testing.T, e *etcdProcess) int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	res, err := e.client.Get(ctx, "/")
	if err != nil {
		t.Fatal(err)
	}
	return res.Header.Revision
}
