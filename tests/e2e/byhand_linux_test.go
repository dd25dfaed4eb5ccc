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
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/instance"
)

// serveFast answers requests with an nginx, so that the application is not what is measured.
func (p *pod) serveFast(port int) {
	p.t.Helper()
	installation, err := instance.Find()
	if err != nil {
		p.t.Fatal(err)
	}
	dir := filepath.Join(p.m.dir, p.name+"-app")
	if err := os.MkdirAll(filepath.Join(dir, "logs"), 0o777); err != nil {
		p.t.Fatal(err)
	}
	config := fmt.Sprintf(`worker_processes 1;
error_log logs/error.log;
pid logs/nginx.pid;
events { worker_connections 4096; }
http {
    access_log off;
    keepalive_requests 100000000;
    server { listen %s:%d; return 200 "hello\n"; }
}
`, p.address, port)
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(config), 0o644); err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.Command("ip", "netns", "exec", p.netns, installation.OpenResty, "-p", dir, "-c", filepath.Join(dir, "nginx.conf"), "-g", "daemon off;")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	app := spawn(p.t, filepath.Join(dir, "out"), cmd)
	p.app = app.cmd.Process.Pid
	p.t.Cleanup(func() {
		app.signal(syscall.SIGTERM)
		<-app.ended
	})
}

// byHandConfig is a small APISIX that reads its resources from a file; like the sidecars' it has one worker and no access log.
const byHandConfig = `apisix:
  node_listen: [9080]
  enable_admin: false
  enable_control: false
  router: {http: radixtree_host_uri}
  ssl: {enable: true, listen: [{port: 9443}]}
deployment: {role: data_plane, role_data_plane: {config_provider: yaml}}
nginx_config: {worker_processes: 1, error_log_level: warn, user: root, http: {enable_access_log: false}}
plugins: [traffic-split]
`

type object = map[string]any

// runAPISIX runs one with these resources, in the pod, for as long as the test.
func (p *pod) runAPISIX(resources object) {
	p.t.Helper()
	installation, err := instance.Find()
	if err != nil {
		p.t.Fatal(err)
	}
	text, err := json.Marshal(resources)
	if err != nil {
		p.t.Fatal(err)
	}
	dir := filepath.Join(p.m.dir, p.name+"-apisix")
	if err := os.MkdirAll(filepath.Join(dir, "conf"), 0o755); err != nil {
		p.t.Fatal(err)
	}
	// JSON is YAML.
	if err := os.WriteFile(filepath.Join(dir, "conf/apisix.yaml"), append(text, "\n#END\n"...), 0o644); err != nil {
		p.t.Fatal(err)
	}
	var apisix *instance.Instance
	if err := p.inside(func() (err error) {
		apisix, err = installation.Start(context.Background(), dir, []byte(byHandConfig), os.Stderr)
		return err
	}); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = apisix.Stop() })
}

// inFront is what the APISIX in front of the application has: all requests go to it.
func inFront(t testing.TB, ca *authority) object {
	chain, key := ca.issuePEM(t, time.Now().Add(-time.Minute), time.Hour, "spiffe://cluster.local/ns/default/sa/server,secured")
	return object{
		"routes": []object{{"id": "1", "uri": "/*", "upstream": object{"type": "roundrobin", "nodes": []object{{"host": "10.88.0.20", "port": 8080, "weight": 1}}}}},
		"ssls":   []object{{"id": "1", "snis": []string{"secured"}, "cert": string(chain), "key": string(key), "client": object{"ca": string(ca.root), "depth": 5}}},
	}
}

// forward is what the APISIX beside the client has: a route over plain text, and one over mutual TLS.
func forward(t testing.TB, ca *authority) object {
	chain, key := ca.issuePEM(t, time.Now().Add(-time.Minute), time.Hour, "spiffe://cluster.local/ns/default/sa/client")
	return object{"routes": []object{
		{"id": "1", "uri": "/*", "hosts": []string{"plain"}, "upstream": object{
			"type": "roundrobin", "nodes": []object{{"host": "10.88.0.20", "port": 9080, "weight": 1}},
		}},
		{"id": "2", "uri": "/*", "hosts": []string{"secured"}, "upstream": object{
			"type": "roundrobin", "scheme": "https", "nodes": []object{{"host": "10.88.0.20", "port": 9443, "weight": 1}},
			"tls": object{"client_cert": string(chain), "client_key": string(key)},
		}},
	}}
}
