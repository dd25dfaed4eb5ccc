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
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"istio.io/istio/pkg/test/util/assert"
	"istio.io/istio/pkg/test/util/retry"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/standin"
)

// upstream is the source of Istio's pilot-agent, read and not linked: it would make this test 100 MB.
func upstream(t *testing.T, file string) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "istio.io/istio").Output()
	if err != nil {
		t.Skipf("the go command does not tell where Istio's module is: %v", err)
	}
	b, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), "pilot/cmd/pilot-agent", file))
	assert.NoError(t, err)
	return string(b)
}

// TestUpstreamFlags fails when upstream has a flag that this command does not take.
func TestUpstreamFlags(t *testing.T) {
	proxy, _, err := newRootCommand().Find([]string{"proxy"})
	assert.NoError(t, err)
	flags := regexp.MustCompile(`proxyCmd\.PersistentFlags\(\)\.\w+\(&[\w.]+, "(\w+)"`).FindAllStringSubmatch(upstream(t, "app/cmd.go"), -1)
	if len(flags) < 10 {
		t.Fatalf("only %d flags were found in upstream's source: look at how it declares them", len(flags))
	}
	for _, f := range flags {
		if proxy.PersistentFlags().Lookup(f[1]) == nil {
			t.Errorf("upstream's flag --%s is not known", f[1])
		}
	}
	for _, name := range []string{"request", "wait", "version", "istio-iptables"} {
		if c, _, err := newRootCommand().Find([]string{name}); err != nil || c.Name() != name {
			t.Errorf("no command %s", name)
		}
	}
}

// envoysEnvironment are upstream's variables that have no meaning here, and why.
var envoysEnvironment = map[string]string{
	"XDS_AUTH_PROVIDER":                "upstream registers it and uses it nowhere but in its own tests",
	"WORKLOAD_IDENTITY_SOCKET_FILE":    "SPIRE's socket is not used; its files are",
	"ISTIO_META_ENABLE_SELF_DISCOVERY": "Envoy's bootstrap",
	"PROXY_CONFIG_XDS_AGENT":           "ProxyConfig over xDS",
	"WASM_INSECURE_REGISTRIES":         "Wasm",
	"WASM_MODULE_EXPIRY":               "Wasm",
	"WASM_PURGE_INTERVAL":              "Wasm",
	"WASM_HTTP_REQUEST_TIMEOUT":        "Wasm",
	"WASM_HTTP_REQUEST_MAX_RETRIES":    "Wasm",
	"PEER_METADATA_DISCOVERY":          "Envoy's extension",
	"ENVOY_PROMETHEUS_PORT":            "Envoy's port",
	"ENVOY_SECURE_METRICS_PORT":        "Envoy's port",
	"ENVOY_SECURE_MERGED_METRICS_PORT": "Envoy's port",
	"GRPC_XDS_BOOTSTRAP":               "proxyless gRPC",
	"DISABLE_ENVOY":                    "there is no Envoy",
	"ENVOY_SKIP_DEPRECATED_LOGS":       "Envoy's log",
}

// TestUpstreamEnvironment fails when upstream reads a variable that this agent neither reads nor leaves out on purpose.
func TestUpstreamEnvironment(t *testing.T) {
	ours, err := os.ReadFile("../../pkg/agent/config/env.go")
	assert.NoError(t, err)
	variables := regexp.MustCompile(`env\.Register\(("?)([\w.]+)`).FindAllStringSubmatch(upstream(t, "options/options.go"), -1)
	if len(variables) < 40 {
		t.Fatalf("only %d variables were found in upstream's source: look at how it declares them", len(variables))
	}
	for _, v := range variables {
		if name := v[2]; envoysEnvironment[name] == "" && !bytes.Contains(ours, []byte(`env.Register(`+v[1]+name+v[1])) {
			t.Errorf("upstream's variable %s is not read", name)
		}
	}
}

func TestRequest(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bad" {
			http.Error(w, "why", http.StatusTeapot)
			return
		}
		_, _ = w.Write([]byte(r.Method + " " + r.URL.Path))
	}))
	defer server.Close()
	var out bytes.Buffer
	assert.NoError(t, doRequest(&out, http.MethodPost, server.URL+"/x", "body"))
	assert.Equal(t, out.String(), "POST /x\n")
	if err := doRequest(&out, http.MethodGet, server.URL+"/bad", ""); err == nil || !strings.Contains(err.Error(), "why") {
		t.Errorf("error %v", err)
	}
	root := newRootCommand()
	root.SetArgs([]string{"request", "GET", "/", "--debug-port", "22"})
	if err := root.Execute(); err == nil || !strings.Contains(err.Error(), "22") {
		t.Errorf("any port may be asked: %v", err)
	}
}

func TestWait(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) < 3 {
			http.Error(w, "no configuration yet", http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	w := waiter{url: server.URL, timeoutSeconds: 30, requestTimeoutMillis: 10_000, periodMillis: 1}
	assert.NoError(t, w.wait(context.Background()))
	assert.Equal(t, asked.Load(), int32(3))

	asked.Store(-1 << 30)
	w.timeoutSeconds = 0
	err := w.wait(context.Background())
	if err == nil || !strings.Contains(err.Error(), "no configuration yet") {
		t.Errorf("error %v does not say why", err)
	}
}

// TestProxyEndsOnSIGTERM runs the command in this process with the flags of Istio's injection template.
func TestProxyEndsOnSIGTERM(t *testing.T) {
	mesh := standin.NewMesh(standin.Resource("upstreams", "u", `{"id":"u"}`))
	istiod := standin.Start(t, mesh.Serve)
	t.Chdir(t.TempDir())
	for k, v := range map[string]string{
		"POD_NAME": "a", "POD_NAMESPACE": "b", "INSTANCE_IP": "127.0.0.1", "PROXY_CONFIG": "discoveryAddress: " + istiod.Address,
	} {
		t.Setenv(k, v)
	}
	data := t.TempDir()
	root := newRootCommand()
	root.SetArgs([]string{
		"proxy", "sidecar", "--domain", "b.svc.cluster.local", "--proxyLogLevel=warning", "--proxyComponentLogLevel=misc:error",
		"--log_output_level=default:info", "--a-flag-of-another-version=x",
		"--plaintext", "--gatewayAddress=127.0.0.1:0", "--readinessAddress=127.0.0.1:0", "--statusAddress=127.0.0.1:0",
		"--adminAddress=127.0.0.1:0", "--dataDir=" + data,
	})
	done := make(chan error, 1)
	go func() { done <- root.Execute() }()
	mesh.AwaitAnswers(t, 1)
	assert.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGTERM))
	select {
	case err := <-done:
		assert.NoError(t, err)
	case <-time.After(30 * time.Second):
		t.Fatal("the agent does not end")
	}
	// What was received is on disk.
	retry.UntilSuccessOrFail(t, func() error {
		_, err := os.Stat(filepath.Join(data, "resources"))
		return err
	}, retry.Timeout(time.Second))
}

func TestMistakesEndTheCommand(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("POD_NAMESPACE", "")
	root := newRootCommand()
	root.SetArgs([]string{"proxy"})
	if err := root.Execute(); err == nil || !strings.Contains(err.Error(), "POD_NAMESPACE") {
		t.Errorf("error %v does not name POD_NAMESPACE", err)
	}
}
