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

package agent_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// watcher is a stand-in for APISIX's side of the gateway (apisix/core/config_etcd.lua): it reads everything, watches, reads
// everything again when its watch is canceled as compacted, and connects again when the gateway goes away.
type watcher struct {
	t    *testing.T
	base string

	mu       sync.Mutex
	held     map[string]string
	log      []string
	rev      int64
	back     bool
	compacts int
	changed  chan struct{}
}

func newWatcher(t *testing.T, gateway string) *watcher {
	return &watcher{t: t, base: "http://" + gateway, held: map[string]string{}, changed: make(chan struct{})}
}

type etcdKV struct {
	Key         []byte `json:"key"`
	Value       []byte `json:"value"`
	ModRevision int64  `json:"mod_revision,string"`
}

type etcdHeader struct {
	Revision int64 `json:"revision,string"`
}

func (w *watcher) post(ctx context.Context, path, body string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.base+path, bytes.NewBufferString(body))
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(request)
}

func b64(s string) string {
	return base64.StdEncoding.EncodeToString([]byte(s))
}

// get is the value of one key, "" when it is not there.
func (w *watcher) get(key string) string {
	kvs, _, err := w.ranged(w.t.Context(), key, "")
	if err != nil {
		w.t.Error(err)
		return ""
	}
	return kvs[key]
}

func (w *watcher) ranged(ctx context.Context, key, end string) (map[string]string, int64, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	response, err := w.post(ctx, "/v3/kv/range", fmt.Sprintf(`{"key":%q,"range_end":%q}`, b64(key), b64(end)))
	if err != nil {
		return nil, 0, err
	}
	defer response.Body.Close()
	var answer struct {
		Header etcdHeader `json:"header"`
		Kvs    []etcdKV   `json:"kvs"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, 0, err
	}
	out := map[string]string{}
	for _, kv := range answer.Kvs {
		out[string(kv.Key)] = string(kv.Value)
	}
	return out, answer.Header.Revision, nil
}

// reload reads everything.
func (w *watcher) reload(ctx context.Context) (int64, error) {
	kvs, rev, err := w.ranged(ctx, "/apisix", "/apisiy")
	if err != nil {
		return 0, err
	}
	maps.DeleteFunc(kvs, func(key, _ string) bool { return strings.HasSuffix(key, "/") })
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = kvs
	w.back = w.back || rev < w.rev
	w.seen(rev)
	return rev, nil
}

// seen records a revision; w.mu is held.
func (w *watcher) seen(rev int64) {
	w.rev = max(w.rev, rev)
	close(w.changed)
	w.changed = make(chan struct{})
}

// watch follows the gateway until the test ends.
func (w *watcher) watch() {
	w.t.Helper()
	rev, err := w.reload(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		next := rev + 1
		for ctx.Err() == nil {
			next = w.follow(ctx, next)
			// The gateway may be away.
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}()
	w.t.Cleanup(func() {
		cancel()
		<-done
	})
}

// follow reads one stream from next on, and returns where the following one has to begin.
func (w *watcher) follow(ctx context.Context, next int64) int64 {
	response, err := w.post(ctx, "/v3/watch", fmt.Sprintf(`{"create_request":{"key":%q,"range_end":%q,"start_revision":%d}}`,
		b64("/apisix/"), b64("/apisix0"), next))
	if err != nil {
		return next
	}
	defer response.Body.Close()
	lines := bufio.NewReader(response.Body)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return next
		}
		var message struct {
			Result struct {
				Header          etcdHeader `json:"header"`
				Created         bool       `json:"created"`
				Canceled        bool       `json:"canceled"`
				CompactRevision int64      `json:"compact_revision,string"`
				Events          []struct {
					Type string `json:"type"`
					KV   etcdKV `json:"kv"`
				} `json:"events"`
			} `json:"result"`
		}
		if err := json.Unmarshal(line, &message); err != nil {
			w.t.Errorf("%s: %v", line, err)
			return next
		}
		r := message.Result
		switch {
		case r.Canceled:
			if _, err := w.reload(ctx); err != nil {
				return next
			}
			w.mu.Lock()
			w.compacts++
			w.mu.Unlock()
			return r.CompactRevision
		case r.Created:
			continue
		}
		w.mu.Lock()
		for _, e := range r.Events {
			key := string(e.KV.Key)
			if strings.HasSuffix(key, "/") {
				continue
			}
			if e.Type == "DELETE" {
				delete(w.held, key)
				w.log = append(w.log, "DELETE "+key)
			} else {
				w.held[key] = string(e.KV.Value)
				w.log = append(w.log, "PUT "+key)
			}
		}
		w.back = w.back || r.Header.Revision < next
		w.seen(r.Header.Revision)
		next = r.Header.Revision + 1
		w.mu.Unlock()
	}
}

// await waits until what is held satisfies done.
func (w *watcher) await(done func(map[string]string) bool) {
	w.t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		w.mu.Lock()
		ok, changed, held := done(w.held), w.changed, maps.Clone(w.held)
		w.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			w.t.Fatalf("after 30 s APISIX would hold %v", held)
		}
	}
}

func (w *watcher) events() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log
}

func (w *watcher) revision() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rev
}

func (w *watcher) canceled() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.compacts
}

// revisionsGrew is false when a revision was ever lower than one before.
func (w *watcher) revisionsGrew() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.back
}
