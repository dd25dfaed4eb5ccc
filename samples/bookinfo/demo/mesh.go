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
	"cmp"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// namespace is where the sample's objects are: they name none, as files for `kubectl apply` do.
const namespace = "default"

// mesh is the configuration directory: a copy of the sample's, to be changed.
type mesh struct {
	dir       string
	samples   string
	workloads []workload
}

// workload is what a WorkloadEntry says.
type workload struct {
	name    string
	address string
	labels  map[string]string
	account string
}

func (w workload) service() string { return w.labels["app"] }
func (w workload) version() string { return w.labels["version"] }
func (w workload) appAddr() string { return net.JoinHostPort(w.address, "9080") }

// newMesh copies the sample's services and workloads to dir. The rules come later.
func newMesh(dir, samples string) (*mesh, error) {
	m := &mesh{dir: dir, samples: samples}
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(samples, "platform"))); err != nil {
		return nil, fmt.Errorf("%w: say with --samples where samples/bookinfo is", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "local", "*.yaml"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		w, err := readWorkload(file)
		if err != nil {
			return nil, err
		}
		m.workloads = append(m.workloads, w)
	}
	// productpage comes first: it is where requests begin.
	slices.SortStableFunc(m.workloads, func(a, b workload) int {
		first := func(w workload) int {
			if w.service() == "productpage" {
				return 0
			}
			return 1
		}
		return cmp.Compare(first(a), first(b))
	})
	if len(m.workloads) == 0 || m.workloads[0].service() != "productpage" {
		return nil, fmt.Errorf("%s/local: no workload of productpage", dir)
	}
	return m, nil
}

func readWorkload(file string) (workload, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return workload{}, err
	}
	var entry struct {
		Metadata struct {
			Name string `json:"name"`
		} `json:"metadata"`
		Spec struct {
			Address        string            `json:"address"`
			Labels         map[string]string `json:"labels"`
			ServiceAccount string            `json:"serviceAccount"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(data, &entry); err != nil {
		return workload{}, fmt.Errorf("%s: %w", file, err)
	}
	w := workload{entry.Metadata.Name, entry.Spec.Address, entry.Spec.Labels, entry.Spec.ServiceAccount}
	if w.name == "" || w.service() == "" || w.version() == "" || w.account == "" || net.ParseIP(w.address) == nil {
		return workload{}, fmt.Errorf("%s: a workload needs a name, an address, the labels app and version, and a serviceAccount", file)
	}
	return w, nil
}

// apply puts one of the sample's rules into the mesh, in the place of the one before, and returns when it began to.
func (m *mesh) apply(rules ...string) (time.Time, error) {
	begun := time.Now()
	for _, rule := range rules {
		data, err := os.ReadFile(filepath.Join(m.samples, "networking", rule))
		if err != nil {
			return begun, err
		}
		// Every rule of VirtualServices is complete: it replaces the one before.
		name := rule
		if strings.HasPrefix(rule, "virtual-service-") {
			name = "rules.yaml"
		}
		if err := m.write(name, data); err != nil {
			return begun, err
		}
	}
	return begun, nil
}

// edit is apply, to be done later.
func (d *demo) edit(rules ...string) func() (time.Time, error) {
	return func() (time.Time, error) { return d.mesh.apply(rules...) }
}

// join adds a workload and returns when it began to.
func (m *mesh) join(w workload) (time.Time, error) {
	data, err := yaml.Marshal(map[string]any{
		"apiVersion": "networking.istio.io/v1",
		"kind":       "WorkloadEntry",
		"metadata":   map[string]any{"name": w.name},
		"spec":       map[string]any{"address": w.address, "labels": w.labels, "serviceAccount": w.account},
	})
	if err != nil {
		return time.Time{}, err
	}
	begun := time.Now()
	return begun, m.write(filepath.Join("local", w.name+".yaml"), data)
}

// leave removes a workload and returns when it did.
func (m *mesh) leave(w workload) (time.Time, error) {
	begun := time.Now()
	return begun, os.Remove(filepath.Join(m.dir, "local", w.name+".yaml"))
}

// write replaces a file at once, as editors and Kubernetes do: nobody reads half of it.
func (m *mesh) write(name string, data []byte) error {
	path := filepath.Join(m.dir, name)
	tmp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	if err := os.WriteFile(tmp, data, 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// checkFree fails when somebody listens on one of the addresses already, or the machine does not have one.
func checkFree(addrs ...string) error {
	var first error
	taken := 0
	for _, addr := range addrs {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			taken++
			first = cmp.Or(first, err)
			continue
		}
		_ = l.Close()
	}
	if first == nil {
		return nil
	}
	return fmt.Errorf("%d of %d addresses cannot be had, the first is: %w; does another demonstration run? "+
		"macOS needs \"sudo ifconfig lo0 alias ADDRESS\" for each", taken, len(addrs), first)
}
