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
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/ads"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/intake"
)

const (
	// refusedMark begins what our Lua says of an object that APISIX did not accept (apisix.mesh.refused).
	refusedMark = "mesh refused: "
	// etcdPrefix is in front of a resource's name in its key.
	etcdPrefix = "/apisix/"
	// reportDelay gathers what is refused together: each worker process says so by itself.
	reportDelay = 300 * time.Millisecond
)

// quoted is content of an object in a message of its schema's, which may be secret, and all that follows.
var quoted = regexp.MustCompile(`(?s)( with "| but got: ).*`)

// parseRefused reads a line of APISIX's error log; it is false for all others.
func parseRefused(line string) (name string, revision int64, reason string, ok bool) {
	_, text, found := strings.Cut(line, refusedMark)
	if !found {
		return "", 0, "", false
	}
	var said struct{ Key, Revision, Reason string }
	// What follows the object is nginx's.
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&said); err != nil {
		return "", 0, "", false
	}
	name, found = strings.CutPrefix(said.Key, etcdPrefix)
	revision, err := strconv.ParseInt(said.Revision, 10, 64)
	if !found || err != nil {
		return "", 0, "", false
	}
	return name, revision, "APISIX does not accept it: " + quoted.ReplaceAllString(said.Reason, " by a value that is not shown"), true
}

// refusals takes back what APISIX did not accept, and tells istiod.
type refusals struct {
	intake *intake.Handler
	report func([]ads.Rejection)

	mu      sync.Mutex
	pending []ads.Rejection
}

// line takes a line of APISIX's error log; it is false when the line is about something else.
func (r *refusals) line(text string) bool {
	name, revision, reason, ok := parseRefused(text)
	if !ok {
		return false
	}
	if !r.intake.Refuse(name, revision, reason) {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pending = append(r.pending, ads.Rejection{Name: name, Reason: reason}); len(r.pending) == 1 {
		time.AfterFunc(reportDelay, r.flush)
	}
	return true
}

func (r *refusals) flush() {
	r.mu.Lock()
	pending := r.pending
	r.pending = nil
	r.mu.Unlock()
	r.report(pending)
}
