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
	"encoding/base64"
	"sort"
	"sync"
)

// maxFrameBytes is the size at which events stop being put into one frame. A frame is decoded by an APISIX worker in one
// go, but between two frames it may build its router, so a frame holds any push but a very large one.
const maxFrameBytes = 4 << 20

// event is a change: the new version of a key, or the tombstone of a deleted one (key and mod only).
type event struct {
	kv      *kv
	deleted bool
}

// encodedSize is a close upper bound of the bytes that the event has in a frame.
func (e event) encodedSize() int {
	return len(e.kv.wireKey) + base64.StdEncoding.EncodedLen(len(e.kv.value)) + 144
}

// batch is a run of events with revisions that follow each other, encoded at most once for all the streams that want
// the whole of it.
type batch struct {
	events      []event
	first, last int64  // revisions
	lo, hi      string // the smallest and the largest key
	encoded     int    // upper bound of the size of the frame
	retained    int64  // what it counts for in the history's limit
	apply       int64  // the last revision of the Apply that it came from

	once       sync.Once
	frameBytes []byte
	list       []byte // the part of frameBytes between the brackets of "events"
}

// frame returns the frame with all of the batch's events. It must not be changed.
func (b *batch) frame() []byte {
	b.encode()
	return b.frameBytes
}

// eventList returns the batch's events as they stand in a frame, separated by commas. It must not be changed.
func (b *batch) eventList() []byte {
	b.encode()
	return b.list
}

func (b *batch) encode() {
	b.once.Do(func() {
		buf := make([]byte, 0, b.encoded+frameOverhead)
		buf = appendFrameStart(buf, b.last, 0)
		from := len(buf)
		for i, e := range b.events {
			if i > 0 {
				buf = append(buf, ',')
			}
			buf = appendEvent(buf, e)
		}
		to := len(buf)
		b.frameBytes = appendFrameEnd(buf)
		b.list = b.frameBytes[from:to]
	})
}

// history keeps the latest batches within its limits. The store's lock guards it.
type history struct {
	batches   []*batch
	first     int64 // the lowest revision that a watch can start from
	events    int
	bytes     int64
	maxEvents int
	maxBytes  int64
}

// add appends the events of one Apply, cut where a frame would become too large, and drops what is over the limits.
func (h *history) add(events []event) {
	last := events[len(events)-1].kv.mod
	for len(events) > 0 {
		b := &batch{first: events[0].kv.mod, lo: events[0].kv.key, hi: events[0].kv.key, apply: last}
		n := 0
		for ; n < len(events); n++ {
			size := events[n].encodedSize()
			if n > 0 && b.encoded+size > maxFrameBytes {
				break
			}
			key := events[n].kv.key
			b.lo, b.hi = min(b.lo, key), max(b.hi, key)
			b.encoded += size
			b.retained += int64(size + len(events[n].kv.value))
		}
		b.events, events = events[:n:n], events[n:]
		b.last = b.first + int64(n) - 1
		h.batches = append(h.batches, b)
		h.events += n
		h.bytes += b.retained
	}
	h.trim(last)
}

// trim drops the oldest batches while the history is over its limits, but none of the Apply that ends at keep.
func (h *history) trim(keep int64) {
	n := 0
	for ; n < len(h.batches) && h.batches[n].apply != keep && (h.events > h.maxEvents || h.bytes > h.maxBytes); n++ {
		h.events -= len(h.batches[n].events)
		h.bytes -= h.batches[n].retained
		h.first = h.batches[n].last + 1
	}
	if n > 0 {
		rest := copy(h.batches, h.batches[n:])
		clear(h.batches[rest:])
		h.batches = h.batches[:rest]
	}
}

// since implements Store.since.
func (h *history) since(next int64, limit int, buf []*batch) []*batch {
	i := sort.Search(len(h.batches), func(i int) bool { return h.batches[i].last >= next })
	size := 0
	for ; i < len(h.batches); i++ {
		size += h.batches[i].encoded
		if len(buf) > 0 && size > limit {
			break
		}
		buf = append(buf, h.batches[i])
	}
	return buf
}
