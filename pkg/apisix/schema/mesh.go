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
	_ "embed"
	"fmt"
	"maps"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// meshPlugins are the schemas of this project's own plugins, in the form of GET /v1/schema. `make test-lua` holds them against
// the plugins themselves.
//
//go:embed mesh.json
var meshPlugins []byte

// AddMesh adds this project's own plugins to the schemas of an APISIX that does not have them loaded.
func (s *Set) AddMesh() error {
	raw, err := jsonschema.UnmarshalJSON(bytes.NewReader(meshPlugins))
	if err != nil {
		return fmt.Errorf("mesh.json: %w", err)
	}
	doc, err := toDocument(raw)
	if err != nil {
		return fmt.Errorf("mesh.json: %w", err)
	}
	plugins, err := compilePlugins(doc.Plugins)
	if err != nil {
		return fmt.Errorf("mesh.json: %w", err)
	}
	streamPlugins, err := compilePlugins(doc.StreamPlugins)
	if err != nil {
		return fmt.Errorf("mesh.json: %w", err)
	}
	metadata, err := compileMetadata(doc.Plugins)
	if err != nil {
		return fmt.Errorf("mesh.json: %w", err)
	}
	maps.Copy(s.plugins, plugins)
	maps.Copy(s.metadata, metadata)
	maps.Copy(s.streamPlugins, streamPlugins)
	return nil
}
