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
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"

	istiobootstrap "istio.io/istio/pilot/pkg/bootstrap"
	"istio.io/istio/pkg/log"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/filemode/configdir"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/filemode/token"
)

var scope = log.FindScope("filemode")

// Options say where a mesh of files is.
type Options struct {
	// ConfigDir is the directory of YAML.
	ConfigDir string
	// StateDir keeps keys, Secrets and last good contents; DefaultStateDir when empty.
	StateDir string
	// KeyFile is the token signing key; KeyFile in StateDir when empty.
	KeyFile string
	// SystemNamespace is the namespace of the control plane.
	SystemNamespace string
}

// TokenKeyFile is where the token signing key is. ConfigDir is only needed when neither KeyFile nor StateDir is given.
func (o Options) TokenKeyFile() (string, error) {
	if o.KeyFile != "" {
		return o.KeyFile, nil
	}
	if o.StateDir == "" && o.ConfigDir == "" {
		return "", errors.New("which mesh? Name its configuration directory, its state directory, or its token signing key")
	}
	dir, err := o.stateDir()
	return filepath.Join(dir, KeyFile), err
}

func (o Options) stateDir() (string, error) {
	if o.StateDir != "" {
		return o.StateDir, nil
	}
	return DefaultStateDir(o.ConfigDir)
}

// Wanted reports whether args ask for a mesh of files: a configuration directory, and no registry of services.
func Wanted(args *istiobootstrap.PilotArgs) bool {
	return args.RegistryOptions.FileDir != "" && len(args.RegistryOptions.Registries) == 0
}

// Status is what is served, and what is not.
type Status struct {
	// ConfigDir and StateDir are where configuration and state are.
	ConfigDir string `json:"configDir"`
	StateDir  string `json:"stateDir"`
	// Files is the number of files that are served as they are now, Objects that of the objects in all files.
	Files   int `json:"files"`
	Objects int `json:"objects"`
	// Refused are the files with mistakes.
	Refused []configdir.Refusal `json:"refused"`
	// Loaded is when what is served last changed.
	Loaded time.Time `json:"loaded"`
}

// Mesh is a directory of files that istiod takes for a cluster.
type Mesh struct {
	opts      Options
	state     *state
	cluster   *cluster
	dir       *configdir.Directory
	authority *token.Authority
	status    atomic.Pointer[Status]

	closeOnce sync.Once
}

// Open reads the directory and starts the API server that istiod is to use. A file with mistakes is no error: its last
// good content is served, if there is one; see Status. A directory that cannot be read is.
func Open(opts Options) (*Mesh, error) {
	dir, err := filepath.Abs(opts.ConfigDir)
	if err != nil {
		return nil, err
	}
	opts.ConfigDir = dir
	if opts.StateDir, err = opts.stateDir(); err != nil {
		return nil, err
	}
	contents, err := configdir.Read([]string{dir}, nil)
	if err != nil {
		return nil, fmt.Errorf("configuration directory: %w", err)
	}
	st, err := openState(opts.StateDir, dir)
	if err != nil {
		return nil, err
	}
	m := &Mesh{opts: opts, state: st, dir: configdir.New(opts.SystemNamespace)}
	if err := m.open(contents); err != nil {
		m.Close()
		return nil, err
	}
	scope.Infof("file mode: configuration in %s, state in %s, root certificate in %s", dir, opts.StateDir, st.path(RootCertFile))
	return m, nil
}

func (m *Mesh) open(contents map[string][]byte) error {
	st := m.state
	file, err := m.opts.TokenKeyFile()
	if err != nil {
		return err
	}
	key, err := token.LoadOrCreateKey(file)
	if err != nil {
		return err
	}
	if m.authority, err = token.NewAuthority(key); err != nil {
		return err
	}
	m.cluster = newCluster(st.persist)
	if err := st.restore(m.cluster.store); err != nil {
		return err
	}
	if err := st.accepted(func(file, content string) { m.dir.Remember(file, []byte(content)) }); err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	m.reload(contents)
	return m.cluster.serve(m.authority.Review)
}

