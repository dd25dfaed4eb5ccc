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
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// fuzzHandler is a store with a few keys and a history that begins after some of them.
func fuzzHandler(f *testing.F) http.Handler {
	s := mustStore(f, StoreOptions{StartRevision: 10, HistoryEvents: 3})
	s.Apply(InitDirs("/apisix", Directories()))
	s.Apply([]Op{put("/apisix/routes/1", `{"uri":"/"}`), put("/apisix/routes/2", "\x00\xff\n")})
	s.Apply([]Op{del("/apisix/routes/1")})
	return Handler(s, HandlerOptions{})
}

// fuzzBound is far above what a request takes, and below what an endless loop takes.
const fuzzBound = 5 * time.Second

func fuzzPost(t *testing.T, h http.Handler, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	// A canceled context ends a stream once it has nothing more to say.
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	rec := httptest.NewRecorder()
	begin := time.Now()
	h.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, path, strings.NewReader(body)).WithContext(ctx))
	if d := time.Since(begin); d > fuzzBound {
		t.Errorf("it took %v", d)
	}
	if rec.Code >= 500 {
		t.Errorf("status %d: lua-resty-etcd would take the endpoint for unhealthy", rec.Code)
	}
	if rec.Code != http.StatusOK {
		var e struct {
			Error, Message string
			Code           int
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &e); err != nil || e.Error == "" || e.Message == "" || e.Code == 0 {
			t.Errorf("status %d: not etcd's form of an error: %q, %v", rec.Code, rec.Body, err)
		}
	}
	return rec
}

func FuzzRange(f *testing.F) {
	h := fuzzHandler(f)
	for _, s := range []string{
		"", "{}", "null", "[", `{"key":"AA==","range_end":"AA=="}`, rangeBody("/apisix", "/apisiy"), rangeBody("/apisix/", ""),
		`{"key":"L2E=","revision":"26"}`, `{"key":"L2E=","revision":-1,"limit":"-9223372036854775808"}`,
		`{"key":"AA==","range_end":"AA==","sort_order":"DESCEND","sort_target":4,"limit":2,"keys_only":true}`,
		`{"key":"AA==","range_end":"AA==","min_mod_revision":20,"max_create_revision":"9223372036854775807"}`,
		`{"key":"AA==","range_end":"AA==","count_only":true}{`, `{"key":"\u0000"}`, strings.Repeat(`{"x":`, 100),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		rec := fuzzPost(t, h, "/v3/kv/range", body)
		var v wireRange
		if err := json.Unmarshal(rec.Body.Bytes(), &v); err != nil {
			t.Fatalf("%v in %q", err, rec.Body)
		}
		if rec.Code == http.StatusOK && (int64(len(v.Kvs)) > v.Count || v.Header.Revision <= 0) {
			t.Errorf("%+v", v)
		}
	})
}

func FuzzWatch(f *testing.F) {
	h := fuzzHandler(f)
	for _, s := range []string{
		"", "{}", "null", "[", `{"create_request":null}`, `{"create_request":{}}`, watchBody("/apisix/", "/apisix0", 0),
		watchBody("/apisix/", "/apisix0", 27), watchBody("/apisix/", "/apisix0", 1), watchBody("/apisix/", "/apisix0", 1<<62),
		watchBody("/apisix/", "/apisix0", -1<<63), watchBody("b", "a", 27), `{"create_request":{"range_end":"AA==","start_revision":"26"}}`,
		`{"create_request":{"range_end":"AA==","start_revision":26,"filters":["NOPUT",1,7],"watch_id":"-3","progress_notify":true}}`,
		`{"create_request":{"key":"L2E="}}{"create_request":{}}`, `{"cancel_request":{}}`, `{"create_request":{},"progress_request":{}}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		rec := fuzzPost(t, h, "/v3/watch", body)
		if rec.Code != http.StatusOK {
			return
		}
		lines := bytes.SplitAfter(rec.Body.Bytes(), []byte("\n"))
		if len(lines) < 2 || len(lines[len(lines)-1]) != 0 {
			t.Fatalf("it does not end with a newline: %q", rec.Body)
		}
		for i, l := range lines[:len(lines)-1] {
			var w wireWatch
			if err := json.Unmarshal(l, &w); err != nil {
				t.Fatalf("%v in %q", err, l)
			}
			if w.Result.Created != (i == 0) || !w.Result.Created && !w.Result.Canceled && len(w.Result.Events) == 0 {
				t.Errorf("message %d: %s", i, l)
			}
		}
	})
}
