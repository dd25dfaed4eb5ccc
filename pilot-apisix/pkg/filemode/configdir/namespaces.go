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

package configdir

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"istio.io/istio/pkg/config/schema/collections"
	"istio.io/istio/pkg/config/schema/gvk"
	"istio.io/istio/pkg/util/sets"
)

// namespaces gives the Namespaces that are there without a file that says so: those that have an object in them, the
// default one, and that of the control plane.
func namespaces(objs []Object, system string) []Object {
	defined, used := sets.New[string](), sets.New(metav1.NamespaceDefault, system)
	for _, o := range objs {
		if o.Resource.Kind == gvk.Namespace.Kind && o.Resource.Group == gvk.Namespace.Group {
			defined.Insert(o.Value.GetName())
		} else if ns := o.Value.GetNamespace(); ns != "" {
			used.Insert(ns)
		}
	}
	names := used.Difference(defined).UnsortedList()
	slices.Sort(names)
	out := make([]Object, 0, len(names))
	for _, name := range names {
		ns := &unstructured.Unstructured{Object: map[string]any{}}
		ns.SetAPIVersion(gvk.Namespace.Version)
		ns.SetKind(gvk.Namespace.Kind)
		ns.SetName(name)
		completeNamespace(ns)
		out = append(out, newObject(ResourceOf(collections.Namespace), ns, 0))
	}
	return out
}

// completeNamespace adds the label with its name, and the phase, that Kubernetes gives a Namespace.
func completeNamespace(ns *unstructured.Unstructured) {
	labels := ns.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[corev1.LabelMetadataName] = ns.GetName()
	ns.SetLabels(labels)
	if _, ok := ns.Object["status"]; !ok {
		ns.Object["status"] = map[string]any{"phase": string(corev1.NamespaceActive)}
	}
}
