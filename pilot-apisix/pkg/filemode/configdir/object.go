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
	"encoding/json"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/filemode/apiserver"
)

// Object is an object that a file defines.
type Object struct {
	Resource apiserver.Resource
	// Value is the object as the file has it, with defaults; it is never changed.
	Value *unstructured.Unstructured
	// File and Line are where it starts; File is empty for what no file defines.
	File string
	Line int

	// text is Value as canonical JSON: objects with the same text are the same.
	text string
	// clusterIP is the address that was given to a Service that names none.
	clusterIP string
}

func newObject(res apiserver.Resource, value *unstructured.Unstructured, line int) Object {
	// What was decoded from JSON can be encoded as such, with sorted keys.
	text, _ := json.Marshal(value.Object)
	return Object{Resource: res, Value: value, Line: line, text: string(text)}
}

// ID is "KIND NAMESPACE/NAME".
func (o Object) ID() string {
	return objectID(o.Resource.Kind, o.Value.GetNamespace(), o.Value.GetName())
}

// key tells the object from all others.
func (o Object) key() string {
	return o.Resource.Group + "/" + o.ID()
}

func objectID(kind, namespace, name string) string {
	if namespace == "" {
		return kind + " " + name
	}
	return kind + " " + namespace + "/" + name
}

// served gives the object as the API server is to have it.
func (o Object) served() apiserver.Object {
	return apiserver.Object{
		Resource:  o.Resource,
		Namespace: o.Value.GetNamespace(),
		Name:      o.Value.GetName(),
		Source:    o.text + o.clusterIP,
		Make: func() *unstructured.Unstructured {
			value := o.Value.DeepCopy()
			if o.clusterIP != "" {
				spec, _ := value.Object["spec"].(map[string]any)
				if spec == nil {
					spec = map[string]any{}
					value.Object["spec"] = spec
				}
				spec["clusterIP"] = o.clusterIP
				spec["clusterIPs"] = []any{o.clusterIP}
			}
			return value
		},
	}
}
