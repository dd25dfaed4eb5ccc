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
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	// rangeChunk is the size at which a part of a long answer is sent, so that its memory does not grow with it.
	rangeChunk = 64 << 10
	// maxPooled is the size above which a buffer is left to the garbage collector: one large value must not stay forever.
	maxPooled = 4 * rangeChunk
)

var rangeBuffers = sync.Pool{New: func() any {
	b := make([]byte, 0, rangeChunk+rangeChunk/4)
	return &b
}}

func (h *handler) serveRange(w http.ResponseWriter, r *http.Request) {
	var req rangeRequest
	if err := readRequest(w, r, &req); err != nil {
		writeStatus(w, badRequest(err))
		return
	}
	if !h.auth.allow(w, r) {
		return
	}
	if len(req.Key) == 0 {
		writeStatus(w, status{grpc: codeInvalidArgument, text: "etcdserver: key is not provided"})
		return
	}
	iv := newInterval(req.Key, req.RangeEnd)
	kvs, rev := h.store.snapshot(iv)
	switch at := int64(req.Revision); {
	case at > rev:
		writeStatus(w, status{grpc: codeOutOfRange, text: "etcdserver: mvcc: required revision is a future revision"})
		return
	case at > 0 && at < rev:
		writeStatus(w, status{grpc: codeOutOfRange, text: "etcdserver: mvcc: required revision has been compacted"})
		return
	}
	a := req.answer(kvs)
	switch dir := h.prefix + "/"; {
	case iv.single && iv.key == dir:
		_, first := h.store.bounds()
		rev = h.loads.watchFrom(rev, first)
	case iv.contains(dir) && !a.more && !req.CountOnly && !req.KeysOnly:
		h.loads.add(rev)
	}
	h.writeRange(w, rev, a)
}

// rangeAnswer is what a range request selects.
type rangeAnswer struct {
	kvs       []*kv
	count     int
	more      bool
	withValue bool
}

// answer selects and orders in the way of etcd: count is the number of keys in the range, whatever the revisions and the
// limit leave of them.
func (req *rangeRequest) answer(kvs []*kv) rangeAnswer {
	a := rangeAnswer{count: len(kvs), withValue: !req.KeysOnly}
	if req.CountOnly {
		return a
	}
	within := func(v int64, lo, hi wireInt64) bool {
		return (lo == 0 || v >= int64(lo)) && (hi == 0 || v <= int64(hi))
	}
	kvs = slices.DeleteFunc(kvs, func(e *kv) bool {
		return !within(e.mod, req.MinModRevision, req.MaxModRevision) || !within(e.create, req.MinCreateRevision, req.MaxCreateRevision)
	})
	order := req.SortOrder
	if req.SortTarget != sortByKey && order == sortNone {
		order = sortAscend
	}
	if order != sortNone && (req.SortTarget != sortByKey || order != sortAscend) {
		slices.SortStableFunc(kvs, func(x, y *kv) int {
			c := req.SortTarget.compare(x, y)
			if order == sortDescend {
				return -c
			}
			return c
		})
	}
	if limit := int64(req.Limit); limit > 0 && int64(len(kvs)) > limit {
		kvs, a.more = kvs[:limit], true
	}
	a.kvs = kvs
	return a
}

func (t sortTarget) compare(x, y *kv) int {
	switch t {
	case sortByKey:
		return cmp.Compare(x.key, y.key)
	case sortByVersion:
		return cmp.Compare(x.version, y.version)
	case sortByCreate:
		return cmp.Compare(x.create, y.create)
	case sortByMod:
		return cmp.Compare(x.mod, y.mod)
	case sortByValue:
		return bytes.Compare(x.value, y.value)
	}
	return 0
}

// writeRange sends an etcdserverpb.RangeResponse. net/http gives a short answer a Content-Length and sends a long one in
// chunks, which lua-resty-http and LuaSocket both read, like those of etcd.
func (h *handler) writeRange(w http.ResponseWriter, rev int64, a rangeAnswer) {
	buf := rangeBuffers.Get().(*[]byte)
	b := (*buf)[:0]
	defer func() {
		if cap(b) <= maxPooled {
			*buf = b
			rangeBuffers.Put(buf)
		}
	}()
	rc := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/json")
	b = append(b, '{')
	b = appendHeader(b, rev)
	for i, e := range a.kvs {
		if i == 0 {
			b = append(b, `,"kvs":[`...)
		} else {
			b = append(b, ',')
		}
		b = appendKV(b, e, a.withValue)
		if len(b) >= rangeChunk {
			_ = rc.SetWriteDeadline(time.Now().Add(h.writeTimeout))
			if _, err := w.Write(b); err != nil {
				return
			}
			b = b[:0]
		}
	}
	if len(a.kvs) > 0 {
		b = append(b, ']')
	}
	if a.more {
		b = append(b, `,"more":true`...)
	}
	if a.count > 0 {
		b = append(b, `,"count":"`...)
		b = strconv.AppendInt(b, int64(a.count), 10)
		b = append(b, '"')
	}
	b = append(b, '}')
	_ = rc.SetWriteDeadline(time.Now().Add(h.writeTimeout))
	_, _ = w.Write(b)
}
