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
	"net/url"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// target is what the path of a request names.
type target struct {
	group, version string
	plural         string
	namespace      string
	name           string
	subresource    string
}

func (t target) groupResource() schema.GroupResource {
	return schema.GroupResource{Group: t.group, Resource: t.plural}
}

// parseTarget reads /api/v1/... and /apis/GROUP/VERSION/...; it reports false for all other paths.
func parseTarget(path string) (target, bool) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	var t target
	switch {
	case len(parts) >= 3 && parts[0] == "api":
		t.version, parts = parts[1], parts[2:]
	case len(parts) >= 4 && parts[0] == "apis":
		t.group, t.version, parts = parts[1], parts[2], parts[3:]
	default:
		return target{}, false
	}
	// /namespaces/NAME is the Namespace itself, and so are its subresources; /namespaces/NAME/PLURAL is what is in it.
	if parts[0] == "namespaces" && len(parts) >= 3 && parts[2] != "status" && parts[2] != "finalize" {
		t.namespace, parts = parts[1], parts[2:]
	}
	for i, field := range []*string{&t.plural, &t.name, &t.subresource} {
		if i < len(parts) {
			*field = parts[i]
		}
	}
	return t, len(parts) <= 3
}

// wantsMetadata reports whether a client asks for PartialObjectMetadata in place of full objects. Clients list what they
// accept in their order of preference, such as
// "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json;as=...".
func wantsMetadata(accept string) bool {
	return strings.Contains(accept, "as=PartialObjectMetadata")
}

// flag reads a boolean query parameter as Kubernetes does.
func flag(q url.Values, name string) bool {
	v := q.Get(name)
	return v == "1" || v == "true"
}
