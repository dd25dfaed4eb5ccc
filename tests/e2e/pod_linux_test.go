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
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/instance"
)

// proxyUser is whom Istio's rules know the proxy by.
const proxyUser = 1337

// pod is a network namespace with, mostly, a sidecar.
type pod struct {
	m             *mesh
	t             testing.TB
	name, address string
	// six is the address of IPv6, mostly empty.
	six     string
	labels  map[string]string
	account string
	netns   string
	fd      int
	dir     string
	agent   *process
	// app is the number of the process of serveFast.
	app int
	env []string
	// rules are the arguments of Istio's init container that depend on the pod.
	rules []string
	// role is what the agent runs: a sidecar, or a router.
	role string
}

// newPod makes a pod of the service account that it is called like.
func (m *mesh) newPod(name, address string) *pod {
	m.t.Helper()
	p := &pod{
		m: m, t: m.t, name: name, address: address, labels: map[string]string{"app": name}, account: name, role: "sidecar",
		netns: fmt.Sprintf("e2e-%d-%s", os.Getpid(), name), dir: filepath.Join(m.dir, name),
		rules: []string{"-i", "*", "-x", "", "-b", "*", "-d", "15090,15021,15020"},
	}
	run(m.t, "ip", "netns", "add", p.netns)
	m.t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", p.netns).Run() })
	var err error
	if p.fd, err = unix.Open("/var/run/netns/"+p.netns, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = unix.Close(p.fd) })
	link := "v" + strings.ReplaceAll(address, ".", "")
	run(m.t, "ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", p.netns)
	// The kernel takes its time to remove it with the namespace, and the next test wants one of the name.
	m.t.Cleanup(func() { _ = exec.Command("ip", "link", "del", link).Run() })
	run(m.t, "ip", "link", "set", link, "master", m.bridge, "up")
	for _, args := range [][]string{
		{"addr", "add", address + "/24", "dev", "eth0"},
		{"link", "set", "eth0", "up"},
		{"link", "set", "lo", "up"},
		{"route", "add", "default", "via", hubAddress},
	} {
		run(m.t, append([]string{"ip", "-n", p.netns}, args...)...)
	}
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Chown(p.dir, proxyUser, proxyUser); err != nil {
		m.t.Fatal(err)
	}
	m.pods[name] = p
	return p
}

// addIPv6 gives the pod an address of the other family, too.
func (p *pod) addIPv6(address string) *pod {
	p.t.Helper()
	run(p.t, "ip", "-n", p.netns, "addr", "add", address+"/64", "dev", "eth0", "nodad")
	run(p.t, "ip", "-n", p.netns, "route", "add", "default", "via", hubAddressIPv6)
	p.six = address
	p.rules = append(p.rules, "--dual-stack")
	p.env = append(p.env, "ISTIO_DUAL_STACK=true")
	return p
}

// inject gives the pod a sidecar: Istio's rules, then the agent with what injection would tell it.
func (p *pod) inject() *pod {
	p.t.Helper()
	p.capture(p.rules...)
	return p.run()
}

// gateway gives the pod an agent that is a gateway, without rules.
func (p *pod) gateway() *pod {
	p.t.Helper()
	p.role = "router"
	p.labels["istio"] = p.name
	return p.run()
}

// run starts the agent with what it needs.
func (p *pod) run() *pod {
	p.t.Helper()
	if p.m.istiod != nil {
		p.write("token", []byte(run(p.t, filepath.Join(p.m.bin, "pilot-discovery"), "create-token", p.account, "--namespace="+namespace,
			"--stateDir="+filepath.Join(p.m.dir, "state"))))
		root, err := os.ReadFile(filepath.Join(p.m.dir, "state/root-cert.pem"))
		if err != nil {
			p.t.Fatal(err)
		}
		p.write("root-cert.pem", root)
	}
	p.startAgent()
	p.t.Cleanup(func() {
		if log, _ := os.ReadFile(p.apisixLog()); bytes.Contains(log, []byte("exited on signal 11")) {
			p.t.Errorf("%s: a worker of APISIX crashed", p.name)
		}
		if p.t.Failed() {
			p.t.Logf("%s:\n%s%s", p.name, lastLines(p.log(), 20), lastLines(p.apisixLog(), 20))
		}
		p.kill()
	})
	return p
}