// Configure makes istiod use the mesh: its configuration and its services come from the API server.
func (m *Mesh) Configure(args *istiobootstrap.PilotArgs) {
	m.cluster.configure(args)
}

// Attach is called when istiod has been made and before it is started: its clients have read the kubeconfig by then, and
// its CA is there.
func (m *Mesh) Attach(server *istiobootstrap.Server) error {
	m.cluster.hideKubeconfig()
	var root []byte
	switch {
	case server.CA != nil:
		root = server.CA.GetCAKeyCertBundle().GetRootCertPem()
	case server.RA != nil:
		root = server.RA.GetCAKeyCertBundle().GetRootCertPem()
	}
	if err := m.state.writeRootCert(root); err != nil {
		return fmt.Errorf("root certificate: %w", err)
	}
	return nil
}

// Follow is called when istiod has started. It reloads the directory whenever it changes, until ctx is done.
func (m *Mesh) Follow(ctx context.Context) {
	close(m.cluster.started)
	configdir.Watch(ctx, m.opts.ConfigDir, m.reload)
}

// reload serves what the files say now.
func (m *Mesh) reload(contents map[string][]byte) {
	snap := m.dir.Update(contents)
	added, changed, removed := m.cluster.replace(snap)
	filesAccepted.Record(float64(snap.Files))
	filesRefused.Record(float64(len(snap.Refused)))
	previous := m.status.Load()
	status := &Status{
		ConfigDir: m.opts.ConfigDir,
		StateDir:  m.opts.StateDir,
		Files:     snap.Files,
		Objects:   len(snap.Objects),
		Refused:   snap.Refused,
		Loaded:    time.Now(),
	}
	if previous != nil && added+changed+removed == 0 {
		status.Loaded = previous.Loaded
	}
	m.status.Store(status)

	for _, r := range snap.NewlyRefused {
		configRefusals.Increment()
		meanwhile := "it is not served"
		if r.Serving {
			meanwhile = "its last good content is served"
		}
		scope.Errorf("configuration file refused, %s until it is mended:\n%v", meanwhile, r)
	}
	for _, w := range snap.Warnings {
		scope.Warnf("configuration:\n%v", w)
	}
	if len(snap.Ignored) > 0 {
		scope.Debugf("objects without effect: %v", snap.Ignored)
	}
	if added+changed+removed > 0 {
		configReloads.Increment()
		scope.Infof("configuration loaded: %d files, %d refused; %d objects added, %d changed, %d removed",
			snap.Files, len(snap.Refused), added, changed, removed)
	}
	m.keepAccepted(snap)
}

// keepAccepted writes the contents that are served now to the state directory, for the case that the control plane is
// started again while a file is broken.
func (m *Mesh) keepAccepted(snap *configdir.Snapshot) {
	var errs []error
	if len(snap.Changed) > 0 {
		good := m.dir.Good()
		for _, file := range snap.Changed {
			errs = append(errs, m.state.accept(file, good[file]))
		}
	}
	for _, file := range snap.Removed {
		errs = append(errs, m.state.forget(file))
	}
	if err := errors.Join(errs...); err != nil {
		scope.Warnf("the last good configuration could not be kept for a restart: %v", err)
	}
}

// Status tells what is served.
func (m *Mesh) Status() Status {
	return *m.status.Load()
}

// IssueToken makes a service account token that the mesh accepts.
func (m *Mesh) IssueToken(req token.Request) (string, error) {
	return m.authority.Issue(req)
}

// ReviewToken tells who a token belongs to, or why it is refused, as istiod is told when an agent connects.
func (m *Mesh) ReviewToken(text string, audiences []string) authenticationv1.TokenReviewStatus {
	return m.authority.Review(text, audiences)
}

// RootCertPath is the file with the mesh's root certificate.
func (m *Mesh) RootCertPath() string {
	return m.state.path(RootCertFile)
}

// Close stops the API server, when istiod has ended.
func (m *Mesh) Close() {
	m.closeOnce.Do(func() {
		if m.cluster != nil {
			m.cluster.close()
		}
		m.state.close()
	})
}
