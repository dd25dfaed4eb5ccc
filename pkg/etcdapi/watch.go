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
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

// stream is one open watch.
type stream struct {
	h     *handler
	w     http.ResponseWriter
	rc    *http.ResponseController
	iv    interval
	id    int64
	next  int64 // the lowest revision that was not delivered yet
	noPut bool
	noDel bool

	delivered atomic.Int64 // next - 1, for Stats
	batches   []*batch     // reused between reads
}

func (h *handler) serveWatch(w http.ResponseWriter, r *http.Request) {
	req, err := readWatchRequest(w, r)
	if err != nil {
		writeStatus(w, badRequest(err))
		return
	}
	// Not as etcd, which answers with a canceled stream: APISIX would come back at once, again and again, while it waits
	// three seconds after an HTTP error.
	if !h.auth.allow(w, r) {
		return
	}
	if len(req.Key) == 0 {
		req.Key = []byte{0}
	}
	s := &stream{h: h, w: w, rc: http.NewResponseController(w), iv: newInterval(req.Key, req.RangeEnd), id: int64(req.WatchID)}
	for _, f := range req.Filters {
		s.noPut = s.noPut || f == filterNoPut
		s.noDel = s.noDel || f == filterNoDelete
	}
	rev, _ := h.store.bounds()
	w.Header().Set("Content-Type", "application/json")
	if s.iv.empty() {
		_ = s.send(appendEmptyRange(nil, rev))
		return
	}
	if s.next = int64(req.StartRevision); s.next == 0 {
		s.next = rev + 1
	}
	s.delivered.Store(s.next - 1)
	h.store.addStream(s)
	defer h.store.removeStream(s)
	if s.send(appendCreated(nil, rev, s.id)) != nil {
		return
	}
	if s.next > rev+1 {
		h.logf("etcd gateway: a client at %s watches from revision %d, but the newest is %d: the state of the agent was lost; "+
			"it is told to read everything again", r.RemoteAddr, s.next, rev)
		_ = s.send(appendCompacted(nil, rev, rev+1, s.id))
		return
	}
	progress := time.Duration(0)
	if req.ProgressNotify {
		progress = h.progress
	}
	s.run(r.Context(), progress, r.RemoteAddr)
}

// run delivers events until the client or the server goes, or the client has become too slow for the history. Between two
// changes it waits on a channel and costs nothing.
func (s *stream) run(ctx context.Context, progress time.Duration, client string) {
	var tick <-chan time.Time
	if progress > 0 {
		t := time.NewTicker(progress)
		defer t.Stop()
		tick = t.C
	}
	for {
		v := s.h.store.since(s.next, maxFrameBytes, s.batches[:0])
		s.batches = v.batches
		if s.next < v.first {
			s.h.logf("etcd gateway: the events from revision %d on are not kept any more, those from %d on are: the client at %s is "+
				"told to read everything again", s.next, v.first, client)
			_ = s.send(appendCompacted(nil, v.rev, v.first, s.id))
			return
		}
		if len(v.batches) > 0 {
			last := v.batches[len(v.batches)-1].last
			if frame := s.frame(v.batches); frame != nil && s.send(frame) != nil {
				return
			}
			// A stream that waits must not keep alive what the history has dropped.
			clear(s.batches)
			s.next = last + 1
			s.delivered.Store(last)
			continue
		}
		select {
		case <-v.changed:
		case <-tick:
			if s.send(appendProgress(nil, s.next-1, s.id)) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// frame returns the frame with the events of the batches that the stream wants, or nil if there are none. One whole batch,
// which is what a stream that keeps up gets, is the same bytes for all the streams.
func (s *stream) frame(batches []*batch) []byte {
	if len(batches) == 1 && s.id == 0 && s.wantsAll(batches[0]) {
		return batches[0].frame()
	}
	size := frameOverhead
	for _, b := range batches {
		if s.wantsAll(b) {
			size += b.encoded
		}
	}
	out := appendFrameStart(make([]byte, 0, size), batches[len(batches)-1].last, s.id)
	empty := len(out)
	for _, b := range batches {
		if s.wantsAll(b) {
			out = append(append(out, b.eventList()...), ',')
			continue
		}
		for _, e := range b.events {
			if s.wants(e) {
				out = append(appendEvent(out, e), ',')
			}
		}
	}
	if len(out) == empty {
		return nil
	}
	return appendFrameEnd(out[:len(out)-1])
}

// wantsAll reports whether every event of b is for the stream.
func (s *stream) wantsAll(b *batch) bool {
	if s.noPut || s.noDel || b.first < s.next || !s.iv.contains(b.lo) {
		return false
	}
	return s.iv.contains(b.hi)
}

func (s *stream) wants(e event) bool {
	if e.deleted && s.noDel || !e.deleted && s.noPut {
		return false
	}
	return e.kv.mod >= s.next && s.iv.contains(e.kv.key)
}

// send writes one message as one chunk and flushes it. net/http makes one chunk of one Write after a Flush, and
// lua-resty-etcd needs a chunk to hold whole messages: of several in one chunk it would keep only the last one's header.
func (s *stream) send(p []byte) error {
	// A writer that knows no deadlines (tests) does not block either.
	_ = s.rc.SetWriteDeadline(time.Now().Add(s.h.writeTimeout))
	if _, err := s.w.Write(p); err != nil {
		return err
	}
	return s.rc.Flush()
}
