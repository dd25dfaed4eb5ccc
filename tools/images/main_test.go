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
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

const (
	epoch    = "1700000000"
	version  = "1.31-apisix.v0.1.0"
	revision = "0123456789abcdef0123456789abcdef01234567"
)

var (
	created = time.Unix(1700000000, 0).UTC()
	amd64   = v1.Platform{OS: "linux", Architecture: "amd64"}
	arm64   = v1.Platform{OS: "linux", Architecture: "arm64"}
)

// bin has pilot-discovery and pilot-agent: a small program with a dependency, built as `make build-linux` builds.
var bin string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "images-test-")
	if err == nil {
		err = buildPrograms(dir)
	}
	if err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func buildPrograms(dir string) error {
	files := map[string]string{
		"src/go.mod":     "module example.com/mesh\n\ngo 1.26\n\nrequire example.com/dep v1.2.3\n\nreplace example.com/dep => ./dep\n",
		"src/main.go":    "package main\n\nimport \"example.com/dep\"\n\nfunc main() { println(dep.Word) }\n",
		"src/dep/go.mod": "module example.com/dep\n\ngo 1.26\n",
		"src/dep/dep.go": "package dep\n\nvar Word = \"mesh\"\n",
	}
	if err := os.MkdirAll(filepath.Join(dir, "src/dep"), 0o755); err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	bin = filepath.Join(dir, "bin")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", filepath.Join(bin, "pilot-agent"), ".")
	build.Dir, build.Stderr = filepath.Join(dir, "src"), os.Stderr
	build.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0", "GOPROXY=off", "GOFLAGS=", "GOWORK=off")
	if err := build.Run(); err != nil {
		return err
	}
	return os.Link(filepath.Join(bin, "pilot-agent"), filepath.Join(bin, "pilot-discovery"))
}

// newBase is an image of docker's kind with one layer and the configuration of APISIX's.
func newBase(t *testing.T, platform v1.Platform, names ...string) v1.Image {
	t.Helper()
	var files []file
	for _, n := range append(names, "etc/os-release") {
		files = append(files, file{name: n, content: []byte("of the base\n"), mode: 0o644})
	}
	layer, err := newLayer(files, nil, created.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config.OS, config.Architecture = platform.OS, platform.Architecture
	config.Config = v1.Config{
		User: "apisix", Env: []string{"PATH=/usr/bin"}, Entrypoint: []string{"/docker-entrypoint.sh"}, Cmd: []string{"docker-start"},
		WorkingDir: "/usr/local/apisix", StopSignal: "SIGQUIT",
		Labels: map[string]string{"vendor": "base", ociPrefix + "base.name": "debian", ociPrefix + "version": "3.18.0"},
	}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		t.Fatal(err)
	}
	return image
}

// saveDocker writes an image as `docker save` does, and says its name for --base.
func saveDocker(t *testing.T, image v1.Image) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "docker.tar")
	if err := tarball.WriteToFile(name, nil, image); err != nil {
		t.Fatal(err)
	}
	return name
}

// saveLayout writes an OCI image layout with an index of images, as that of an image for several platforms.
func saveLayout(t *testing.T, images ...v1.Image) string {
	t.Helper()
	var all []mutate.IndexAddendum
	for _, i := range images {
		all = append(all, mutate.IndexAddendum{Add: i})
	}
	dir := t.TempDir()
	l, err := layout.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		return "oci:" + dir
	}
	if err := l.AppendIndex(mutate.AppendManifests(empty.Index, all...)); err != nil {
		t.Fatal(err)
	}
	return "oci:" + dir
}

// saveArchive writes an OCI archive.
func saveArchive(t *testing.T, images ...v1.Image) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "oci.tar")
	if err := pack(strings.TrimPrefix(saveLayout(t, images...), "oci:"), name, created); err != nil {
		t.Fatal(err)
	}
	return name
}

// newLua is a directory of Lua plugins, with files that Go would not embed.
func newLua(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"apisix/plugins/mesh-retry.lua": "return {}\n", "apisix/mesh/path.lua": "return {}\n",
		"apisix/mesh/.path.lua.swp": "", "apisix/_old/path.lua": "", "spec/path_spec.lua": "",
	} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// args are a command line; later flags take precedence over it.
func args(t *testing.T, out string, more ...string) []string {
	t.Helper()
	return append([]string{
		"--base=pilot=" + saveDocker(t, newBase(t, amd64)),
		"--base=proxyv2=" + saveArchive(t, newBase(t, amd64)),
		"--base=proxy_init=" + saveLayout(t, newBase(t, arm64), newBase(t, amd64, "usr/sbin/iptables-restore")),
		"--bin=" + bin, "--lua=" + newLua(t), "--out=" + out, "--version=" + version, "--revision=" + revision,
	}, more...)
}

