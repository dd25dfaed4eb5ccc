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

package store

import (
	"cmp"
	"slices"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

// keyPrefix is the directory of APISIX's configuration center (etcd.prefix in its config.yaml).
const keyPrefix = "/apisix"

// Resource is one APISIX resource as istiod sent it. It is never changed after it was given to a Store.
type Resource struct {
	Kind apisix.Kind
	ID   string
	// Version is istiod's, a hash of the content.
	Version string
	// JSON is the APISIX object.
	JSON []byte
	// Source tells which objects of the mesh's configuration it was made from, one per line, for people.
	Source string

	// key is the key in etcd.
	key string
}

// NewResource makes a resource of a kind and id that apisix.SplitName accepts.
func NewResource(kind apisix.Kind, id, version string, json []byte, source string) *Resource {
	// One string serves as key, name, kind and id.
	key := keyPrefix + "/" + apisix.Name(kind, id)
	name := key[len(keyPrefix)+1:]
	return &Resource{
		Kind:    apisix.Kind(name[:len(kind)]),
		ID:      name[len(kind)+1:],
		Version: version,
		JSON:    json,
		Source:  source,
		key:     key,
	}
}

// Name is the resource's name in xDS: "<kind>/<id>".
func (r *Resource) Name() string {
	return r.key[len(keyPrefix)+1:]
}

// Key is the resource's key in the configuration center: "/apisix/<kind>/<id>".
func (r *Resource) Key() string {
	return r.key
}

// compare orders resources so that each one stands after those that it may refer to.
func compare(a, b *Resource) int {
	i, _ := a.Kind.Order()
	j, _ := b.Kind.Order()
	return cmp.Or(cmp.Compare(i, j), cmp.Compare(a.ID, b.ID))
}

func sorted(resources []*Resource) []*Resource {
	slices.SortFunc(resources, compare)
	return resources
}
