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

package intake

import (
	"errors"
	"fmt"
	"strings"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/store"
	"github.com/apisix-mesh/pilot-apisix/pkg/apis/mesh/v1alpha1"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// Parse makes a resource of what was sent, or tells why it cannot. The error does not repeat the content.
func Parse(r *discovery.Resource) (*store.Resource, error) {
	body := r.GetResource()
	if body == nil {
		return nil, errors.New("no content")
	}
	if body.GetTypeUrl() != v1alpha1.TypeURL {
		return nil, fmt.Errorf("the content is of type %q, not %s", body.GetTypeUrl(), v1alpha1.TypeURL)
	}
	var m v1alpha1.Resource
	if err := body.UnmarshalTo(&m); err != nil {
		return nil, fmt.Errorf("the content cannot be read: %w", err)
	}
	kind := apisix.Kind(m.GetKind())
	if _, known := kind.Order(); !known {
		return nil, fmt.Errorf("kind %q: APISIX's data plane has no such kind", m.GetKind())
	}
	if !apisix.ValidID(m.GetId()) {
		return nil, fmt.Errorf("id %q: APISIX wants 1 to %d characters of [a-zA-Z0-9-_.]", m.GetId(), apisix.MaxIDLength)
	}
	if name := apisix.Name(kind, m.GetId()); r.GetName() != name {
		return nil, fmt.Errorf("the name must be <kind>/<id>, and the content is %q", name)
	}
	id, err := canonicalObject(m.GetJson())
	if err != nil {
		return nil, fmt.Errorf("json: %w", err)
	}
	if len(id) == 0 || id[0] != '"' {
		return nil, errors.New("json: the object has no id, or one that is not a string")
	}
	if text, err := unquote(id); err != nil || text != m.GetId() {
		return nil, errors.New("json: the object has another id than its name")
	}
	return store.NewResource(kind, m.GetId(), r.GetVersion(), m.GetJson(), sources(m.GetSources())), nil
}

func sources(in []*v1alpha1.Source) string {
	lines := make([]string, 0, len(in))
	for _, s := range in {
		lines = append(lines, ir.Source{Kind: s.GetKind(), Namespace: s.GetNamespace(), Name: s.GetName(), Field: s.GetField()}.String())
	}
	return strings.Join(lines, "\n")
}
