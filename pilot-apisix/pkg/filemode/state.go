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

package filemode

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"istio.io/istio/pkg/config/schema/collections"
	"istio.io/istio/pkg/config/schema/gvk"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/filemode/apiserver"
)

const (
	// KeyFile is the token signing key in the state directory.
	KeyFile = "service-account.key"
	// RootCertFile is the mesh's root certificate in the state directory, for agents to be pointed to.
	RootCertFile = "root-cert.pem"

	lockFile    = "lock"
	secretsDir  = "secrets"
	acceptedDir = "accepted"
	tmpSuffix   = ".tmp"

	// rootCertConfigMap is where istiod writes the root certificate, in each namespace.
	rootCertConfigMap = "istio-ca-root-cert"
)

// DefaultStateDir is where the state of a mesh is kept when nothing else is said: outside of its configuration
// directory, which may be in a repository, and in the user's directory for such things ($XDG_STATE_HOME, else
// ~/.local/state), with a name of its own for each configuration directory.
func DefaultStateDir(configDir string) (string, error) {
	abs, err := filepath.Abs(configDir)
	if err != nil {
		return "", err
	}
	base := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(base) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("no place for the control plane's keys is known (%w): name one with --stateDir", err)
		}
		base = filepath.Join(home, ".local", "state")
	}
	sum := sha256.Sum256([]byte(abs))
	return filepath.Join(base, "pilot-apisix", filepath.Base(abs)+"-"+hex.EncodeToString(sum[:4])), nil
}

// state is the directory with what a control plane must not lose: keys, Secrets that istiod wrote, and the last good
// content of each configuration file. Only its owner can read it, except for the root certificate.
type state struct {
	dir string
	// mesh is the configuration directory, whose files the accepted contents belong to.
	mesh string
	lock *os.File
}

// openState makes the directory if need be and takes it for this process alone.
func openState(dir, mesh string) (*state, error) {
	// Agents that run as somebody else must get at the root certificate; nothing else in it is open to them.
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("state directory %s is in use by another control plane: give this one its own with --stateDir", dir)
	}
	return &state{dir: dir, mesh: mesh, lock: lock}, nil
}

// close lets others have the directory.
func (s *state) close() {
	_ = s.lock.Close()
}

func (s *state) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

// write replaces a file at once: whoever reads it sees the old content or the new one.
func (s *state) write(file string, data []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	tmp, err := os.OpenFile(file+tmpSuffix, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), file)
}

// persist keeps what istiod writes to the API server and must find again: Secrets, among them the CA's, and for the
// agents the root certificate.
func (s *state) persist(res apiserver.Resource, obj *unstructured.Unstructured, deleted bool) error {
	switch {
	case res.GroupVersionKind() == gvk.Secret.Kubernetes():
		file := s.path(secretsDir, obj.GetNamespace(), obj.GetName()+".json")
		if deleted {
			return os.Remove(file)
		}
		text, err := json.Marshal(obj.Object)
		if err != nil {
			return err
		}
		return s.write(file, text, 0o600)
	case res.GroupVersionKind() == gvk.ConfigMap.Kubernetes() && obj.GetName() == rootCertConfigMap && !deleted:
		cert, _, _ := unstructured.NestedString(obj.Object, "data", RootCertFile)
		return s.writeRootCert([]byte(cert))
	}
	return nil
}

func (s *state) writeRootCert(pem []byte) error {
	file := s.path(RootCertFile)
	if old, err := os.ReadFile(file); len(pem) == 0 || err == nil && slices.Equal(old, pem) {
		return nil
	}
	return s.write(file, pem, 0o644)
}

// restore gives the store the Secrets of an earlier life.
func (s *state) restore(store *apiserver.Store) error {
	return s.each(secretsDir, func(file string, text []byte) error {
		obj := &unstructured.Unstructured{}
		if err := obj.UnmarshalJSON(text); err != nil {
			return fmt.Errorf("state file %s: %w: remove it if the Secret can be lost", file, err)
		}
		store.Restore(collections.Secret.GroupVersionResource().GroupResource(), obj)
		return nil
	})
}

// acceptedFile is the last good content of a configuration file.
type acceptedFile struct {
	// Mesh is the configuration directory; File is relative to it.
	Mesh    string `json:"mesh"`
	File    string `json:"file"`
	Content string `json:"content"`
}

func (s *state) acceptedPath(file string) string {
	sum := sha256.Sum256([]byte(file))
	return s.path(acceptedDir, hex.EncodeToString(sum[:16])+".json")
}

// accept keeps the content of a configuration file.
func (s *state) accept(file, content string) error {
	text, err := json.Marshal(acceptedFile{Mesh: s.mesh, File: s.relative(file), Content: content})
	if err != nil {
		return err
	}
	return s.write(s.acceptedPath(s.relative(file)), text, 0o600)
}

// forget drops what accept kept.
func (s *state) forget(file string) error {
	if err := os.Remove(s.acceptedPath(s.relative(file))); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (s *state) relative(file string) string {
	if rel, err := filepath.Rel(s.mesh, file); err == nil {
		return rel
	}
	return file
}

// accepted gives the last good contents, by path. What cannot be read is left out: it is only needed when a file is
// broken.
func (s *state) accepted(each func(file, content string)) error {
	return s.each(acceptedDir, func(_ string, text []byte) error {
		var f acceptedFile
		if err := json.Unmarshal(text, &f); err == nil && f.Mesh == s.mesh {
			each(filepath.Join(s.mesh, f.File), f.Content)
		}
		return nil
	})
}

// each reads all files below a directory of the state, in order.
func (s *state) each(sub string, fn func(file string, text []byte) error) error {
	return filepath.WalkDir(s.path(sub), func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || entry.IsDir() || filepath.Ext(path) == tmpSuffix {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return fn(path, text)
	})
}
