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

package schema

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

// Set is the schemas of one version of APISIX. It may be used concurrently.
type Set struct {
	main          map[apisix.Kind]*jsonschema.Schema
	plugins       map[string]*jsonschema.Schema
	streamPlugins map[string]*jsonschema.Schema
	// metadata are the schemas of plugin_metadata, by the names of the plugins.
	metadata map[string]*jsonschema.Schema
}

// mainNames are the names under which /v1/schema has the kinds that it covers.
var mainNames = map[apisix.Kind]string{
	apisix.Protos:         "proto",
	apisix.SSLs:           "ssl",
	apisix.ConsumerGroups: "consumer_group",
	apisix.Consumers:      "consumer",
	apisix.Upstreams:      "upstream",
	apisix.Services:       "service",
	apisix.PluginConfigs:  "plugin_config",
	apisix.GlobalRules:    "global_rule",
	apisix.StreamRoutes:   "stream_route",
	apisix.Routes:         "route",
}

type document struct {
	Main          map[string]any `json:"main"`
	Plugins       map[string]any `json:"plugins"`
	StreamPlugins map[string]any `json:"stream_plugins"`
}

// Load reads the document from a file.
func Load(path string) (*Set, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(b)
}

// Fetch reads the document from a running APISIX, whose control API is at base, such as "http://127.0.0.1:9090".
func Fetch(ctx context.Context, base string) (*Set, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/v1/schema", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s/v1/schema answered %s: is that the address of APISIX's control API?", base, resp.Status)
	}
	return Parse(b)
}

// Parse reads the document.
func Parse(b []byte) (*Set, error) {
	raw, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("the schema is not JSON: %w", err)
	}
	doc, err := toDocument(raw)
	if err != nil {
		return nil, err
	}
	s := &Set{main: map[apisix.Kind]*jsonschema.Schema{}}
	for kind, name := range mainNames {
		schema, ok := doc.Main[name]
		if !ok {
			return nil, fmt.Errorf("the schema has no main.%s: it is not what APISIX answers to GET /v1/schema", name)
		}
		if s.main[kind], err = compile("main."+name, schema); err != nil {
			return nil, err
		}
	}
	if s.plugins, err = compilePlugins(doc.Plugins); err != nil {
		return nil, err
	}
	if s.streamPlugins, err = compilePlugins(doc.StreamPlugins); err != nil {
		return nil, err
	}
	s.metadata, err = compileMetadata(doc.Plugins)
	return s, err
}

func toDocument(raw any) (document, error) {
	var doc document
	root, ok := raw.(map[string]any)
	if !ok {
		return doc, errors.New("the schema is not a JSON object")
	}
	doc.Main, _ = root["main"].(map[string]any)
	doc.Plugins, _ = root["plugins"].(map[string]any)
	doc.StreamPlugins, _ = root["stream_plugins"].(map[string]any)
	return doc, nil
}

func compilePlugins(in map[string]any) (map[string]*jsonschema.Schema, error) {
	out := make(map[string]*jsonschema.Schema, len(in))
	for name, p := range in {
		plugin, _ := p.(map[string]any)
		schema, err := compile("plugins."+name, plugin["schema"])
		if err != nil {
			return nil, err
		}
		out[name] = schema
	}
	return out, nil
}

// compileMetadata compiles the schemas of those plugins that have metadata.
func compileMetadata(in map[string]any) (map[string]*jsonschema.Schema, error) {
	out := map[string]*jsonschema.Schema{}
	for name, p := range in {
		plugin, _ := p.(map[string]any)
		if plugin["metadata_schema"] == nil {
			continue
		}
		schema, err := compile("plugins."+name+".metadata", plugin["metadata_schema"])
		if err != nil {
			return nil, err
		}
		out[name] = schema
	}
	return out, nil
}

func compile(name string, schema any) (*jsonschema.Schema, error) {
	if list, isList := schema.([]any); isList && len(list) == 0 {
		// Lua's empty table.
		schema = map[string]any{}
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7)
	c.UseRegexpEngine(compileRegexp)
	if err := c.AddResource("mem:///schema.json", schema); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	compiled, err := c.Compile("mem:///schema.json")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return compiled, nil
}

type anything string

func (anything) MatchString(string) bool { return true }
func (a anything) String() string        { return string(a) }

// compileRegexp compiles a pattern of APISIX's. They are PCRE: the few that Go cannot compile (they look ahead) are not
// checked.
func compileRegexp(pattern string) (jsonschema.Regexp, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return anything(pattern), nil //nolint:nilerr // see above
	}
	return re, nil
}

// Check validates a resource in JSON, and the configuration of each of its plugins. What has no schema, such as the
// metadata of plugins that say nothing of it, passes when it is a JSON object.
func (s *Set) Check(kind apisix.Kind, resource []byte) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(resource))
	if err != nil {
		return fmt.Errorf("%s: not JSON: %w", kind, err)
	}
	object, ok := value.(map[string]any)
	if !ok {
		return fmt.Errorf("%s: not a JSON object", kind)
	}
	if schema := s.main[kind]; schema != nil {
		if err := schema.Validate(value); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	if id, _ := object["id"].(string); kind == apisix.PluginMetadata && s.metadata[id] != nil {
		if err := s.metadata[id].Validate(value); err != nil {
			return fmt.Errorf("%s: %s: %w", kind, id, err)
		}
	}
	plugins, _ := object["plugins"].(map[string]any)
	known := s.plugins
	if kind == apisix.StreamRoutes {
		known = s.streamPlugins
	}
	for _, name := range slices.Sorted(maps.Keys(plugins)) {
		schema, ok := known[name]
		if !ok {
			return fmt.Errorf("%s: APISIX has no plugin %q", kind, name)
		}
		if err := schema.Validate(plugins[name]); err != nil {
			return fmt.Errorf("%s: plugin %s: %w", kind, name, err)
		}
	}
	return nil
}
