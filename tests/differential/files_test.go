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

package differential

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pkg/test/util/assert"
	"istio.io/istio/pkg/test/util/yml"
)

// fileCalls is how many calls a proxy makes in the configuration of a file.
const fileCalls = 40

// TestFiles plays calls to the traffic configuration that ships with Istio, and to our samples. DIFF_FILE, a part of their names,
// chooses among them.
func TestFiles(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "istio.io/istio").Output()
	assert.NoError(t, err)
	istio := strings.TrimSpace(string(out))
	sets := slices.DeleteFunc(fileSets(t, istio), func(f fileSet) bool { return !strings.Contains(f.name, os.Getenv("DIFF_FILE")) })
	if len(sets) == 0 {
		t.Fatal("there are no files to play with")
	}
	n, found := &counts{}, &findings{}
	inParallel(t, len(sets), func(t *testing.T, i int) {
		for j, s := range sets[i].scenarios() {
			for _, d := range s.compare(t, s.calls(uint64(j), fileCalls), n) {
				found.add(d, "DIFF_FILE="+sets[i].name)
			}
		}
	})
	t.Logf("%d files:\n%s", len(sets), n)
	found.report(t)
}

// fileSet is what is played together: a file, with the services of its sample.
type fileSet struct {
	name    string
	objects []object
}

// fileSets reads the files of Istio's module and of our samples.
func fileSets(t *testing.T, istio string) []fileSet {
	var out []fileSet
	add := func(name string, base []object, path string) {
		if objects := readObjects(t, path); len(objects) > 0 {
			out = append(out, fileSet{name, merge(base, objects)})
		}
	}
	services := map[string][]object{}
	for _, base := range []string{"samples", "tests", "pilot", "pkg"} {
		for _, path := range yamlFiles(t, filepath.Join(istio, base)) {
			name, err := filepath.Rel(istio, path)
			assert.NoError(t, err)
			sample, _, _ := strings.Cut(strings.TrimPrefix(name, "samples/"), "/")
			if base != "samples" {
				sample = ""
			}
			if _, ok := services[sample]; !ok && sample != "" {
				services[sample] = servicesOf(t, filepath.Join(istio, "samples", sample))
			}
			add(name, services[sample], path)
		}
	}
	bookinfo := filepath.Join("..", "..", "samples", "bookinfo")
	for _, path := range yamlFiles(t, bookinfo) {
		add(filepath.ToSlash(path), servicesOf(t, bookinfo), path)
	}
	return out
}

// yamlFiles are the files with traffic configuration below dir.
func yamlFiles(t *testing.T, dir string) []string {
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".yaml" {
			return err
		}
		b, err := os.ReadFile(path)
		if err == nil && len(b) < 100_000 && !bytes.Contains(b, []byte("{{")) &&
			(bytes.Contains(b, []byte("kind: VirtualService")) || bytes.Contains(b, []byte("kind: ServiceEntry"))) {
			out = append(out, path)
		}
		return err
	})
	assert.NoError(t, err)
	return out
}

// servicesOf are the services and the subsets that a sample's files count on.
func servicesOf(t *testing.T, dir string) []object {
	var out []object
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".yaml" {
			return err
		}
		for _, o := range readObjects(t, path) {
			_, isRule := o.spec().(*networking.DestinationRule)
			_, isEntry := o.spec().(*networking.ServiceEntry)
			if o.service != nil || isRule && strings.HasSuffix(path, "destination-rule-all.yaml") || isEntry && strings.Contains(path, "services") {
				out = merge(out, []object{o})
			}
		}
		return nil
	})
	assert.NoError(t, err)
	return out
}

func (o object) spec() any {
	if o.config == nil {
		return nil
	}
	return o.config.Spec
}

// readObjects reads what Istio takes of a file.
func readObjects(t *testing.T, path string) []object {
	b, err := os.ReadFile(path)
	assert.NoError(t, err)
	var out []object
	for _, doc := range yml.SplitString(string(b)) {
		var meta struct{ APIVersion, Kind string }
		if yaml.Unmarshal([]byte(doc), &meta) != nil {
			continue
		}
		switch {
		case meta.APIVersion == "v1" && meta.Kind == "Service":
			svc := &corev1.Service{}
			if yaml.Unmarshal([]byte(doc), svc) == nil && len(svc.Spec.Ports) > 0 {
				if svc.Namespace == "" {
					svc.Namespace = "default"
				}
				out = merge(out, []object{{service: svc}})
			}
		case strings.HasPrefix(meta.APIVersion, "networking.istio.io/"):
			configs, _, err := crd.ParseInputs(doc)
			if err != nil {
				continue
			}
			for i := range configs {
				c := &configs[i]
				if c.Namespace == "" {
					c.Namespace = "default"
				}
				c.Domain, c.CreationTimestamp = domain, born(len(out))
				out = merge(out, []object{{config: c}})
			}
		}
	}
	return out
}

// merge puts the second list over the first: an object replaces another one of its name.
func merge(base, more []object) []object {
	out := slices.Clone(base)
	for _, o := range more {
		if i := slices.IndexFunc(out, func(b object) bool { return b.name() == o.name() }); i >= 0 {
			out[i] = o
		} else {
			out = append(out, o)
		}
	}
	return out
}

// scenarios are the proxies that the set is played for: one in each of its namespaces, with the labels that it asks for.
func (f *fileSet) scenarios() []*scenario {
	seen := map[string]map[string]string{"default": {}}
	for _, o := range f.objects {
		switch {
		case o.service != nil:
			seen[o.service.Namespace] = map[string]string{}
		case o.config != nil && seen[o.config.Namespace] == nil:
			seen[o.config.Namespace] = map[string]string{}
		}
		if vs, ok := o.spec().(*networking.VirtualService); ok {
			for _, rule := range vs.Http {
				for _, m := range rule.Match {
					maps.Copy(seen[o.config.Namespace], m.SourceLabels)
				}
			}
		}
	}
	var out []*scenario
	for _, ns := range slices.Sorted(maps.Keys(seen)) {
		out = append(out, &scenario{objects: f.objects, namespace: ns, labels: seen[ns], versions: []string{"v1", "v2", "v3"}})
	}
	return out[:min(len(out), 4)]
}
