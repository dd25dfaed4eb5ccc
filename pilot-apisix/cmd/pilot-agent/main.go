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

// Command pilot-agent is the first process of an APISIX sidecar, in the place of Istio's command of that name: it keeps a
// stream to istiod and serves what it receives to APISIX. See pilot-apisix/pkg/agent.
package main

import (
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"istio.io/istio/pkg/cmd"
	"istio.io/istio/pkg/log"
	"istio.io/istio/pkg/version"
	iptables "istio.io/istio/tools/istio-iptables/pkg/cmd"
)

// gcPercent lets the heap grow by half before the next collection, not by all: in each sidecar, memory is worth more
// than the little time that this takes.
const gcPercent = 50

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if err := newRootCommand().Execute(); err != nil {
		log.Error(err)
		_ = log.Sync()
		os.Exit(1)
	}
}

// newRootCommand has the subcommands of upstream's pilot-agent that have a meaning without Envoy.
func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "pilot-agent",
		Short:         "Agent of an APISIX sidecar",
		Long:          "pilot-agent runs in the sidecar: it receives APISIX's configuration from istiod and serves it to APISIX.",
		SilenceUsage:  true,
		SilenceErrors: true,
		// As upstream: a template of another version may have other flags.
		FParseErrWhitelist: cobra.FParseErrWhitelist{UnknownFlags: true},
	}
	logging := log.DefaultOptions()
	logging.AttachCobraFlags(root)
	cmd.AddFlags(root)
	root.AddCommand(newProxyCommand(logging), newRequestCommand(), newWaitCommand(), version.CobraCommand(), iptables.GetCommand(logging))
	return root
}
