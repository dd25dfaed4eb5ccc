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
	"archive/tar"
	"context"
	"errors"
	"io"
	"log"
	"maps"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// read opens an archive as any tool would, and checks every digest in it.
func read(t *testing.T, dir, name string) (v1.Image, v1.Descriptor) {
	t.Helper()
	unpacked := t.TempDir()
	if err := unpack(filepath.Join(dir, name+".tar"), unpacked); err != nil {
		t.Fatal(err)
	}
	index, err := layout.ImageIndexFromPath(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(manifest.Manifests) != 1 {
		t.Fatalf("got %d images, want one", len(manifest.Manifests))
	}
	image, err := index.Image(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	return image, manifest.Manifests[0]
}

// topLayer is what the last layer has, as its tar says it.
func topLayer(t *testing.T, image v1.Image) (headers map[string]*tar.Header, order []string) {
	t.Helper()
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	content, err := layers[len(layers)-1].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	headers = map[string]*tar.Header{}
	for r := tar.NewReader(content); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return headers, order
		}
		if err != nil {
			t.Fatal(err)
		}
		headers[header.Name] = header
		order = append(order, header.Name)
	}
}

// baseDigest is the digest that an image's base shall have: what docker saved has one as the library makes it, the others that of the
// image.
func baseDigest(t *testing.T, value string) string {
	t.Helper()
	b, err := openBase(context.Background(), value, amd64, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return b.digest.String()
}

func TestConfig(t *testing.T) {
	out := t.TempDir()
	bases := map[string]string{
		"pilot": saveDocker(t, newBase(t, amd64)), "proxyv2": saveArchive(t, newBase(t, amd64)),
		"proxy_init": saveLayout(t, newBase(t, arm64), newBase(t, amd64, "usr/sbin/iptables-restore")),
	}
	more := []string{"--hub=registry.example/mesh"}
	for name, base := range bases {
		more = append(more, "--base="+name+"="+base)
	}
	printed := made(t, args(t, out, more...))
	for _, r := range recipes {
		t.Run(r.name, func(t *testing.T) {
			image, descriptor := read(t, out, r.name)
			if !strings.Contains(printed, filepath.Join(out, r.name+".tar")+" "+descriptor.Digest.String()+"\n") {
				t.Errorf("printed %s, the archive has %s", printed, descriptor.Digest)
			}
			if got := descriptor.Annotations[containerdName]; got != "registry.example/mesh/"+r.name+":"+version {
				t.Errorf("name %q", got)
			}
			config, err := image.ConfigFile()
			if err != nil {
				t.Fatal(err)
			}
			c := config.Config
			if c.User != r.user || !slices.Equal(c.Entrypoint, []string{"/usr/local/bin/" + r.program}) || c.Cmd != nil {
				t.Errorf("user %q, entry point %q, arguments %q", c.User, c.Entrypoint, c.Cmd)
			}
			if c.WorkingDir != "/" || c.StopSignal != "SIGTERM" || !slices.Equal(c.Env, []string{"PATH=/usr/bin"}) {
				t.Errorf("directory %q, signal %q, environment %q", c.WorkingDir, c.StopSignal, c.Env)
			}
			if config.OS != "linux" || config.Architecture != "amd64" || !config.Created.Equal(created) {
				t.Errorf("for %s/%s, created %s", config.OS, config.Architecture, config.Created)
			}
			labels := map[string]string{
				ociPrefix + "title": r.name, ociPrefix + "description": r.description, ociPrefix + "version": version, ociPrefix + "revision": revision,
				ociPrefix + "created": "2023-11-14T22:13:20Z", ociPrefix + "source": source, ociPrefix + "licenses": "Apache-2.0",
				ociPrefix + "base.digest": baseDigest(t, bases[r.name]), "vendor": "base",
			}
			if !maps.Equal(c.Labels, labels) {
				t.Errorf("labels %q, want %q", c.Labels, labels)
			}
		})
	}
}

// TestLayers wants the base's layer as it was, under OCI's media types.
func TestLayers(t *testing.T) {
	out := t.TempDir()
	made(t, args(t, out))
	want, err := newBase(t, amd64).ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pilot", "proxyv2"} {
		image, _ := read(t, out, name)
		got, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if len(got.RootFS.DiffIDs) != 2 || got.RootFS.DiffIDs[0] != want.RootFS.DiffIDs[0] || len(got.History) != 2 {
			t.Errorf("%s: layers %v, want %v and one more", name, got.RootFS.DiffIDs, want.RootFS.DiffIDs)
		}
		manifest, err := image.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		if manifest.MediaType != types.OCIManifestSchema1 || manifest.Config.MediaType != types.OCIConfigJSON {
			t.Errorf("%s: media types %s, %s", name, manifest.MediaType, manifest.Config.MediaType)
		}
		for _, l := range manifest.Layers {
			if l.MediaType != types.OCILayer {
				t.Errorf("%s: layer of media type %s", name, l.MediaType)
			}
		}
	}
}