// made runs the command and says what it printed.
func made(t *testing.T, args []string) string {
	t.Helper()
	var stdout bytes.Buffer
	if err := run(context.Background(), args, epoch, &stdout); err != nil {
		t.Fatal(err)
	}
	return stdout.String()
}

// TestTwice makes everything twice, from other places.
func TestTwice(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	if one, two := made(t, args(t, a)), made(t, args(t, b)); strings.ReplaceAll(one, a, b) != two {
		t.Errorf("printed:\n%s\nthen:\n%s", one, two)
	}
	var want []string
	for _, r := range recipes {
		want = append(want, r.name+".spdx.json", r.name+".tar")
	}
	entries, err := os.ReadDir(a)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(want) {
		t.Errorf("got %v, want %v", entries, want)
	}
	for _, name := range want {
		one, err := os.ReadFile(filepath.Join(a, name))
		if err != nil {
			t.Fatal(err)
		}
		two, err := os.ReadFile(filepath.Join(b, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(one, two) {
			t.Errorf("%s has other bytes the second time", name)
		}
	}
}

// TestErrors wants the flag of each mistake, and the remedy.
func TestErrors(t *testing.T) {
	tests := []struct {
		name  string
		args  []string
		epoch string
		want  []string
	}{
		{"no base", []string{"--bin=b", "--version=v", "--revision=r", "--base=pilot=x"}, epoch, []string{"image proxyv2", "--base proxyv2="}},
		{"a base of nothing", []string{"--base=envoy=x"}, epoch, []string{"-base", "NAME=BASE", "pilot, proxyv2, proxy_init"}},
		{"no bin", []string{"--version=v", "--revision=r"}, epoch, []string{"--bin", "make images"}},
		{"an unknown platform", []string{"--platform=windows/amd64"}, epoch, []string{"--platform=windows/amd64", "linux/amd64 or linux/arm64"}},
		{"an argument", []string{"pilot"}, epoch, []string{`"pilot"`}},
		{"no time", args(t, t.TempDir()), "", []string{"SOURCE_DATE_EPOCH", "git log"}},
		{"no such archive", args(t, t.TempDir(), "--base=pilot=gone.tar"), epoch, []string{"image pilot", "gone.tar", "--base pilot="}},
		{"no such layout", args(t, t.TempDir(), "--base=pilot=oci:gone"), epoch, []string{"image pilot", "oci:gone", "--base pilot="}},
		{"no reference", args(t, t.TempDir(), "--base=pilot=A b"), epoch, []string{"image pilot", "A b", "--base pilot="}},
		{
			"a base for another platform", args(t, t.TempDir(), "--base=proxyv2="+saveDocker(t, newBase(t, arm64))), epoch,
			[]string{"image proxyv2", "linux/arm64, not for linux/amd64", "--platform", "--base proxyv2="},
		},
		{
			"a layout for another platform", args(t, t.TempDir(), "--base=proxyv2="+saveLayout(t, newBase(t, arm64))), epoch,
			[]string{"image proxyv2", "linux/arm64, not for linux/amd64", "--base proxyv2="},
		},
		{"an empty layout", args(t, t.TempDir(), "--base=proxyv2="+saveLayout(t)), epoch, []string{"image proxyv2", "no image", "--base proxyv2="}},
		{
			"a base without iptables", args(t, t.TempDir(), "--base=proxy_init="+saveArchive(t, newBase(t, amd64, "etc/iptables-restore"))), epoch,
			[]string{"image proxy_init", "iptables-restore", "--base proxy_init="},
		},
		{
			"programs for another platform",
			args(t, t.TempDir(), "--platform=linux/arm64", "--base=pilot="+saveDocker(t, newBase(t, arm64))), epoch,
			[]string{"--bin", "pilot-discovery is for linux/amd64, not for linux/arm64", "make build-linux PLATFORM=linux/arm64"},
		},
		{"no programs", args(t, t.TempDir(), "--bin=gone"), epoch, []string{"gone/pilot-discovery", "--bin", "make build-linux"}},
		{"no plugins", args(t, t.TempDir(), "--lua=gone"), epoch, []string{"--lua", "gone/apisix"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := run(context.Background(), tt.args, tt.epoch, &bytes.Buffer{})
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q lacks %q", err, want)
				}
			}
		})
	}
}
