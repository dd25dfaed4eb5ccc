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
	"github.com/spf13/cobra"

	"istio.io/istio/pkg/log"
	"istio.io/istio/pkg/version"
)

// NewRootCommand returns apisixctl with all of its subcommands.
func NewRootCommand() *cobra.Command {
	options := log.DefaultOptions()
	// The commands say themselves what went wrong; what the control plane's code logs on the way is for its developers, who
	// ask for it with --log_output_level.
	options.SetDefaultOutputLevel(log.OverrideScopeName, log.NoneLevel)
	root := &cobra.Command{
		Use:           "apisixctl",
		Short:         "Look at an APISIX mesh",
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			return log.Configure(options)
		},
	}
	options.AttachCobraFlags(root)
	root.AddCommand(newTranslateCommand(), newExplainCommand(), newPluginsCommand(), version.CobraCommand())
	return root
}
