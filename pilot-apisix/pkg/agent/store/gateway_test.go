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

package store

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"istio.io/istio/pkg/test/util/retry"

	"github.com/apisix-mesh/pilot-apisix/pkg/etcdapi"
)

type keyValue struct {
	Key         []byte `json:"key"`
	ModRevision int64  `json:"mod_revision,string"`
}

// modRevisions reads all keys as APISIX does.
func modRevisions(t *testing.T, s *Store) map[string]int64 {
	t.Helper()
	body := post(t, s, "/v3/kv/range", fmt.Sprintf(`{"key":%q,"range_end":%q}`, b64("/apisix"), b64("/apisiy")))
	defer body.Body.Close()
	var answer struct {
		Kvs []keyValue `json:"kvs"`
	}
	if err := json.NewDecoder(body.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	out := map[string]int64{}
	for _, kv := range answer.Kvs {
		out[string(kv.Key)] = kv.ModRevision
	}
	return out
}

// watched reads the events from one revision to another, in their order.
func watched(t *testing.T, s *Store, from, to int64) []string {
	t.Helper()
	response := post(t, s, "/v3/watch", fmt.Sprintf(`{"create_request":{"key":%q,"range_end":%q,"start_revision":%d}}`,
		b64("/apisix/"), b64("/apisix0"), from))
	defer response.Body.Close()
	var out []string
	lines := bufio.NewReader(response.Body)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			t.Fatalf("the stream ended after %v: %v", out, err)
		}
		var message struct {
			Result struct {
				Canceled bool `json:"canceled"`
				Events   []struct {
					Type string   `json:"type"`
					KV   keyValue `json:"kv"`
				} `json:"events"`
			} `json:"result"`
		}
		if err := json.Unmarshal(line, &message); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if message.Result.Canceled {
			t.Fatalf("canceled: %s", line)
		}
		for _, e := range message.Result.Events {
			if e.Type == "" {
				e.Type = "PUT"
			}
			out = append(out, e.Type+" "+string(e.KV.Key))
			if e.KV.ModRevision == to {
				return out
			}
		}
	}
}

func b64(s string) string {
	return base64.StdEncoding.EncodeToString([]byte(s))
}

func post(t *testing.T, s *Store, path, body string) *http.Response {
	t.Helper()
	server := httptest.NewServer(etcdapi.Handler(s.Etcd(), etcdapi.HandlerOptions{}))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(func() {
		cancel()
		server.Close()
	})
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+path, bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// runStore runs s until the function that it returns is called.
func runStore(s *Store) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

func await(t *testing.T, done func() bool) {
	t.Helper()
	retry.UntilOrFail(t, done, retry.Timeout(20*time.Second), retry.Delay(time.Millisecond))
}
