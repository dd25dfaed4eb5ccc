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
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// onSmallDisk puts the directory of the pod onto a file system of its own.
func (p *pod) onSmallDisk(size string) *pod {
	p.t.Helper()
	run(p.t, "mount", "-t", "tmpfs", "-o", "size="+size+",mode=755,uid=1337,gid=1337", "tmpfs", p.dir)
	p.t.Cleanup(func() { _ = exec.Command("umount", "-l", p.dir).Run() })
	return p
}

// fill takes all that is left of the pod's disk; the result gives it back.
func (p *pod) fill() (empty func()) {
	p.t.Helper()
	file := filepath.Join(p.dir, "filler")
	f, err := os.Create(file)
	if err != nil {
		p.t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 4096)
	for {
		if _, err = f.Write(block); err != nil {
			break
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		p.t.Fatal(err)
	}
	return func() { _ = os.Remove(file) }
}

// answer is a rule that answers requests to the server itself.
func answer(value string, status int) string {
	return fmt.Sprintf(`apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: server, namespace: default}
spec:
  hosts: [server]
  http:
  - directResponse: {status: %d, body: {string: %q}}
`, status, value)
}

// TestFullDisk fills the sidecars' disks. What is new is served from memory, the log says that it is not saved, and it is saved as soon as
// there is room.
func TestFullDisk(t *testing.T) {
	m := newMesh(t, twoServices())
	m.apply("peers", strict)
	server, client := m.newPod("server", "10.88.0.10").inject(), m.newPod("client", "10.88.0.11").onSmallDisk("12m")
	client.env = []string{"SECRET_TTL=20s"}
	client.inject()
	server.serveHTTP(8080)
	server.ready()
	client.ready()
	call := func() string { return client.get("10.96.0.10:80", "server") }
	m.expect("requests are served", "200 server", call)
	logged := func(text string) func() error {
		return func() error {
			b, err := os.ReadFile(client.log())
			if err == nil && !strings.Contains(string(b), text) {
				err = errors.New("it says nothing of it")
			}
			return err
		}
	}

	empty := client.fill()
	m.apply("rules", answer("first", 555))
	m.expect("new rules apply", "555 first", call)
	m.eventually("the log says what is not saved", logged("no space left on device"))
	before := client.certificate()
	m.eventually("the log says that the certificate is not written", logged("certificate of the workload for the proxy: write"))
	m.apply("rules", answer("second", 556))
	m.expect("newer rules apply", "556 second", call)
	if now := client.certificate(); now != before {
		// A certificate that is there in part would end all connections.
		t.Errorf("the certificate became %q", now)
	}
	empty()
	m.eventually("the configuration is saved", func() error {
		b, err := os.ReadFile(filepath.Join(client.dir, "data/resources"))
		if err == nil && !strings.Contains(string(b), "second") {
			err = errors.New("the file is older")
		}
		return err
	})
	m.eventually("the certificate is renewed", func() error {
		if client.certificate() == before {
			return errors.New("it is the old one")
		}
		return nil
	})
	m.remove("rules")
	m.expect("requests are served again", "200 server", call)

	// A restart on a full disk begins with what was saved.
	m.apply("rules", answer("third", 557))
	m.expect("new rules apply", "557 third", call)
	time.Sleep(3 * time.Second)
	m.stopIstiod()
	client.fill()
	client.agent.signal(syscall.SIGKILL)
	<-client.agent.ended
	for _, pid := range client.processes("pilot-agent proxy") {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	client.startAgent()
	m.expect("after a restart without room and without istiod", "557 third", call)
}
