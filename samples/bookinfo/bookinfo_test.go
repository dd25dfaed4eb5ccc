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

// Package bookinfo_test checks the sample's files as Istio reads them, and that they fit together.
package bookinfo_test

import (
	"bytes"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"

	"istio.io/api/label"
	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/schema/collections"
	"istio.io/istio/pkg/config/schema/gvk"
	"istio.io/istio/pkg/config/schema/resource"
)

// objects are the documents of one or more files, by what they are.
type objects struct {
	istio       []config.Config
	services    []corev1.Service
	accounts    []corev1.ServiceAccount
	deployments []appsv1.Deployment
}

// load reads every document that pattern matches, strictly: a field that its kind does not have is a failure.
func load(t *testing.T, pattern string) objects {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no files (%v)", pattern, err)
	}
	var all objects
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range bytes.Split(data, []byte("\n---\n")) {
			all.add(t, file, doc)
		}
	}
	return all
}

func (o *objects) add(t *testing.T, file string, doc []byte) {
	t.Helper()
	var obj crd.IstioKind
	if err := yaml.Unmarshal(doc, &obj); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	switch kind := obj.GroupVersionKind(); kind.Kind {
	case "":
		// The comment at the head of a file.
	case "Service":
		o.services = append(o.services, strict[corev1.Service](t, file, doc))
	case "ServiceAccount":
		o.accounts = append(o.accounts, strict[corev1.ServiceAccount](t, file, doc))
	case "Deployment":
		o.deployments = append(o.deployments, strict[appsv1.Deployment](t, file, doc))
	default:
		schema, ok := collections.Pilot.FindByGroupVersionAliasesKind(resource.FromKubernetesGVK(&kind))
		if !ok {
			t.Fatalf("%s: Istio has no %v", file, kind)
		}
		spec, err := schema.NewInstance()
		if err != nil {
			t.Fatal(err)
		}
		if err := config.ApplyJSONStrict(spec, string(obj.Spec)); err != nil {
			t.Fatalf("%s: %s %s: %v", file, kind.Kind, obj.Name, err)
		}
		c := config.Config{
			Meta: config.Meta{GroupVersionKind: schema.GroupVersionKind(), Name: obj.Name, Namespace: "default", Annotations: obj.Annotations},
			Spec: spec,
		}
		warning, err := schema.ValidateConfig(c)
		if err != nil || warning != nil {
			t.Errorf("%s: %s %s: error %v, warning %v", file, kind.Kind, obj.Name, err, warning)
		}
		o.istio = append(o.istio, c)
	}
}

func strict[T any](t *testing.T, file string, doc []byte) T {
	t.Helper()
	var v T
	if err := yaml.UnmarshalStrict(doc, &v); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return v
}

// subset is a version that a rule may name.
type subset struct{ host, name string }

// TestPlatform compares the two ways of saying where the workloads are: the Services must select the same six of them
// on Kubernetes and in file mode, under the same identities.
func TestPlatform(t *testing.T) {
	kube, local := load(t, "platform/kube/*.yaml"), load(t, "platform/local/*.yaml")

	type workload struct{ labels, account string }
	pods, entries := map[string]workload{}, map[string]workload{}
	for _, d := range kube.deployments {
		pods[d.Name] = workload{labels.Set(d.Spec.Template.Labels).String(), d.Spec.Template.Spec.ServiceAccountName}
		if !labels.SelectorFromSet(d.Spec.Selector.MatchLabels).Matches(labels.Set(d.Spec.Template.Labels)) {
			t.Errorf("Deployment %s does not select its own pods", d.Name)
		}
	}
	addresses := map[string]string{}
	for _, c := range local.istio {
		we, ok := c.Spec.(*networking.WorkloadEntry)
		if !ok {
			t.Errorf("%s %s in platform/local is no WorkloadEntry", c.GroupVersionKind.Kind, c.Name)
			continue
		}
		// In a pod there is a sidecar in front of the application, on one host there is none.
		own := labels.Set(we.Labels)
		if own[label.SecurityTlsMode.Name] != "disabled" {
			t.Errorf("%s: nobody is there who speaks mutual TLS", c.Name)
		}
		delete(own, label.SecurityTlsMode.Name)
		entries[c.Name] = workload{own.String(), we.ServiceAccount}
		if other, taken := addresses[we.Address]; taken {
			t.Errorf("%s and %s have the same address %s", c.Name, other, we.Address)
		}
		addresses[we.Address] = c.Name
		if a, err := netip.ParseAddr(we.Address); err != nil || !a.IsLoopback() {
			t.Errorf("%s: address %s is not a loopback one", c.Name, we.Address)
		}
	}
	if !maps.Equal(pods, entries) || len(pods) != 6 {
		t.Errorf("workloads differ:\nkube:  %v\nlocal: %v", pods, entries)
	}

	selected := map[string]int{}
	for _, s := range kube.services {
		if len(s.Spec.Ports) != 1 || s.Spec.Ports[0].Port != 9080 || s.Spec.Ports[0].Name != "http" {
			t.Errorf("Service %s: ports %v, want http on 9080", s.Name, s.Spec.Ports)
		}
		for _, d := range kube.deployments {
			if labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(d.Spec.Template.Labels)) {
				selected[s.Name]++
			}
		}
	}
	if want := (map[string]int{"productpage": 1, "details": 1, "ratings": 1, "reviews": 3}); !maps.Equal(selected, want) {
		t.Errorf("the Services select %v, want %v", selected, want)
	}
	for name, w := range pods {
		if !slices.ContainsFunc(kube.accounts, func(a corev1.ServiceAccount) bool { return a.Name == w.account }) {
			t.Errorf("%s runs as %s, which is not there", name, w.account)
		}
	}
}

// TestRules follows every destination of every rule to a Service and a subset that selects a workload of it.
func TestRules(t *testing.T) {
	kube := load(t, "platform/kube/*.yaml")
	subsets := map[subset]bool{}
	for _, c := range load(t, "networking/destination-rule-all.yaml").istio {
		dr := c.Spec.(*networking.DestinationRule)
		for _, s := range dr.Subsets {
			version := labels.SelectorFromSet(s.Labels)
			if !slices.ContainsFunc(kube.deployments, func(d appsv1.Deployment) bool {
				l := labels.Set(d.Spec.Template.Labels)
				return l["app"] == dr.Host && version.Matches(l)
			}) {
				t.Errorf("subset %s of %s selects nothing", s.Name, dr.Host)
			}
			subsets[subset{dr.Host, s.Name}] = true
		}
	}

	files, err := filepath.Glob("networking/virtual-service-*.yaml")
	if err != nil || len(files) != 6 {
		t.Fatalf("found %d rules (%v), want 6", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			for _, c := range load(t, file).istio {
				if c.GroupVersionKind != gvk.VirtualService {
					t.Errorf("%s %s: want only VirtualServices", c.GroupVersionKind.Kind, c.Name)
					continue
				}
				vs := c.Spec.(*networking.VirtualService)
				if len(vs.Hosts) != 1 || vs.Hosts[0] != c.Name {
					t.Errorf("VirtualService %s is for %v, want the host of its name", c.Name, vs.Hosts)
				}
				for _, route := range vs.Http {
					for _, d := range route.Route {
						if to := (subset{d.Destination.Host, d.Destination.Subset}); !subsets[to] {
							t.Errorf("VirtualService %s sends to %v, which destination-rule-all.yaml does not have", c.Name, to)
						}
					}
				}
			}
		})
	}
}
