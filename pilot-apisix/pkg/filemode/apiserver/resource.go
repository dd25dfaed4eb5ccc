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
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Resource is a kind of object that the API serves.
type Resource struct {
	Group string
	// Version is the one that objects are kept in. Requests may name any version of the group: the content of the kinds
	// that are served here is the same in each of them.
	Version string
	// Plural is the name in URLs, such as "services".
	Plural string
	Kind   string
	// ClusterScoped is true for kinds such as Node that have no namespace.
	ClusterScoped bool
}

// GroupResource tells the resource from all others.
func (r Resource) GroupResource() schema.GroupResource {
	return schema.GroupResource{Group: r.Group, Resource: r.Plural}
}

// GroupVersionKind is the kind as objects name it.
func (r Resource) GroupVersionKind() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: r.Group, Version: r.Version, Kind: r.Kind}
}

func (r Resource) inVersion(version string) schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: r.Group, Version: version, Kind: r.Kind}
}
