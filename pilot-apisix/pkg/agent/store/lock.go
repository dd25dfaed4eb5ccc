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
	"os"
	"path/filepath"
	"syscall"
)

// dirLock keeps a second agent out of a directory for as long as this process lives.
type dirLock struct {
	file *os.File
}

// lockDir makes dir and locks it. When the directory cannot be used at all, that is logged and there is no lock.
func lockDir(dir string) (*dirLock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		log.Errorf("data directory %s cannot be made, the configuration will not survive a restart of the agent: %v", dir, err)
		return nil, nil
	}
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		log.Errorf("data directory %s cannot be written, the configuration will not survive a restart of the agent: %v", dir, err)
		return nil, nil
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		_ = file.Close()
		return nil, fmt.Errorf("data directory %s is in use by another agent: give each agent its own with --dataDir", dir)
	case err != nil:
		// Some file systems have no locks; the agent does not depend on them.
		log.Warnf("data directory %s cannot be locked: %v", dir, err)
	}
	return &dirLock{file: file}, nil
}

// release gives the directory free; again does nothing.
func (l *dirLock) release() error {
	if l == nil {
		return nil
	}
	if err := l.file.Close(); !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}
