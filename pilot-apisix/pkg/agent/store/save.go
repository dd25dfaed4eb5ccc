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
	"context"
	"errors"
	"time"
)

// retrySaves times the SaveDelay is how long a save that failed waits for the next one: a disk that is full may not stay so.
const retrySaves = 5

// Run saves changes until ctx ends, and what is left then.
func (s *Store) Run(ctx context.Context) {
	var again <-chan time.Time
	for {
		select {
		case <-s.dirty:
		case <-again:
		case <-ctx.Done():
			_ = s.Save()
			return
		}
		// Gather what follows closely; the delay is not prolonged by it.
		timer := time.NewTimer(s.opts.SaveDelay)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
		again = nil
		if err := s.Save(); err != nil {
			again = time.After(retrySaves * s.opts.SaveDelay)
		}
	}
}

// Save writes what is held to disk, if that is not there already. The error is logged, too.
func (s *Store) Save() error {
	if s.opts.Dir == "" {
		return nil
	}
	s.saveMu.Lock()
	defer s.saveMu.Unlock()
	s.mu.Lock()
	if s.generation == s.saved {
		s.mu.Unlock()
		return nil
	}
	generation := s.generation
	resources := s.resources()
	s.mu.Unlock()

	err := writeFile(s.opts.Dir, s.opts.Workload, resources)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saveErr = err
	if err != nil {
		saves.With(resultLabel.Value("failure")).Increment()
		log.Errorf("last good configuration is not saved: %v", err)
		return err
	}
	saves.With(resultLabel.Value("success")).Increment()
	s.saved, s.savedAt = generation, s.opts.Now()
	return nil
}

// Close saves and releases the directory.
func (s *Store) Close() error {
	return errors.Join(s.Save(), s.lock.release())
}
