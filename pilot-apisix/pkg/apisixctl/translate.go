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
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/translate"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/schema"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

type translateOptions struct {
	meshOptions
	output string
	check  string
	failOn string
}

func newTranslateCommand() *cobra.Command {
	var o translateOptions
	cmd := &cobra.Command{
		Use:   "translate -f DIR|FILE… --proxy NAME.NAMESPACE",
		Short: "Print what the APISIX of a proxy gets for a configuration in files",
		Long: `Print what the APISIX of a proxy gets for a configuration in files: Kubernetes services and Istio's kinds, as the control
plane reads them with --configDir. The proxy is a WorkloadEntry or a Pod among them.

Differences to what the configuration means on Envoy go to the standard error, and into the document for -o json and yaml.`,
		Example: `  # All that productpage's sidecar gets
  apisixctl translate -f samples/bookinfo/platform -f samples/bookinfo/networking/virtual-service-all-v1.yaml --proxy productpage-v1.default

  # A conf/apisix.yaml for a standalone APISIX
  apisixctl translate -f mesh/ --proxy productpage-v1.default -o apisix > conf/apisix.yaml

  # Fail when something would be refused, and check with the schema of a running APISIX
  apisixctl translate -f mesh/ --proxy productpage-v1.default --fail-on Refused --check http://127.0.0.1:9090 > /dev/null`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	o.addFlags(cmd)
	f.StringVarP(&o.output, "output", "o", "yaml", "format: "+strings.Join(formats(), ", "))
	f.StringVar(&o.check, "check", "", "check every resource with APISIX's schema: a file, or the URL of a control API")
	f.StringVar(&o.failOn, "fail-on", "", "exit with an error when there is a diagnostic of this severity or a worse one: Approximated, NotCarried, Refused")
	return cmd
}

func (o *translateOptions) run(ctx context.Context, out, errs io.Writer) error {
	write, ok := writers[o.output]
	if !ok {
		return fmt.Errorf("--output: there is no format %q, only %s", o.output, strings.Join(formats(), ", "))
	}
	limit, err := severityLimit(o.failOn)
	if err != nil {
		return err
	}
	mesh, result, err := o.translate(ctx)
	if err != nil {
		return err
	}
	defer mesh.Close()
	if err := o.checkSchema(ctx, result); err != nil {
		return err
	}
	if err := write(out, result); err != nil {
		return err
	}
	worst := 0
	for _, d := range result.Diagnostics {
		fmt.Fprintln(errs, d)
		worst = max(worst, severityRank(d.Severity))
	}
	if limit > 0 && worst >= limit {
		return fmt.Errorf("--fail-on=%s: see the diagnostics above, and docs/reference/fidelity.md", o.failOn)
	}
	return nil
}

// checkSchema names every resource that APISIX would refuse.
func (o *translateOptions) checkSchema(ctx context.Context, result *translate.Output) error {
	if o.check == "" {
		return nil
	}
	var set *schema.Set
	var err error
	if strings.HasPrefix(o.check, "http://") || strings.HasPrefix(o.check, "https://") {
		set, err = schema.Fetch(ctx, strings.TrimSuffix(o.check, "/"))
	} else {
		set, err = schema.Load(o.check)
	}
	if err != nil {
		return fmt.Errorf("--check: %w", err)
	}
	var refused []error
	for _, r := range result.Resources {
		if err := set.Check(r.Kind, r.JSON); err != nil {
			refused = append(refused, fmt.Errorf("APISIX would refuse %s: %w", r.Name(), err))
		}
	}
	return errors.Join(refused...)
}

var severities = []ir.Severity{ir.Approximated, ir.NotCarried, ir.Refused}

// severityRank counts from 1; the worst is the highest.
func severityRank(s ir.Severity) int { return slices.Index(severities, s) + 1 }

func severityLimit(name string) (int, error) {
	if name == "" {
		return 0, nil
	}
	if rank := severityRank(ir.Severity(name)); rank > 0 {
		return rank, nil
	}
	return 0, fmt.Errorf("--fail-on: there is no severity %q, only %v", name, severities)
}
