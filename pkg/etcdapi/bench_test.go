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
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// benchOps are n routes of about 1.5 KiB each.
func benchOps(n int) []Op {
	ops := make([]Op, n)
	for i := range ops {
		ops[i] = put(fmt.Sprintf("/apisix/routes/%06d", i), fmt.Sprintf(`{"id":"%d","uri":"/%s"}`, i, strings.Repeat("x", 1500)))
	}
	return ops
}

// discard is a ResponseWriter that keeps nothing.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return io.Discard.Write(b) }
func (d discard) WriteHeader(int)             {}
func (d discard) Flush()                      {}

// BenchmarkApplyToWatchers measures the time from Apply until every stream of an APISIX with four workers has read the
// event from its socket.
func BenchmarkApplyToWatchers(b *testing.B) {
	for _, streams := range []int{1, 10} {
		b.Run(fmt.Sprintf("%d streams", streams), func(b *testing.B) {
			g := newGateway(b, StoreOptions{}, HandlerOptions{})
			g.store.Apply(benchOps(2000))
			read := make(chan error, streams)
			for range streams {
				w, _ := watchFrom(b, g.addr, g.store.Revision()+1)
				go func() {
					for {
						_, err := w.chunk(patience)
						read <- err
						if err != nil {
							return
						}
					}
				}()
			}
			value := strings.Repeat("y", 1500)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				g.store.Apply([]Op{put("/apisix/routes/000042", fmt.Sprint(i, value))})
				for range streams {
					if err := <-read; err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// BenchmarkRange measures the full load of 2,000 keys, without and with the network.
func BenchmarkRange(b *testing.B) {
	g := newGateway(b, StoreOptions{}, HandlerOptions{})
	g.store.Apply(benchOps(2000))
	body := rangeBody("/apisix", "/apisiy")
	full, err := send(g.addr, http.MethodPost, "/v3/kv/range", body)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("handler", func(b *testing.B) {
		b.SetBytes(int64(len(full.body)))
		b.ReportAllocs()
		for b.Loop() {
			req, err := http.NewRequest(http.MethodPost, "/v3/kv/range", strings.NewReader(body))
			if err != nil {
				b.Fatal(err)
			}
			g.h.ServeHTTP(discard{http.Header{}}, req)
		}
	})
	b.Run("loopback", func(b *testing.B) {
		b.SetBytes(int64(len(full.body)))
		for b.Loop() {
			res, err := http.Post("http://"+g.addr+"/v3/kv/range", "", strings.NewReader(body))
			if err != nil {
				b.Fatal(err)
			}
			n, err := io.Copy(io.Discard, res.Body)
			res.Body.Close()
			if err != nil || n != int64(len(full.body)) {
				b.Fatal(n, err)
			}
		}
	})
}

// BenchmarkApply measures a push that changes nothing, and one that changes one of 2,000 keys.
func BenchmarkApply(b *testing.B) {
	same, again := benchOps(2000), benchOps(2000)
	b.Run("2000 unchanged", func(b *testing.B) {
		s := mustStore(b, StoreOptions{})
		s.Apply(same)
		b.ReportAllocs()
		for b.Loop() {
			s.Apply(again)
		}
	})
	b.Run("1 changed", func(b *testing.B) {
		s := mustStore(b, StoreOptions{})
		s.Apply(same)
		b.ReportAllocs()
		values := [][]byte{[]byte("a"), []byte("b")}
		for i := 0; b.Loop(); i++ {
			s.Apply([]Op{{Key: "/apisix/routes/000042", Value: values[i%2]}})
		}
	})
}
