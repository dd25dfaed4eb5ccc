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

package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"

	"istio.io/istio/pkg/test/util/assert"
	"istio.io/istio/pkg/test/util/retry"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/standin"
)

const (
	// maxMegabytes is the resident memory that a sidecar's agent may have with a thousand services, at rest.
	maxMegabytes = 25
)

// services are n routes and n upstreams of ten endpoints, about 1 kB of JSON a service.
func services(n int) []*discovery.Resource {
	out := make([]*discovery.Resource, 0, 2*n)
	for i := range n {
		id := fmt.Sprintf("service-%d.namespace-%d", i, i%20)
		var nodes []string
		for j := range 10 {
			nodes = append(nodes, fmt.Sprintf(`{"host":"10.%d.%d.%d","port":8080,"weight":1}`, i%250, i/250, j+1))
		}
		out = append(out,
			standin.Resource("upstreams", id, fmt.Sprintf(`{"id":%q,"nodes":[%s],"type":"roundrobin"}`, id, strings.Join(nodes, ","))),
			standin.Resource("routes", id, fmt.Sprintf(`{"hosts":["%[1]s.svc.cluster.local","%[1]s.svc","%[1]s"],"id":%[1]q,`+
				`"upstream_id":%[1]q,"uri":"/*","vars":[["original_dst_port","==","80"]]}`, id)))
	}
	return out
}

// TestMemory builds the command as it ships and looks at its memory with a thousand services, after a restart from disk
// and a few changes.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the command")
	}
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skipf("memory is read from /proc: %v", err)
	}
	binary := filepath.Join(t.TempDir(), "pilot-agent")
	// Without cgo, as the images have it (tools/images): a C library would be 1 MB. Other flags would compile Istio yet again.
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	mesh := standin.NewMesh(services(1000)...)
	istiod := standin.Start(t, mesh.Serve)
	dir := t.TempDir()
	for round, name := range []string{"received", "loaded from disk"} {
		readiness := "127.0.0.1:" + freePort(t)
		agent := exec.Command(binary, "proxy", "sidecar", "--plaintext", "--gatewayAddress=127.0.0.1:0", "--readinessAddress="+readiness,
			"--statusAddress=127.0.0.1:0", "--adminAddress=127.0.0.1:0", "--dataDir="+filepath.Join(dir, "data"))
		agent.Dir = dir
		agent.Env = append(os.Environ(), "POD_NAME=a", "POD_NAMESPACE=b", "INSTANCE_IP=127.0.0.1", "PROXY_CONFIG=discoveryAddress: "+istiod.Address)
		assert.NoError(t, agent.Start())
		t.Cleanup(func() { _ = agent.Process.Kill() })
		retry.UntilSuccessOrFail(t, func() error {
			response, err := http.Get("http://" + readiness + "/healthz/ready")
			if err != nil {
				return err
			}
			defer response.Body.Close()
			if response.StatusCode != http.StatusOK {
				return fmt.Errorf("status %d", response.StatusCode)
			}
			return nil
		}, retry.Timeout(30*time.Second))
		answers := len(mesh.AwaitAnswers(t, 1+round*11))
		for i := range 10 {
			id := fmt.Sprintf("service-%d.namespace-%d", i, i%20)
			mesh.Set(standin.Resource("upstreams", id, fmt.Sprintf(`{"desc":"%d","id":%q,"nodes":[],"type":"roundrobin"}`, round, id)))
			mesh.AwaitAnswers(t, answers+i+1)
		}
		// It gives memory back a while after a large push.
		var megabytes, anonymous float64
		for range 20 {
			if megabytes, anonymous = memory(t, agent.Process.Pid); megabytes <= maxMegabytes {
				break
			}
			time.Sleep(500 * time.Millisecond)
		}
		t.Logf("1,000 services, %s: %.1f MB, of which %.1f MB are the agent's own", name, megabytes, anonymous)
		if megabytes > maxMegabytes {
			t.Errorf("%.1f MB are more than %d", megabytes, maxMegabytes)
		}
		assert.NoError(t, agent.Process.Signal(syscall.SIGTERM))
		assert.NoError(t, agent.Wait())
	}
}

// memory is the resident memory of a process, and the part of it that no other process shares.
func memory(t *testing.T, pid int) (megabytes, anonymous float64) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	assert.NoError(t, err)
	field := func(name string) float64 {
		m := regexp.MustCompile(name + `:\s+(\d+) kB`).FindSubmatch(b)
		if m == nil {
			t.Fatalf("no %s in %s", name, b)
		}
		kB, err := strconv.Atoi(string(m[1]))
		assert.NoError(t, err)
		return float64(kB) / 1024
	}
	return field("VmRSS"), field("RssAnon")
}

func freePort(t *testing.T) string {
	t.Helper()
	istiod := standin.Start(t, nil)
	istiod.Stop()
	_, port, _ := strings.Cut(istiod.Address, ":")
	return port
}
