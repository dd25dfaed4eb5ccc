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
	"k8s.io/apimachinery/pkg/runtime/schema"

	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/schema/collections"
	"istio.io/istio/pkg/config/schema/gvk"
	"istio.io/istio/pkg/config/schema/resource"
	"istio.io/istio/pkg/util/sets"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/filemode/apiserver"
)

// withoutEffect are kinds that Istio knows, and that do nothing in a mesh of files: nobody runs the workloads, and the
// kinds themselves are a part of the program. Their objects are read over, whatever is in them.
var withoutEffect = sets.New(
	gvk.CertificateSigningRequest, gvk.CustomResourceDefinition, gvk.DaemonSet, gvk.Deployment, gvk.HorizontalPodAutoscaler,
	gvk.Lease, gvk.MeshConfig, gvk.MeshNetworks, gvk.PodDisruptionBudget, gvk.ServiceAccount, gvk.StatefulSet,
	gvk.MutatingWebhookConfiguration, gvk.ValidatingWebhookConfiguration,
)

// Resources are the kinds that file mode serves to istiod: all that Istio knows.
func Resources() []apiserver.Resource {
	var out []apiserver.Resource
	for _, s := range collections.All.All() {
		if !s.IsSynthetic() {
			out = append(out, ResourceOf(s))
		}
	}
	return out
}

// ResourceOf describes a kind of Istio to the API server.
func ResourceOf(s resource.Schema) apiserver.Resource {
	return apiserver.Resource{
		Group:         s.Group(),
		Version:       s.Version(),
		Plural:        s.Plural(),
		Kind:          s.Kind(),
		ClusterScoped: s.IsClusterScoped(),
	}
}

// fate is what becomes of the objects of a kind.
type fate int

const (
	// served objects are decoded, validated and given to istiod.
	served fate = iota
	// ignored objects have no effect in a mesh of files.
	ignored
	// unknownVersion and unknownKind are mistakes: the group is one that Istio reads.
	unknownVersion
	unknownKind
)

// groupsRead are the API groups with kinds that are served.
var groupsRead = func() sets.String {
	groups := sets.New[string]()
	for _, s := range collections.All.All() {
		if !s.IsSynthetic() && !withoutEffect.Contains(s.GroupVersionKind()) {
			groups.Insert(s.Group())
		}
	}
	// Kubernetes' own groups have many kinds that mean nothing to Istio.
	for _, s := range collections.All.All() {
		if s.IsBuiltin() {
			groups.Delete(s.Group())
		}
	}
	return groups
}()

// kindOf tells what to do with objects of a kind, and how they are described when they are served.
func kindOf(k schema.GroupVersionKind) (resource.Schema, fate) {
	asked := config.FromKubernetesGVK(k)
	if s, ok := collections.All.FindByGroupVersionAliasesKind(asked); ok {
		if s.IsSynthetic() || withoutEffect.Contains(s.GroupVersionKind()) {
			return nil, ignored
		}
		return s, served
	}
	if s, ok := collections.All.FindByGroupKind(asked); ok {
		if withoutEffect.Contains(s.GroupVersionKind()) {
			return nil, ignored
		}
		return s, unknownVersion
	}
	if groupsRead.Contains(k.Group) {
		return nil, unknownKind
	}
	return nil, ignored
}
