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

package apisixctl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"sigs.k8s.io/yaml"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/translate"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/xds"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// writers are the formats of translate's output.
var writers = map[string]func(io.Writer, *translate.Output) error{
	"json":   writeJSON,
	"yaml":   writeYAML,
	"apisix": writeAPISIX,
}

func formats() []string { return slices.Sorted(maps.Keys(writers)) }

// document is what -o json and yaml print.
type document struct {
	Resources   []resource      `json:"resources"`
	Diagnostics []ir.Diagnostic `json:"diagnostics"`
}

type resource struct {
	Name    string          `json:"name"`
	Object  json.RawMessage `json:"object"`
	Sources []ir.Source     `json:"sources"`
}

func newDocument(o *translate.Output) document {
	d := document{Resources: []resource{}, Diagnostics: []ir.Diagnostic{}}
	for _, r := range o.Resources {
		d.Resources = append(d.Resources, resource{r.Name(), shown(r), r.Sources})
	}
	d.Diagnostics = append(d.Diagnostics, o.Diagnostics...)
	return d
}

// shown is the object of a resource without the keys of certificates.
func shown(r *translate.Resource) json.RawMessage {
	if r.Kind == apisix.SSLs {
		return xds.Redact(r)
	}
	return r.JSON
}

func writeJSON(w io.Writer, o *translate.Output) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(newDocument(o))
}

func writeYAML(w io.Writer, o *translate.Output) error {
	b, err := yaml.Marshal(newDocument(o))
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

// apisixHeader tells what the routes count on, since a standalone APISIX has no agent that would provide it.
const apisixHeader = `# conf/apisix.yaml of a standalone APISIX (deployment.role_data_plane.config_provider: yaml).
# The routes tell the ports of a service apart by a variable that conf/config.yaml has to define:
#
#   apisix:
#     router: {http: radixtree_host_uri}
#   nginx_config:
#     http_configuration_snippet: |
#       map $http_host $` + apisix.VarOriginalDstPort + ` { "~:(?<host_port>\d+)$" $host_port; default 80; }
#       proxy_next_upstream error;
#
# "apisixctl plugins DIR" writes the plugins whose names begin with "mesh-", and says what conf/config.yaml needs for them.
`

// writeAPISIX prints a file that a standalone APISIX loads as it is: a list of objects per kind, and its end mark.
func writeAPISIX(w io.Writer, o *translate.Output) error {
	var b bytes.Buffer
	b.WriteString(apisixHeader)
	resources := slices.DeleteFunc(slices.Clone(o.Resources), func(r *translate.Resource) bool { return r.Kind == apisix.SSLs })
	if len(resources) < len(o.Resources) {
		b.WriteString("# The certificates (ssls) are left out, because their keys are secret.\n")
	}
	for i, r := range resources {
		if i == 0 || resources[i-1].Kind != r.Kind {
			fmt.Fprintf(&b, "%s:\n", r.Kind)
		}
		object, err := yaml.JSONToYAML(r.JSON)
		if err != nil {
			return fmt.Errorf("%s: %w", r.Name(), err)
		}
		for n, line := range bytes.Split(bytes.TrimSpace(object), []byte("\n")) {
			indent := "  "
			if n == 0 {
				indent = "- "
			}
			fmt.Fprintf(&b, "%s%s\n", indent, line)
		}
	}
	b.WriteString("#END\n")
	_, err := w.Write(b.Bytes())
	return err
}
