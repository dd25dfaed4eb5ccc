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

package proxy

import (
	"bufio"
	"errors"
	"io"
	"os"
	"strings"
	"time"
)

const (
	tailPoll = 250 * time.Millisecond
	// mostLog is how large the error log may become, before it is emptied: the directory is in memory.
	mostLog = 4 << 20
)

// tail follows a file that grows.
type tail struct {
	ending, ended chan struct{}
}

// size is where the next line of a file begins.
func size(file string) int64 {
	fi, err := os.Stat(file)
	if err != nil {
		return 0
	}
	return fi.Size()
}

// follow calls line with each line that is written to the file from a place on.
func follow(file string, at int64, line func(string)) *tail {
	t := &tail{ending: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(t.ended)
		tick := time.NewTicker(tailPoll)
		defer tick.Stop()
		for {
			at = read(file, at, line)
			select {
			case <-tick.C:
			case <-t.ending:
				read(file, at, line)
				return
			}
		}
	}()
	return t
}

func (t *tail) stop() {
	close(t.ending)
	<-t.ended
}

// read reads whole lines from a place on, and returns the next one.
func read(file string, at int64, line func(string)) int64 {
	f, err := os.Open(file)
	if err != nil {
		return 0
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil || fi.Size() < at {
		// It was emptied.
		at = 0
	} else if fi.Size() == at {
		return at
	}
	if _, err := f.Seek(at, io.SeekStart); err != nil {
		return at
	}
	r := bufio.NewReader(f)
	for {
		text, err := r.ReadString('\n')
		if err != nil {
			if !errors.Is(err, io.EOF) {
				log.Debugf("error log %s: %v", file, err)
			}
			break
		}
		at += int64(len(text))
		line(strings.TrimSuffix(text, "\n"))
	}
	if at > mostLog {
		// nginx appends to it, wherever its end is.
		if err := os.Truncate(file, 0); err == nil {
			return 0
		}
	}
	return at
}
