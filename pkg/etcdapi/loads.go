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
	"sync"
	"time"
)

// maxLoads bounds the log: it is merged when it becomes longer.
const maxLoads = 64

// loadLog remembers at which revisions the whole prefix was read of late.
//
// APISIX loads everything once in its master process. A worker whose modules have taken all of what was loaded has lost
// the revision of the load (core/config_etcd.lua, do_run_watch), so it reads the exact key <prefix>/ only for the
// revision in the header and watches from the one after: what was applied between the two is never seen by it. The answer
// to that read is therefore the revision of the oldest load from which a worker can be starting; the watch then replays
// what came since. Each kind ignores frames that are not newer than its own load, and applying a newer frame in full ends
// in the newest state, so a replay does no harm.
type loadLog struct {
	window time.Duration
	now    func() time.Time

	mu    sync.Mutex
	loads []load // by time, and so by revision
}

type load struct {
	rev int64
	at  time.Time // of the last load at that revision
}

// add notes a full load at rev.
func (l *loadLog) add(rev int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.prune(now)
	last := len(l.loads) - 1
	switch {
	case last >= 0 && (rev <= l.loads[last].rev || len(l.loads) == maxLoads):
		// Counting a load for an older one is safe, it only replays more.
		l.loads[last].at = now
	default:
		l.loads = append(l.loads, load{rev: rev, at: now})
	}
}

// watchFrom returns the revision that a worker may take for the one of its load. When no load is known, as after a
// restart of the agent, it is one after which the store has dropped events: the watch is then canceled as compacted and
// every kind reads itself again.
func (l *loadLog) watchFrom(rev, first int64) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prune(l.now())
	if len(l.loads) == 0 {
		return first - 2
	}
	return min(l.loads[0].rev, rev)
}

func (l *loadLog) prune(now time.Time) {
	n := 0
	for n < len(l.loads) && now.Sub(l.loads[n].at) > l.window {
		n++
	}
	l.loads = append(l.loads[:0], l.loads[n:]...)
}
