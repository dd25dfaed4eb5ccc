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

package agent

import (
	"context"
	"runtime"
	"runtime/debug"
	"time"
)

const (
	// trimDelay is the time after a push before memory is given back; the configuration is on disk by then.
	trimDelay = 5 * time.Second
	// trimBytes is how much must have been received for it to be worth while.
	trimBytes = 256 << 10
)

// applied is called after each response of istiod's.
func (a *Agent) applied(bytes int) {
	a.check()
	if a.apisix != nil {
		a.apisix.Changed()
	}
	if a.untrimmed.Add(int64(bytes)) < trimBytes {
		return
	}
	select {
	case a.large <- struct{}{}:
	default:
	}
}

// trim gives memory back to the system after the start and after large pushes. To receive a configuration takes several times the memory
// that it takes to hold it, and a sidecar that is otherwise idle would keep that for long: its collector has no reason to
// run. It costs about ten milliseconds of one core, at most every trimDelay.
func (a *Agent) trim(ctx context.Context) {
	for {
		select {
		case <-a.large:
		case <-ctx.Done():
			return
		}
		timer := time.NewTimer(trimDelay)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		a.untrimmed.Store(0)
		// gRPC's buffers are in pools, which are emptied by the second collection.
		runtime.GC()
		debug.FreeOSMemory()
		releasePages()
	}
}