// capture runs Istio's init container.
func (p *pod) capture(args ...string) {
	p.t.Helper()
	run(p.t, append([]string{
		"ip", "netns", "exec", p.netns, filepath.Join(p.m.bin, "pilot-agent"), "istio-iptables", "-p", "15001", "-z", "15006", "-u", "1337", "-m", "REDIRECT",
	}, args...)...)
}

func (p *pod) write(name string, content []byte) {
	p.t.Helper()
	file := filepath.Join(p.dir, name)
	if err := os.WriteFile(file, content, 0o600); err != nil {
		p.t.Fatal(err)
	}
	if err := os.Chown(file, proxyUser, proxyUser); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pod) startAgent() {
	p.t.Helper()
	apisix, err := instance.Find()
	if err != nil {
		p.t.Fatal(err)
	}
	labels, err := json.Marshal(p.labels)
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.Command("ip", "netns", "exec", p.netns, "setpriv", "--reuid=1337", "--regid=1337", "--clear-groups",
		filepath.Join(p.m.bin, "pilot-agent"), "proxy", p.role,
		"--apisixHome="+apisix.Home, "--proxyDir="+p.dir, "--dataDir="+filepath.Join(p.dir, "data"), "--tokenPath="+filepath.Join(p.dir, "token"))
	cmd.Dir = p.dir
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + p.dir, "POD_NAME=" + p.name, "POD_NAMESPACE=" + namespace, "INSTANCE_IP=" + p.address, "SERVICE_ACCOUNT=" + p.account,
		"ISTIO_METAJSON_LABELS=" + string(labels), "ISTIOD_SAN=istiod.istio-system.svc", "XDS_ROOT_CA=" + filepath.Join(p.dir, "root-cert.pem"),
		"CA_ROOT_CA=" + filepath.Join(p.dir, "root-cert.pem"),
		`PROXY_CONFIG={"discoveryAddress":"` + hubAddress + `:15012","concurrency":1,"terminationDrainDuration":"1s"}`,
	}, p.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.agent = spawn(p.t, p.log(), cmd)
}

// log is the agent's, which does not fill the pod's disk.
func (p *pod) log() string { return filepath.Join(p.m.dir, p.name+".log") }

func (p *pod) apisixLog() string { return filepath.Join(p.dir, "apisix/logs/error.log") }

// kill ends all that runs in the pod: the agent first, so that it starts nothing any more.
func (p *pod) kill() {
	if p.agent != nil {
		p.agent.signal(syscall.SIGKILL)
		<-p.agent.ended
	}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		out, err := exec.Command("ip", "netns", "pids", p.netns).Output()
		pids := strings.Fields(string(out))
		if err == nil && len(pids) == 0 {
			return
		}
		for _, text := range pids {
			if pid, err := strconv.Atoi(text); err == nil {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
	p.t.Errorf("%s: processes are left", p.name)
}

// ready waits until the pod is, as a kubelet sees it.
func (p *pod) ready() *pod {
	p.t.Helper()
	p.m.eventually(p.name+" is ready", func() error { return ok("http://" + p.address + ":15021/healthz/ready") })
	return p
}

// inside runs f on a thread in the pod's namespace.
func (p *pod) inside(f func() error) error {
	runtime.LockOSThread()
	own, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer unix.Close(own)
	if err := unix.Setns(p.fd, unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return err
	}
	err = f()
	if back := unix.Setns(own, unix.CLONE_NEWNET); back != nil {
		// Nobody may use this thread again. It ends with the goroutine.
		return errors.Join(err, back)
	}
	runtime.UnlockOSThread()
	return err
}

// dial connects as the pod's application.
func (p *pod) dial(ctx context.Context, address string) (net.Conn, error) {
	var c net.Conn
	err := p.inside(func() (err error) {
		c, err = new(net.Dialer).DialContext(ctx, "tcp", address)
		return err
	})
	return c, err
}

// listen listens as the pod's application.
func (p *pod) listen(port int) net.Listener {
	p.t.Helper()
	var l net.Listener
	err := p.inside(func() (err error) {
		address := p.address
		if p.six != "" {
			address = ""
		}
		l, err = net.Listen("tcp", fmt.Sprintf("%s:%d", address, port))
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = l.Close() })
	return l
}

// client sends requests as the pod's application, whatever the host is, to one address.
func (p *pod) client(address string) *http.Client {
	t := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return p.dial(ctx, address) },
		Protocols:   new(http.Protocols),
	}
	t.Protocols.SetHTTP1(true)
	p.t.Cleanup(t.CloseIdleConnections)
	return &http.Client{Transport: t, Timeout: 20 * time.Second}
}
