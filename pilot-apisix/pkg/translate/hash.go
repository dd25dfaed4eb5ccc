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

package translate

import (
	"slices"
	"time"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// hash is the key by which the destinations of a route choose their endpoints, or nil when none of them hashes. As on Envoy
// the keys of all destinations go together.
func (t *translator) hash(r *ir.Route) apisix.Plugin {
	var out *apisix.MeshHash
	for i := range r.Destinations {
		d := &r.Destinations[i]
		if d.Status != 0 {
			continue
		}
		lb := &t.cluster(d.Cluster).LB
		if lb.Policy != ir.ConsistentHash {
			continue
		}
		if out == nil {
			out = &apisix.MeshHash{}
		}
		if lb.Hash != nil {
			addHashKey(out, lb.Hash)
		}
	}
	if out == nil {
		return nil
	}
	return out
}

func addHashKey(out *apisix.MeshHash, k *ir.HashKey) {
	var key apisix.HashKey
	switch k.On {
	case ir.HashHeader:
		key.Header = k.Name
	case ir.HashOnCookie:
		key.Cookie = k.Name
	case ir.HashQueryParam:
		key.Query = k.Name
	case ir.HashSourceIP:
		key.SourceIP = true
	}
	if key == (apisix.HashKey{}) || slices.Contains(out.Keys, key) {
		return
	}
	out.Keys = append(out.Keys, key)
	if c := k.Cookie; c != nil {
		cookie := apisix.HashCookie{Name: k.Name, TTL: int(c.TTL / time.Second), Path: c.Path}
		for _, a := range c.Attributes {
			if a.Name != "" {
				cookie.Attributes = append(cookie.Attributes, apisix.CookieAttribute(a))
			}
		}
		out.Cookies = append(out.Cookies, cookie)
	}
}
