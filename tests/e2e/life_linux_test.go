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
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// load sends requests without end, on connections that are kept and on new ones.
type load struct {
	stop chan struct{}
	wg   sync.WaitGroup

	mu     sync.Mutex
	served int
	failed []string
}

func startLoad(p *pod, address, host string) *load {
	l := &load{stop: make(chan struct{})}
	for i := range 4 {
		client := p.client(address)
		client.Transport.(*http.Transport).DisableKeepAlives = i%2 == 1
		l.wg.Go(func() {
			for {
				select {
				case <-l.stop:
					return
				case <-time.After(2 * time.Millisecond):
				}
				got := fetch(client, "http://"+host+"/")
				l.mu.Lock()
				if strings.HasPrefix(got, "200 ") {
					l.served++
				} else {
					l.failed = append(l.failed, time.Now().Format("15:04:05.000 ")+got)
				}
				l.mu.Unlock()
			}
		})
	}
	return l
}

// soFar is the number of requests that were served.
func (l *load) soFar() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.served
}

// failures are those since the last call.
func (l *load) failures() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	failed := l.failed
	l.failed = nil
	return failed
}

// well fails the test when requests failed since the last call.
func (l *load) well(t *testing.T) {
	t.Helper()
	if failed := l.failures(); len(failed) > 0 {
		t.Errorf("%d requests failed of %d: %s", len(failed), l.soFar(), strings.Join(failed[:min(5, len(failed))], "; "))
	}
}

func (l *load) end() {
	close(l.stop)
	l.wg.Wait()
}

// certificate is the serial number of the pod's.
func (p *pod) certificate() string {
	b, err := os.ReadFile(filepath.Join(p.dir, "apisix/identity/cert-chain.pem"))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// status is the agent's.
func (p *pod) status() (st struct {
	XDS struct {
		State    string `json:"state"`
		LastPush struct {
			Resources int `json:"resources"`
		} `json:"lastPush"`
	} `json:"xds"`
	APISIX struct {
		Running         bool
		Starts, Reloads int
	} `json:"apisix"`
	Store struct {
		Etcd struct{ Revision int64 }
	} `json:"store"`
}, err error,
) {
	response, err := p.client("127.0.0.1:15000").Get("http://127.0.0.1:15000/status")
	if err != nil {
		return st, err
	}
	defer response.Body.Close()
	return st, json.NewDecoder(response.Body).Decode(&st)
}

// processes are the numbers of those in the pod whose title has a text.
func (p *pod) processes(title string) []int {
	out, _ := exec.Command("ip", "netns", "pids", p.netns).Output()
	var found []int
	for _, f := range strings.Fields(string(out)) {
		if b, err := os.ReadFile("/proc/" + f + "/cmdline"); err == nil && bytes.Contains(bytes.ReplaceAll(b, []byte{0}, []byte{' '}), []byte(title)) {
			pid, _ := strconv.Atoi(f)
			found = append(found, pid)
		}
	}
	return found
}

// underLoad has one pod send requests to another until the test ends. The third result looks whether they are all served.
func underLoad(m *mesh, env ...string) (server, client *pod, well func(what string)) {
	m.t.Helper()
	server, client = m.newPod("server", "10.88.0.10"), m.newPod("client", "10.88.0.11")
	for _, p := range []*pod{server, client} {
		p.env = env
		p.inject()
	}
	server.serveHTTP(8080)
	server.ready()
	client.ready()
	m.eventually("requests are served", func() error {
		if got := client.get("10.96.0.10:80", "server"); !strings.HasPrefix(got, "200 ") {
			return errors.New(got)
		}
		return nil
	})
	m.load = startLoad(client, "10.96.0.10:80", "server")
	m.t.Cleanup(m.load.end)
	return server, client, func(what string) {
		m.t.Helper()
		before := m.load.soFar()
		m.eventually(what+": requests go on", func() error {
			if n := m.load.soFar(); n < before+50 {
				return fmt.Errorf("%d requests", n-before)
			}
			return nil
		})
		if failed := m.load.failures(); len(failed) > 0 {
			m.t.Errorf("%s: %d requests failed of %d: %s", what, len(failed), m.load.soFar(), strings.Join(failed[:min(5, len(failed))], "; "))
		}
	}
}

const both = "{name: http, port: 80, targetPort: 8080}"

func twoServices() string {
	return service("server", "10.96.0.10", "10.88.0.10", both) + service("client", "10.96.0.11", "10.88.0.11", both)
}

// TestRotation renews certificates that live for twenty seconds, while requests go on.
func TestRotation(t *testing.T) {
	m := newMesh(t, twoServices())
	m.apply("peers", strict)
	server, client, well := underLoad(m, "SECRET_TTL=20s")
	serverBefore, clientBefore := server.certificate(), client.certificate()
	m.eventually("both certificates are renewed", func() error {
		if server.certificate() == serverBefore || client.certificate() == clientBefore {
			return errors.New("not yet")
		}
		return nil
	})
	well("certificates are renewed")
}

// TestBadDays lets everything fail that can, while requests go on.
func TestBadDays(t *testing.T) {
	m := newMesh(t, twoServices())
	m.apply("peers", strict)
	server, client, well := underLoad(m)

	for i := range 20 {
		m.apply("rules", fmt.Sprintf(`apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: server, namespace: default}
spec:
  hosts: [server]
  http:
  - name: r%d
    match: [{headers: {x: {exact: "%d"}}}]
    route: [{destination: {host: server, port: {number: 80}}, weight: 100}]
    timeout: %ds
  - route: [{destination: {host: server, port: {number: 80}}}]
`, i, i, i+1))
		time.Sleep(100 * time.Millisecond)
	}
	well("the rules change")

	m.stopIstiod()
	time.Sleep(2 * time.Second)
	well("there is no istiod")

	server.agent.signal(syscall.SIGKILL)
	<-server.agent.ended
	for _, pid := range server.processes("pilot-agent proxy") {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	well("there is no agent")
	if len(server.processes("nginx: master")) != 1 {
		t.Error("APISIX did not outlive the agent")
	}
	master := server.processes("nginx: master")
	server.startAgent()
	server.ready()
	well("the agent is back")
	if now := server.processes("nginx: master"); len(now) != 1 || now[0] != master[0] {
		t.Errorf("the agent did not take APISIX over: %v was %v", now, master)
	}

	m.startIstiod()
	m.eventually("the agents are connected again", func() error {
		for _, p := range []*pod{server, client} {
			if st, err := p.status(); err != nil || st.XDS.State != "connected" && st.XDS.State != "subscribed" {
				return fmt.Errorf("%s: %w", st.XDS.State, errors.Join(err, errors.New("not connected")))
			}
		}
		return nil
	})
	well("istiod is back")

	for _, p := range []*pod{server, client} {
		for _, pid := range p.processes("nginx: worker") {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	// What a worker had begun is lost with it.
	m.eventually("workers are replaced", func() error {
		time.Sleep(100 * time.Millisecond)
		if failed := m.load.failures(); len(failed) > 0 {
			return errors.New(failed[0])
		}
		return nil
	})
	well("workers were killed")
}
