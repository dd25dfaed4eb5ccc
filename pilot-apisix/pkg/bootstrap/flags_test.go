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

package bootstrap

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"istio.io/istio/pilot/cmd/pilot-discovery/app"
	"istio.io/istio/pkg/test/util/assert"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/filemode/apiserver"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/filemode/configdir"
)

func discoveryCommand(t *testing.T, root *cobra.Command) *cobra.Command {
	t.Helper()
	c, _, err := root.Find([]string{"discovery"})
	assert.NoError(t, err)
	return c
}

// allFlags are the flags that a command understands.
func allFlags(c *cobra.Command) []*pflag.Flag {
	var out []*pflag.Flag
	add := func(f *pflag.Flag) { out = append(out, f) }
	c.LocalFlags().VisitAll(add)
	c.InheritedFlags().VisitAll(add)
	return out
}

// A flag that upstream gains must be read back, or it would be accepted and do nothing.
func TestEveryUpstreamFlagIsMapped(t *testing.T) {
	upstream := map[string]bool{}
	for _, f := range allFlags(discoveryCommand(t, app.NewRootCommand())) {
		upstream[f.Name] = true
		_, mapped := discoveryFlags[f.Name]
		logging := slices.Contains(loggingFlags, f.Name)
		if mapped == logging && f.Name != "help" {
			t.Errorf("upstream's flag --%s is mapped: %v, a logging flag: %v; add it to discoveryFlags or to loggingFlags", f.Name, mapped, logging)
		}
	}
	for name := range discoveryFlags {
		if !upstream[name] {
			t.Errorf("upstream has no flag --%s any more", name)
		}
	}
	for _, name := range loggingFlags {
		if !upstream[name] {
			t.Errorf("upstream has no flag --%s any more", name)
		}
	}
}

func TestOwnFlagsDoNotCollide(t *testing.T) {
	root, err := NewRootCommand()
	assert.NoError(t, err)
	upstream := app.NewRootCommand()
	for _, name := range []string{stateDirFlag, keyFileFlag} {
		for _, f := range allFlags(discoveryCommand(t, upstream)) {
			if f.Name == name {
				t.Errorf("upstream has a flag --%s now", name)
			}
		}
		if discoveryCommand(t, root).PersistentFlags().Lookup(name) == nil {
			t.Errorf("flag --%s is missing", name)
		}
	}
	for _, c := range upstream.Commands() {
		if c.Name() == "create-token" {
			t.Error("upstream has a command create-token now")
		}
		if found, _, err := root.Find([]string{c.Name()}); err != nil || found == root {
			t.Errorf("upstream's command %s is missing", c.Name())
		}
	}
}

// The arguments must be what upstream's own parsing makes of the same command line. Upstream logs them; so upstream's
// command is run, as it is, until just after that, where a CA bundle with a missing part stops it.
func TestPilotArgsAreUpstreams(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		assert.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	// Upstream waits for the cluster's namespaces on its way.
	cluster, err := apiserver.Start(apiserver.NewStore(configdir.Resources(), nil), apiserver.Hooks{})
	assert.NoError(t, err)
	t.Cleanup(func() { _ = cluster.Close() })
	kubeconfig := filepath.Join(dir, "kubeconfig")
	assert.NoError(t, clientcmd.WriteToFile(cluster.Kubeconfig(), kubeconfig))
	needed := map[string]string{
		"kubeconfig":     kubeconfig,
		"meshConfig":     file("mesh.yaml", "trustDomain: example.com\n"),
		"networksConfig": file("networks.yaml", "networks: {}\n"),
		"httpAddr":       "127.0.0.1:0",
	}
	special := map[string]string{
		"registries":        "Mock,Kubernetes",
		"clusterAliases":    "one=1,two=2",
		"tls-cipher-suites": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
		"tls-min-version":   "1.3",
		"configDir":         dir,
	}
	byType := map[string]string{
		"string": "x-", "bool": "", "int": "77", "uint16": "78", "float32": "7.5", "duration": "79m",
	}
	everything := map[string]string{}
	for _, f := range allFlags(discoveryCommand(t, app.NewRootCommand())) {
		if discoveryFlags[f.Name] == nil {
			continue
		}
		value, ok := special[f.Name]
		if !ok {
			value, ok = needed[f.Name]
		}
		if !ok {
			if value, ok = byType[f.Value.Type()]; !ok {
				t.Fatalf("flag --%s has type %s: say in this test what to give it", f.Name, f.Value.Type())
			}
			switch f.Value.Type() {
			case "string":
				value += f.Name
			case "bool":
				value = map[string]string{"true": "false", "false": "true"}[f.DefValue]
			}
		}
		if value == f.DefValue {
			t.Fatalf("flag --%s has %q by default: give it something else in this test", f.Name, value)
		}
		everything[f.Name] = value
	}

	for name, flags := range map[string]map[string]string{"every flag": everything, "defaults": needed} {
		t.Run(name, func(t *testing.T) {
			var line []string
			for flag, value := range flags {
				line = append(line, "--"+flag+"="+value)
			}
			want := upstreamArgs(t, line)

			c := discoveryCommand(t, app.NewRootCommand())
			assert.NoError(t, c.ParseFlags(line))
			args, err := PilotArgs(c.Flags())
			assert.NoError(t, err)
			text, err := yaml.Marshal(args)
			assert.NoError(t, err)
			if diff := cmp.Diff(decode(t, text), want); diff != "" {
				t.Errorf("(-ours +upstream's)\n%s", diff)
			}
		})
	}
}

// logLine is how each log message starts.
var logLine = regexp.MustCompile(`(?m)^\d{4}-\d{2}-\d{2}T[^\n]*`)

// upstreamArgs runs upstream's command and gives the arguments that it logs.
func upstreamArgs(t *testing.T, flags []string) map[string]any {
	t.Helper()
	dir := t.TempDir()
	// Upstream refuses a signing bundle with a missing part when it makes its CA, which comes after it logs its arguments.
	assert.NoError(t, os.WriteFile(filepath.Join(dir, "root-cert.pem"), []byte("x"), 0o600))
	target := filepath.Join(dir, "log")
	args, err := json.Marshal(append([]string{"discovery", "--log_target=" + target}, flags...))
	assert.NoError(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), upstreamEnv+"="+string(args), "ROOT_CA_DIR="+dir)
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "incomplete signing CA bundle") {
		t.Fatalf("upstream's command should have ended at its CA, and said %v:\n%s", err, out)
	}
	text, err := os.ReadFile(target)
	assert.NoError(t, err)
	const marker = "\tflags: "
	_, after, found := strings.Cut(string(text), marker)
	if !found {
		t.Fatalf("upstream does not log its arguments any more:\n%s", text)
	}
	if next := logLine.FindStringIndex(after); next != nil {
		after = after[:next[0]]
	}
	return decode(t, []byte(after))
}

func decode(t *testing.T, text []byte) map[string]any {
	t.Helper()
	out := map[string]any{}
	assert.NoError(t, yaml.Unmarshal(text, &out))
	if len(out) == 0 {
		t.Fatalf("no arguments in %q", text)
	}
	return out
}
