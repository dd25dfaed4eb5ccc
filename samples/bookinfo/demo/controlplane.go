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
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// controlAddress is where the control plane listens, on Istio's ports.
const controlAddress = "127.0.1.100"

// controlPlane is pilot-discovery in file mode.
type controlPlane struct {
	d     *demo
	state string
	proc  *process
}

func newControlPlane(d *demo) *controlPlane {
	return &controlPlane{d: d, state: filepath.Join(d.dir, "state")}
}

func (c *controlPlane) addr(port string) string { return net.JoinHostPort(controlAddress, port) }
func (c *controlPlane) debugURL() string        { return "http://" + c.addr("8080") }
func (c *controlPlane) rootCert() string        { return filepath.Join(c.state, "root-cert.pem") }

// listens are the addresses that it will have.
func (c *controlPlane) listens() []string {
	return []string{c.addr("8080"), c.addr("15010"), c.addr("15012"), c.addr("15014")}
}

// start runs it and waits until it is ready.
func (c *controlPlane) start(ctx context.Context) error {
	var err error
	c.proc, err = c.d.procs.start(command{
		name: "pilot-discovery",
		argv: []string{
			filepath.Join(c.d.bin, "pilot-discovery"), "discovery",
			"--registries=", "--configDir=" + c.d.mesh.dir, "--stateDir=" + c.state,
			"--httpAddr=" + c.addr("8080"), "--httpsAddr=", "--grpcAddr=" + c.addr("15010"),
			"--secureGRPCAddr=" + c.addr("15012"), "--monitoringAddr=" + c.addr("15014"),
			"--ctrlz_port=0",
		},
		dir: c.d.dir, logs: c.d.logs,
	})
	if err != nil {
		return err
	}
	return c.d.await(ctx, "the control plane is ready", func(ctx context.Context) error {
		return getOK(ctx, c.debugURL()+"/ready")
	})
}

// token is what a workload proves its identity with.
func (c *controlPlane) token(ctx context.Context, w workload) (file string, err error) {
	cmd := exec.CommandContext(ctx, filepath.Join(c.d.bin, "pilot-discovery"),
		"create-token", w.account, "--namespace="+namespace, "--stateDir="+c.state)
	var why strings.Builder
	cmd.Stderr = &why
	text, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("pilot-discovery create-token %s: %w: %s", w.account, err, why.String())
	}
	file = filepath.Join(c.d.dir, w.name, "token")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return "", err
	}
	return file, os.WriteFile(file, text, 0o600)
}

// diagnostic is what a proxy does otherwise than Envoy would.
type diagnostic struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// diagnostics are those of one workload's proxy.
func (c *controlPlane) diagnostics(ctx context.Context, w workload) ([]diagnostic, error) {
	var page struct {
		Diagnostics []diagnostic `json:"diagnostics"`
	}
	err := getJSON(ctx, c.debugURL()+"/debug/apisixz?proxyID="+w.name+"."+namespace, &page)
	return page.Diagnostics, err
}
