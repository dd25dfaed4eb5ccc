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
	"fmt"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/lua"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/translate"
)

func newPluginsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "plugins DIR",
		Short: "Write the Lua plugins of the mesh into a directory, for an APISIX to load",
		Long: `Write the Lua plugins of the mesh into a directory, for an APISIX to load, and print what its conf/config.yaml needs for
them. Routes name these plugins where APISIX has none that means what Istio means.`,
		Example: `  apisixctl plugins /usr/local/mesh`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := lua.Write(args[0]); err != nil {
				return err
			}
			b, err := yaml.Marshal(map[string]any{
				"apisix": map[string]string{"extra_lua_path": lua.Path(args[0]), "lua_module_hook": lua.Hook},
				"nginx_config": map[string]any{
					"http":                         map[string]any{"custom_lua_shared_dict": map[string]string{lua.SharedDict: lua.SharedDictSize}},
					"stream_configuration_snippet": "lua_shared_dict " + lua.StreamSharedDict + " " + lua.SharedDictSize + ";",
				},
				"plugins":        translate.Plugins(),
				"stream_plugins": translate.StreamPlugins(),
			})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s", b)
			return err
		},
	}
}
