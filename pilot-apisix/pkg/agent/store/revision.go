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
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/apisix-mesh/pilot-apisix/pkg/etcdapi"
)

const (
	revisionFile = "revision"
	// revisionBlock is how many revisions are reserved at once. A start costs one block at most; there is room for a
	// hundred million of them.
	revisionBlock = 1_000_000
	// maxRevision is the highest bound that is believed: above it, the file is damaged or the clock is wrong.
	maxRevision = etcdapi.MaxRevision / 2
)

// revisions hands out revisions that were never served before, also after a crash. See the package documentation.
type revisions struct {
	dir string
	now func() time.Time

	mu sync.Mutex
	// bound is the highest revision that is reserved on disk (or would be, if the disk took it).
	bound   int64
	failure error
}

func newRevisions(dir string, now func() time.Time) *revisions {
	r := &revisions{dir: dir, now: now}
	if dir == "" {
		return r
	}
	bound, err := readRevision(dir)
	if err != nil {
		log.Errorf("%v; revisions go on from the clock", err)
		return r
	}
	r.bound = bound
	return r
}

// start is a revision that is not below any that was served before.
func (r *revisions) start() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	clock := r.now().UnixMilli()
	if clock < 0 || clock > maxRevision {
		log.Errorf("the clock says %s, which is no base for revisions", r.now().UTC().Format(time.RFC3339))
		clock = 0
	}
	return max(r.bound, clock)
}

// reserve sees to it that no revision up to last will be served after a restart, before one of them is served now.
func (r *revisions) reserve(last int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if last <= r.bound {
		return
	}
	r.bound = last + revisionBlock
	if r.dir == "" {
		return
	}
	err := writeRevision(r.dir, r.bound)
	if err != nil && r.failure == nil {
		// The clock still keeps a restart above what was served.
		log.Errorf("revisions cannot be reserved on disk: %v", err)
	}
	r.failure = err
}

func (r *revisions) err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failure
}

// readRevision is 0 when there is no file.
func readRevision(dir string) (int64, error) {
	file := filepath.Join(dir, revisionFile)
	b, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var bound int64
	if _, err := fmt.Sscanf(string(b), "%d", &bound); err != nil || string(b) != revisionText(bound) {
		return 0, fmt.Errorf("%s is damaged", file)
	}
	if bound < 0 || bound > maxRevision {
		return 0, fmt.Errorf("%s holds %d, which no agent reserves", file, bound)
	}
	return bound, nil
}

func writeRevision(dir string, bound int64) error {
	return writeAtomically(filepath.Join(dir, revisionFile), func(w io.Writer) error {
		_, err := io.WriteString(w, revisionText(bound))
		return err
	})
}

// revisionText is the content of the file: the number and its checksum.
func revisionText(bound int64) string {
	return fmt.Sprintf("%d %08x\n", bound, crc32.ChecksumIEEE(fmt.Appendf(nil, "revision %d", bound)))
}
