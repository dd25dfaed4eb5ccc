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

package ir

// Source names the part of the mesh's configuration that something was made from.
type Source struct {
	// Kind of the object as in its YAML, such as "VirtualService" or "Service".
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Field is the path inside the object, such as "spec.http[2].match[0]"; empty for the whole object.
	Field string `json:"field,omitempty"`
}

// At is the part of s at field.
func (s Source) At(field string) Source {
	if s.Field == "" {
		s.Field = field
	} else {
		s.Field += "." + field
	}
	return s
}

// String is "Kind namespace/name field".
func (s Source) String() string {
	b := s.Kind + " "
	if s.Namespace != "" {
		b += s.Namespace + "/"
	}
	b += s.Name
	if s.Field != "" {
		b += " " + s.Field
	}
	return b
}
