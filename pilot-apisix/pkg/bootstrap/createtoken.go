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
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/filemode"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/filemode/token"
)

// newCreateTokenCommand is `kubectl create token` for a mesh of files.
func newCreateTokenCommand() *cobra.Command {
	var req token.Request
	var boundKind string
	c := &cobra.Command{
		Use:   "create-token SERVICE_ACCOUNT_NAME",
		Short: "Request a service account token for a mesh of files.",
		Long: "Prints a token with which an agent proves to a control plane in file mode that it is a service account.\n" +
			"Like `kubectl create token`, but signed with the key that the control plane in file mode uses: give the same --configDir " +
			"(or --stateDir, or --serviceAccountKeyFile) as to `pilot-discovery discovery`. The control plane need not run.",
		Example: "  pilot-discovery create-token bookinfo-reviews -n default --configDir samples/bookinfo > token",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			req.ServiceAccount = args[0]
			if (req.Pod == "") != (boundKind == "") || boundKind != "" && boundKind != "Pod" {
				return errors.New("--bound-object-kind and --bound-object-name go together, and the kind can only be Pod")
			}
			opts, err := fileModeOptions(c)
			if err != nil {
				return err
			}
			text, err := createToken(opts, req)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), text)
			return err
		},
	}
	addFileModeFlags(c)
	f := c.Flags()
	f.String(configDir, "", "Configuration directory of the mesh")
	f.StringVarP(&req.Namespace, "namespace", "n", "default", "Namespace of the service account")
	f.StringSliceVar(&req.Audiences, "audience", []string{token.DefaultAudience}, "Who may accept the token; may be repeated")
	f.DurationVar(&req.Duration, "duration", token.DefaultDuration, "How long the token is valid, such as 10m or 24h")
	f.StringVar(&boundKind, "bound-object-kind", "", "Kind of an object to bind the token to: Pod")
	f.StringVar(&req.Pod, "bound-object-name", "", "Name of the object to bind the token to")
	return c
}

func createToken(opts filemode.Options, req token.Request) (string, error) {
	file, err := opts.TokenKeyFile()
	if err != nil {
		return "", err
	}
	key, err := token.LoadOrCreateKey(file)
	if err != nil {
		return "", err
	}
	authority, err := token.NewAuthority(key)
	if err != nil {
		return "", err
	}
	return authority.Issue(req)
}
