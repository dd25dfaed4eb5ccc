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

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	namespace = "default"
	// hubAddress is the control plane's, on the bridge.
	hubAddress     = "10.88.0.1"
	hubAddressIPv6 = "fd00:88::1"
	patience       = 60 * time.Second
)

// mesh is a control plane and its pods.
type mesh struct {
	t        testing.TB
	dir, bin string
	config   string
	istiod   *process
	pods     map[string]*pod
	bridge   string
	// env is istiod's, beside the test's own.
	env []string
	// patience is how long something may take to become true.
	patience time.Duration
	// load is nil before there is any.
	load *load
}

// newMesh starts a control plane with some configuration.
func newMesh(t testing.TB, yaml string) *mesh {
	t.Helper()
	return newMeshOf(t, nil, yaml)
}

// newMeshOf has a CA of the test's own, unless it is nil.
func newMeshOf(t testing.TB, ca *authority, yaml string, env ...string) *mesh {
	t.Helper()
	m := newHub(t)
	if ca != nil {
		ca.plugIn(t, filepath.Join(m.dir, "cacerts"))
	}
	m.env = env
	m.apply("mesh", yaml)
	m.meshConfig("{}")
	m.startIstiod()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("istiod:\n%s", lastLines(filepath.Join(m.dir, "istiod.log"), 30))
		}
	})
	return m
}

// newHub is what pods are connected to, without a control plane.
func newHub(t testing.TB) *mesh {
	t.Helper()
	need(t)
	base := os.Getenv(hubDir)
	dir, err := os.MkdirTemp(base, "m")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	m := &mesh{
		t: t, dir: dir, bin: filepath.Join(base, "bin"), config: filepath.Join(dir, "config"), pods: map[string]*pod{}, bridge: "mesh0", patience: patience,
	}
	run(t, "ip", "link", "set", "lo", "up")
	run(t, "ip", "link", "add", m.bridge, "type", "bridge")
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", m.bridge).Run() })
	run(t, "ip", "addr", "add", hubAddress+"/24", "dev", m.bridge)
	run(t, "ip", "addr", "add", hubAddressIPv6+"/64", "dev", m.bridge, "nodad")
	run(t, "ip", "link", "set", m.bridge, "up")
	if err := os.MkdirAll(m.config, 0o755); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *mesh) startIstiod() {
	m.t.Helper()
	cmd := exec.Command(filepath.Join(m.bin, "pilot-discovery"), "discovery", "--registries=", "--configDir="+m.config,
		"--stateDir="+filepath.Join(m.dir, "state"), "--httpAddr="+hubAddress+":8080", "--httpsAddr=", "--grpcAddr="+hubAddress+":15010",
		"--secureGRPCAddr="+hubAddress+":15012", "--monitoringAddr="+hubAddress+":15014", "--ctrlz_port=0", "--shutdownDuration=1s",
		"--meshConfig="+filepath.Join(m.dir, "mesh.yaml"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Dir = m.dir
	cmd.Env = append(append(os.Environ(), "ROOT_CA_DIR="+filepath.Join(m.dir, "cacerts"), "ENABLE_DEBUG_ENDPOINT_AUTH=false"), m.env...)
	m.istiod = spawn(m.t, filepath.Join(m.dir, "istiod.log"), cmd)
	m.t.Cleanup(m.stopIstiod)
	m.eventually("the control plane is ready", func() error { return ok("http://" + hubAddress + ":8080/ready") })
}

func (m *mesh) stopIstiod() {
	m.istiod.signal(syscall.SIGKILL)
	<-m.istiod.ended
}

// apply puts objects into the mesh, in the place of those that were applied under the name before.
func (m *mesh) apply(name, yaml string) {
	m.t.Helper()
	temporary := filepath.Join(m.dir, "next")
	if err := os.WriteFile(temporary, []byte(yaml), 0o644); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Rename(temporary, filepath.Join(m.config, name+".yaml")); err != nil {
		m.t.Fatal(err)
	}
}

// remove takes a file of objects away: an empty one would be taken for one that is being written.
func (m *mesh) remove(name string) {
	m.t.Helper()
	if err := os.Remove(filepath.Join(m.config, name+".yaml")); err != nil {
		m.t.Fatal(err)
	}
}

// meshConfig writes the MeshConfig, which istiod follows.
func (m *mesh) meshConfig(yaml string) {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.dir, "mesh.yaml"), []byte(yaml), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

func ok(url string) error {
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	return nil
}

// expect waits for an answer that begins as it should.
func (m *mesh) expect(what, want string, f func() string) {
	m.t.Helper()
	m.eventually(what, func() error {
		if got := f(); !strings.HasPrefix(got, want) {
			return fmt.Errorf("got %q, want %q", got, want)
		}
		return nil
	})
}

// eventually waits until something holds.
func (m *mesh) eventually(what string, f func() error) {
	m.t.Helper()
	var err error
	for end := time.Now().Add(m.patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	var logs strings.Builder
	for _, p := range m.pods {
		fmt.Fprintf(&logs, "%s:\n%s%s", p.name, lastLines(p.log(), 15), lastLines(p.apisixLog(), 15))
	}
	m.t.Fatalf("in vain: %s: %v\n%s", what, err, logs.String())
}