func TestFiles(t *testing.T) {
	out := t.TempDir()
	made(t, args(t, out))
	type entry struct {
		mode int64
		uid  int
	}
	parents := map[string]entry{"usr/": {0o755, 0}, "usr/local/": {0o755, 0}, "usr/local/bin/": {0o755, 0}}
	pilot := maps.Clone(parents)
	pilot["usr/local/bin/pilot-discovery"] = entry{0o755, 0}
	agent := maps.Clone(parents)
	agent["usr/local/bin/pilot-agent"] = entry{0o755, 0}
	proxy := maps.Clone(agent)
	for _, dir := range []string{"etc/", "etc/istio/", "var/", "var/lib/", "var/lib/istio/"} {
		proxy[dir] = entry{0o755, 0}
	}
	proxy["etc/istio/proxy/"], proxy["var/lib/istio/data/"] = entry{0o755, 1337}, entry{0o755, 1337}
	for _, dir := range []string{"", "pilot-apisix/", "pilot-apisix/lua/", "pilot-apisix/lua/apisix/", "pilot-apisix/lua/apisix/mesh/", "pilot-apisix/lua/apisix/plugins/"} {
		proxy["usr/local/share/"+dir] = entry{0o755, 0}
	}
	proxy["usr/local/share/pilot-apisix/lua/apisix/mesh/path.lua"] = entry{0o644, 0}
	proxy["usr/local/share/pilot-apisix/lua/apisix/plugins/mesh-retry.lua"] = entry{0o644, 0}
	for name, want := range map[string]map[string]entry{"pilot": pilot, "proxyv2": proxy, "proxy_init": agent} {
		image, _ := read(t, out, name)
		headers, order := topLayer(t, image)
		got := map[string]entry{}
		for name, h := range headers {
			got[name] = entry{h.Mode, h.Uid}
			if h.Gid != h.Uid || h.Uname != "" || !h.ModTime.Equal(created) {
				t.Errorf("%s: group %d, user %q, time %s", name, h.Gid, h.Uname, h.ModTime)
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s has %v, want %v", name, got, want)
		}
		if len(order) != len(headers) || !slices.IsSorted(order) {
			t.Errorf("%s is not sorted: %v", name, order)
		}
	}
}

// TestReference builds on what a registry has.
func TestReference(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	reference := strings.TrimPrefix(server.URL, "http://") + "/apisix:3.18.0-debian"
	ref, err := name.ParseReference(reference)
	if err != nil {
		t.Fatal(err)
	}
	want := newBase(t, amd64)
	if err := remote.Write(ref, want); err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	made(t, args(t, out, "--base=proxyv2="+reference))
	image, _ := read(t, out, "proxyv2")
	manifest, err := image.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	digest, err := want.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if manifest.Annotations[ociPrefix+"base.name"] != reference || manifest.Annotations[ociPrefix+"base.digest"] != digest.String() {
		t.Errorf("annotations %q", manifest.Annotations)
	}
	if got := readSBOM(t, out, "proxyv2").pkg(t, baseID).Name; got != reference {
		t.Errorf("the bill's base is %q", got)
	}
	err = run(context.Background(), args(t, out, "--base=proxyv2="+reference+"-gone"), epoch, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "--base proxyv2=") {
		t.Errorf("no such tag: %v", err)
	}
}
