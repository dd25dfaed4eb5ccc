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

package apiserver

import (
	"maps"

	"github.com/google/uuid"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

func keyOf(o *unstructured.Unstructured) types.NamespacedName {
	return types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetName()}
}

func setVersion(o *unstructured.Unstructured, v uint64) {
	o.SetResourceVersion(formatVersion(v))
}

// uidOf makes a UID that is the same in each life of the process, so that nothing that is derived from it changes.
func uidOf(res Resource, o *unstructured.Unstructured) types.UID {
	name := res.Group + "/" + res.Kind + "/" + o.GetNamespace() + "/" + o.GetName()
	return types.UID(uuid.NewSHA1(uuid.NameSpaceURL, []byte(name)).String())
}

// sameSpec reports whether two states of an object differ in nothing but metadata and status.
func sameSpec(a, b *unstructured.Unstructured) bool {
	return equality.Semantic.DeepEqual(without(a.Object, "metadata", "status"), without(b.Object, "metadata", "status"))
}

// sameObject reports whether two states of an object do not differ at all.
func sameObject(a, b *unstructured.Unstructured) bool {
	return equality.Semantic.DeepEqual(a.Object, b.Object)
}

func without(m map[string]any, keys ...string) map[string]any {
	out := maps.Clone(m)
	for _, k := range keys {
		delete(out, k)
	}
	return out
}
