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

package main

import (
	"context"
	"fmt"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"istio.io/istio/pkg/cmd"
	"istio.io/istio/pkg/config/constants"
	"istio.io/istio/pkg/log"
	"istio.io/istio/pkg/version"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/config"
)

// envoyOnly are upstream's flags that are accepted and do nothing, because they are about Envoy.
var envoyOnly = []string{"outlierLogPath", "proxyComponentLogLevel", "proxyLogLevel", "templateFile", "tokenManagerPlugin"}

func newProxyCommand(logging *log.Options) *cobra.Command {
	var args config.Args
	proxy := &cobra.Command{
		Use:   "proxy [sidecar|router]",
		Short: "Receive configuration from istiod and serve it to APISIX",
		Args:  cobra.MaximumNArgs(1),
		// As upstream: a template of another version may have other flags.
		FParseErrWhitelist: cobra.FParseErrWhitelist{UnknownFlags: true},
		PersistentPreRunE: func(*cobra.Command, []string) error {
			return log.Configure(logging)
		},
		RunE: func(c *cobra.Command, role []string) error {
			cmd.PrintFlags(c.Flags())
			log.Infof("Version %s", version.Info.String())
			if ignored := setAmong(c.Flags(), envoyOnly); len(ignored) > 0 {
				log.Debugf("these flags are about Envoy and do nothing here: %s", strings.Join(ignored, ", "))
			}
			if len(role) > 0 {
				args.Role = role[0]
			}
			cfg, err := config.New(args)
			if err != nil {
				return err
			}
			a, err := agent.New(cfg)
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			defer func() { _ = log.Sync() }()
			return a.Run(ctx)
		},
	}
	proxy.SetContext(context.Background())
	addUpstreamFlags(proxy.PersistentFlags(), &args)
	addOwnFlags(proxy.PersistentFlags(), &args)
	return proxy
}

// addUpstreamFlags adds every flag of upstream's "pilot-agent proxy", with its default.
func addUpstreamFlags(flags *pflag.FlagSet, args *config.Args) {
	flags.StringVar(&args.Domain, "domain", "",
		"DNS domain suffix. If not provided uses ${POD_NAMESPACE}.svc.cluster.local")
	flags.StringVar(&args.MeshConfigFile, "meshConfig", "./etc/istio/config/mesh",
		"File name for Istio mesh configuration. If not specified, a default mesh will be used. This may be overridden by "+
			"PROXY_CONFIG environment variable or proxy.istio.io/config annotation.")
	flags.IntVar(&args.StsPort, "stsPort", 0, "Told to istiod; this agent has no Security Token Service.")
	flags.StringVar(&args.ServiceCluster, "serviceCluster", constants.ServiceClusterName, "Service cluster (deprecated)")
	flags.IntVar(&args.Concurrency, "concurrency", 0, "Number of worker threads to run (deprecated)")
	flags.BoolVar(&args.Profiling, "profiling", true, "Enable profiling at /debug/pprof/ of the admin page.")
	for _, name := range envoyOnly {
		flags.String(name, "", "Accepted for compatibility; it is about Envoy and does nothing.")
	}
}

// addOwnFlags adds what upstream has not.
func addOwnFlags(flags *pflag.FlagSet, args *config.Args) {
	flags.BoolVar(&args.Plaintext, "plaintext", false,
		"Connect to istiod without TLS and without credentials. Only for a network that nobody else can reach. "+
			"The same as ISTIOD_PLAINTEXT=true.")
	flags.StringVar(&args.GatewayAddress, "gatewayAddress", "",
		fmt.Sprintf("Where APISIX reads its configuration (etcd v3 over HTTP): a loopback host:port, or unix:///path. Default %s.",
			config.DefaultGatewayAddress))
	flags.StringVar(&args.ReadinessAddress, "readinessAddress", "", "Address of /healthz/ready. Default :15021, or ENVOY_STATUS_PORT.")
	flags.StringVar(&args.StatusAddress, "statusAddress", "",
		"Address of /stats/prometheus and of the application's probes. Default :15020, or the proxy configuration's statusPort.")
	flags.StringVar(&args.AdminAddress, "adminAddress", "",
		"Address of the admin page, on loopback. Default 127.0.0.1:15000, or the proxy configuration's proxyAdminPort.")
	flags.StringVar(&args.APISIXHome, "apisixHome", "",
		"Installation of the APISIX to run, such as /usr/local/apisix. None by default, or APISIX_AGENT_APISIX_HOME.")
	flags.StringVar(&args.ProxyDir, "proxyDir", "",
		"Directory in which APISIX runs. It must not outlive the pod, because the private key is there. Default the proxy configuration's configPath.")
	flags.StringVar(&args.ProxyMetricsAddress, "proxyMetricsAddress", "",
		"Address of APISIX's metrics, on loopback, to join those of the status port, or APISIX_METRICS_ADDRESS. By default an APISIX that the agent runs "+
			"has them at 127.0.0.1:15090, and only while a resource uses its plugin prometheus.")
	flags.StringVar(&args.DataDir, "dataDir", "",
		"Directory of the last good configuration. It must survive a restart of the agent. Default /var/lib/istio/data/apisix-mesh.")
	flags.StringVar(&args.TokenPath, "tokenPath", "", "File of the bearer token for istiod. Default "+constants.ThirdPartyJwtPath+".")
}

// setAmong are those of names that were set.
func setAmong(flags *pflag.FlagSet, names []string) []string {
	var out []string
	for _, n := range names {
		if flags.Changed(n) {
			out = append(out, "--"+n)
		}
	}
	return out
}
