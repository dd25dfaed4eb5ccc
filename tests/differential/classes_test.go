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

package differential

import (
	"slices"
	"strings"

	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
)

// class is a kind of disagreement that is known by sight, so that one does not hide behind another.
type class struct {
	name string
	is   func(d *disagreement) bool
	// documented is a phrase of docs/reference/fidelity.md that tells of the difference where a diagnostic cannot, because it
	// is the request's and not the configuration's. As long as the page does not have it, the difference is a disagreement.
	documented string
}

var classes = []class{
	{name: "the host ends with a dot", is: func(d *disagreement) bool {
		return strings.HasSuffix(withoutPort(d.call.host), ".")
	}, documented: "a dot at the end of the Host header counts for nothing"},
	{name: "a header that is there several times", is: func(d *disagreement) bool {
		return slices.ContainsFunc(d.call.headers, func(h field) bool { return len(d.call.values(h.name)) > 1 })
	}, documented: "several headers of one name are joined by"},
	{name: "slashes that nginx merges", is: func(d *disagreement) bool {
		return strings.Contains(d.call.pathOnly(), "//")
	}, documented: "nor merges slashes"},
	{name: "a server name of another port", is: func(d *disagreement) bool {
		return d.call.tls && d.envoy.aspects[outcome] == closed && strings.Contains(d.ours.where, "not-found")
	}, documented: "a server name which only another port has"},
}

// class is the first one that d belongs to, or nil.
func (d *disagreement) class() *class {
	for i := range classes {
		if c := &classes[i]; c.is(d) {
			return c
		}
	}
	return nil
}

// documented says that the page tells of the difference.
func (d *disagreement) documented() bool {
	c := d.class()
	return c != nil && c.documented != "" && strings.Contains(fidelity.Markdown(), c.documented)
}

// signature is equal for disagreements that look like the same one.
func (d *disagreement) signature() string {
	envoy, ours := d.envoy.aspects[d.aspect], d.ours.aspects[d.aspect]
	if c := d.class(); c != nil {
		return c.name
	}
	if d.aspect == outcome {
		return "outcome: " + envoy + " / " + ours
	}
	return string(d.aspect)
}
