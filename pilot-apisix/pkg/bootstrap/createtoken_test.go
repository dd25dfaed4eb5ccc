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
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"istio.io/istio/pkg/test/util/assert"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/filemode"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/filemode/token"
)

func runCreateToken(args ...string) (string, error) {
	root, err := NewRootCommand()
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	root.SilenceErrors = true
	root.SetArgs(append([]string{"create-token"}, args...))
	err = root.Execute()
	return strings.TrimSpace(out.String()), err
}

// A token may be issued before the control plane has ever run, by name of its configuration directory alone.
func TestCreateToken(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	dir := newMesh(t)
	first, err := runCreateToken("bookinfo-reviews", "-n", "default", "--configDir", dir, "--duration", "10m",
		"--bound-object-kind", "Pod", "--bound-object-name", "reviews-v1")
	assert.NoError(t, err)

	p := startPlane(t, dir, "")
	review := p.instance.Mesh.ReviewToken(first, []string{token.DefaultAudience})
	assert.Equal(t, review.Error, "")
	assert.Equal(t, review.User.Username, "system:serviceaccount:default:bookinfo-reviews")
	assert.Equal(t, []string(review.User.Extra["authentication.kubernetes.io/pod-name"]), []string{"reviews-v1"})

	// The same mesh by other names.
	status := p.instance.Mesh.Status()
	for name, flags := range map[string][]string{
		"relative directory": {"--configDir", dir + "/workloads/.."},
		"state directory":    {"--stateDir", status.StateDir},
		"key file":           {"--serviceAccountKeyFile", filepath.Join(status.StateDir, "service-account.key")},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := runCreateToken(append([]string{"x"}, flags...)...)
			assert.NoError(t, err)
			if got := p.instance.Mesh.ReviewToken(text, nil); got.Error != "" {
				t.Error(got.Error)
			}
		})
	}
	text, err := runCreateToken("x", "--configDir", dir, "--audience", "vault")
	assert.NoError(t, err)
	if got := p.instance.Mesh.ReviewToken(text, nil); got.Authenticated {
		t.Error("a token for another audience is accepted")
	}
	text, err = runCreateToken("x", "--configDir", newMesh(t))
	assert.NoError(t, err)
	if got := p.instance.Mesh.ReviewToken(text, nil); got.Authenticated {
		t.Error("a token of another mesh is accepted")
	}

	for want, args := range map[string][]string{
		"which mesh":     {"x"},
		"accepts 1 arg":  {"--stateDir", status.StateDir},
		"service accoun": {"A", "--stateDir", status.StateDir},
		"go together":    {"x", "--stateDir", status.StateDir, "--bound-object-kind", "Pod"},
		"at least a":     {"x", "--stateDir", status.StateDir, "--duration", "-1s"},
	} {
		if _, err := runCreateToken(args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want an error with %q", args, err, want)
		}
	}
}

// Two control planes must not share a CA that each of them would change.
func TestStateDirIsForOne(t *testing.T) {
	stateDir := t.TempDir()
	startPlane(t, newMesh(t), stateDir)
	_, err := filemode.Open(filemode.Options{ConfigDir: newMesh(t), StateDir: stateDir})
	if err == nil || !strings.Contains(err.Error(), "in use by another control plane") {
		t.Errorf("got %v", err)
	}
}
