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

package bootstrap

import (
	"fmt"

	"github.com/spf13/cobra"

	"istio.io/istio/pilot/cmd/pilot-discovery/app"
	"istio.io/istio/pkg/cmd"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/filemode"
)

// Names of the flags that are ours. They mean something in file mode only.
const (
	stateDirFlag = "stateDir"
	keyFileFlag  = "serviceAccountKeyFile"
	configDir    = "configDir"
)

// NewRootCommand is upstream's pilot-discovery with the extensions in its server, with file mode, and with `create-token`.
func NewRootCommand(extensions ...Extension) (*cobra.Command, error) {
	root := app.NewRootCommand()
	discovery, _, err := root.Find([]string{"discovery"})
	if err != nil {
		return nil, fmt.Errorf("this version of Istio has no command \"discovery\": %w", err)
	}
	addFileModeFlags(discovery)
	discovery.RunE = func(c *cobra.Command, _ []string) error { return runDiscovery(c, extensions) }
	root.AddCommand(newCreateTokenCommand())
	return root, nil
}

func addFileModeFlags(c *cobra.Command) {
	c.PersistentFlags().String(stateDirFlag, "",
		"Directory for what the control plane must not lose in file mode (--registries= --configDir=DIR): the CA's and the token signing key, "+
			"and the last good configuration. By default one under $XDG_STATE_HOME or ~/.local/state, with a name made from the configuration directory")
	c.PersistentFlags().String(keyFileFlag, "",
		"File with the key that signs service account tokens in file mode: ECDSA on P-256, PEM. By default one in the state directory, made when missing")
}

// fileModeOptions gives what the flags say of where a mesh of files is.
func fileModeOptions(c *cobra.Command) (filemode.Options, error) {
	var opts filemode.Options
	var err error
	for name, value := range map[string]*string{
		configDir: &opts.ConfigDir, stateDirFlag: &opts.StateDir, keyFileFlag: &opts.KeyFile,
	} {
		if *value, err = c.Flags().GetString(name); err != nil {
			return filemode.Options{}, err
		}
	}
	return opts, nil
}

// runDiscovery is upstream's RunE, with our server in place of upstream's.
func runDiscovery(c *cobra.Command, extensions []Extension) error {
	cmd.PrintFlags(c.Flags())
	args, err := PilotArgs(c.Flags())
	if err != nil {
		return err
	}
	var files *filemode.Options
	if filemode.Wanted(args) {
		opts, err := fileModeOptions(c)
		if err != nil {
			return err
		}
		opts.SystemNamespace = args.Namespace
		files = &opts
	}
	stop := make(chan struct{})
	instance, err := NewInstance(args, files, extensions...)
	if err != nil {
		return err
	}
	if err := instance.Start(stop); err != nil {
		return err
	}
	cmd.WaitSignal(stop)
	// As upstream says: this may take up to the shutdown duration.
	instance.WaitUntilCompletion()
	return nil
}
