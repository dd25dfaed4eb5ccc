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

package configdir

import (
	"context"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"

	"istio.io/istio/pkg/log"
)

const (
	// quietTime is how long nothing must happen before files are read: whoever writes has finished by then.
	quietTime = 50 * time.Millisecond
	// longestWait is when they are read in any case.
	longestWait = 500 * time.Millisecond
	// pollInterval is how often files are read when the operating system does not tell of changes, and while the
	// directory cannot be read.
	pollInterval = time.Second
)

var scope = log.RegisterScope("filemode", "Configuration from a directory of files")

// Watch reads a directory whenever something in it changes, and hands over the contents of all files, until ctx is done.
// It begins with a first reading. While the directory cannot be read nothing is handed over.
func Watch(ctx context.Context, root string, changed func(contents map[string][]byte)) {
	w := &watcher{root: root, changed: changed}
	defer w.close()
	for ctx.Err() == nil {
		wait := w.look()
		if !w.waitForChange(ctx, wait) {
			return
		}
	}
}

// watcher watches one directory and all below it.
type watcher struct {
	root    string
	changed func(map[string][]byte)

	notify *fsnotify.Watcher
	// real is root with all links followed, when notify was made.
	real string
	// unreadable is the last error that was logged.
	unreadable string
}

func (w *watcher) close() {
	if w.notify != nil {
		_ = w.notify.Close()
		w.notify = nil
	}
}

// look reads the directory, hands over what it holds, and tells when to look again even if there is no news; zero is
// never.
func (w *watcher) look() time.Duration {
	// A root that is a link may lead somewhere else by now: then what is watched is not what is read.
	if real, err := filepath.EvalSymlinks(w.root); err == nil && real != w.real {
		w.close()
		w.real = real
	}
	contents := map[string][]byte{}
	dirs, err := walk(w.root, func(file string, data []byte) { contents[file] = data })
	if err != nil {
		if err.Error() != w.unreadable {
			scope.Errorf("the configuration directory cannot be read, and the mesh stays as it is: %v", err)
			w.unreadable = err.Error()
		}
		// A directory that is put in the place of another is not the one that is watched.
		w.close()
		return pollInterval
	}
	if w.unreadable != "" {
		scope.Infof("the configuration directory %s can be read again", w.root)
		w.unreadable = ""
	}
	added, complete := w.subscribe(dirs)
	if added {
		// What changes from now on is told; what changed since we read is read now.
		return w.look()
	}
	w.changed(contents)
	if !complete {
		return pollInterval
	}
	return 0
}

// subscribe watches directories. It reports whether one of them is new, and whether all of them are watched.
func (w *watcher) subscribe(dirs []string) (added, complete bool) {
	if w.notify == nil {
		notify, err := fsnotify.NewWatcher()
		if err != nil {
			scope.Warnf("no file notifications (%v): the configuration directory is read every %v", err, pollInterval)
			return false, false
		}
		w.notify = notify
	}
	if filepath.Clean(w.root) != w.real {
		dirs = append(dirs, filepath.Dir(filepath.Clean(w.root)))
	}
	watched := w.notify.WatchList()
	complete = true
	for _, d := range dirs {
		if slices.Contains(watched, d) {
			continue
		}
		if err := w.notify.Add(d); err != nil {
			scope.Warnf("cannot watch %s (%v): the configuration directory is read every %v", d, err, pollInterval)
			complete = false
			continue
		}
		added = true
	}
	return added, complete
}

// waitForChange returns when files have changed and are quiet, or after the given time; false means that it is over.
func (w *watcher) waitForChange(ctx context.Context, again time.Duration) bool {
	var events chan fsnotify.Event
	var errors chan error
	if w.notify != nil {
		events, errors = w.notify.Events, w.notify.Errors
	}
	var poll <-chan time.Time
	if again > 0 {
		timer := time.NewTimer(again)
		defer timer.Stop()
		poll = timer.C
	}
	var quiet, latest <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return false
		case <-poll:
			return true
		case <-quiet:
			return true
		case <-latest:
			return true
		case err := <-errors:
			// Events may have been lost: look.
			scope.Warnf("file notifications: %v", err)
			return true
		case e := <-events:
			if e.Has(fsnotify.Chmod) && !e.Has(fsnotify.Write) && !e.Has(fsnotify.Create) {
				continue
			}
			if latest == nil {
				latest = time.After(longestWait)
			}
			quiet = time.After(quietTime)
		}
	}
}
