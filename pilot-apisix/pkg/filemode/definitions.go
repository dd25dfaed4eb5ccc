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

package filemode

import (
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/gateway-api/pkg/consts"

	"istio.io/istio/pilot/pkg/config/kube/gatewaycommon"
	"istio.io/istio/pkg/config/schema/collections"
	"istio.io/istio/pkg/config/schema/gvk"
	"istio.io/istio/pkg/config/schema/resource"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/filemode/apiserver"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/filemode/configdir"
)

// installed are the objects that are in a cluster when Istio is installed, and that it relies on.
func installed() []apiserver.Object {
	return append(definitions(), gatewayClasses()...)
}

// withInstalled adds to objs those of the installed objects that are not among them.
func withInstalled(objs []apiserver.Object) []apiserver.Object {
	type key struct{ group, plural, name string }
	own := map[key]bool{}
	for _, o := range objs {
		own[key{o.Resource.Group, o.Resource.Plural, o.Name}] = o.Namespace == ""
	}
	for _, o := range installed() {
		if !own[key{o.Resource.Group, o.Resource.Plural, o.Name}] {
			objs = append(objs, o)
		}
	}
	return objs
}

// definitions are the CustomResourceDefinitions of all kinds that Istio can read: istiod waits for a kind's definition
// before it reads its objects. It looks at nothing but their metadata.
func definitions() []apiserver.Object {
	var out []apiserver.Object
	for _, s := range collections.All.All() {
		if s.IsBuiltin() || s.IsSynthetic() {
			continue
		}
		annotations := map[string]string{}
		if s.Group() == gvk.KubernetesGateway.Group {
			annotations[consts.BundleVersionAnnotation] = consts.BundleVersion
		}
		out = append(out, clusterScoped(collections.CustomResourceDefinition, s.Plural()+"."+s.Group(), func() map[string]any {
			obj := &unstructured.Unstructured{Object: map[string]any{}}
			obj.SetAnnotations(annotations)
			return obj.Object
		}))
	}
	return out
}

// gatewayClasses are those that istiod makes when they are missing. It stumbles over itself when it makes several: it
// logs errors until it has seen them all.
func gatewayClasses() []apiserver.Object {
	var out []apiserver.Object
	for _, name := range slices.Sorted(maps.Keys(gatewaycommon.AllClasses)) {
		info, ok := gatewaycommon.ClassInfos[gatewaycommon.AllClasses[name]]
		if !ok {
			continue
		}
		out = append(out, clusterScoped(collections.GatewayClass, string(name), func() map[string]any {
			// A struct of Kubernetes' can always be converted.
			obj, _ := runtime.DefaultUnstructuredConverter.ToUnstructured(&gatewayv1.GatewayClass{
				ObjectMeta: metav1.ObjectMeta{Name: string(name)},
				Spec: gatewayv1.GatewayClassSpec{
					ControllerName: gatewayv1.GatewayController(info.Controller),
					Description:    &info.Description,
				},
			})
			return obj
		}))
	}
	return out
}

func clusterScoped(s resource.Schema, name string, make func() map[string]any) apiserver.Object {
	res := configdir.ResourceOf(s)
	return apiserver.Object{
		Resource: res,
		Name:     name,
		Source:   name,
		Make: func() *unstructured.Unstructured {
			obj := &unstructured.Unstructured{Object: make()}
			obj.SetGroupVersionKind(res.GroupVersionKind())
			obj.SetName(name)
			return obj
		},
	}
}
