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
	"sort"
	"time"

	"github.com/spf13/pflag"

	istiobootstrap "istio.io/istio/pilot/pkg/bootstrap"
	"istio.io/istio/pkg/cluster"
	"istio.io/istio/pkg/ctrlz"
)

// flagSetter copies the value of a flag into the arguments.
type flagSetter func(fs *pflag.FlagSet, name string, args *istiobootstrap.PilotArgs) error

// set makes a setter from the way to read a flag and the way to the field that it fills.
func set[T any](get func(*pflag.FlagSet, string) (T, error), field func(*istiobootstrap.PilotArgs) *T) flagSetter {
	return func(fs *pflag.FlagSet, name string, args *istiobootstrap.PilotArgs) error {
		v, err := get(fs, name)
		if err != nil {
			return err
		}
		*field(args) = v
		return nil
	}
}

// The ways to read a flag.
var (
	text      = (*pflag.FlagSet).GetString
	texts     = (*pflag.FlagSet).GetStringSlice
	textPairs = (*pflag.FlagSet).GetStringToString
	duration  = (*pflag.FlagSet).GetDuration
	boolean   = (*pflag.FlagSet).GetBool
	integer   = (*pflag.FlagSet).GetInt
	port      = (*pflag.FlagSet).GetUint16
	number    = (*pflag.FlagSet).GetFloat32
)

type pilotArgs = istiobootstrap.PilotArgs

// discoveryFlags are upstream's flags of `discovery` that fill PilotArgs, and what they fill.
var discoveryFlags = map[string]flagSetter{
	"registries":                 set(texts, func(a *pilotArgs) *[]string { return &a.RegistryOptions.Registries }),
	"clusterRegistriesNamespace": set(text, func(a *pilotArgs) *string { return &a.RegistryOptions.ClusterRegistriesNamespace }),
	"kubeconfig":                 set(text, func(a *pilotArgs) *string { return &a.RegistryOptions.KubeConfig }),
	"meshConfig":                 set(text, func(a *pilotArgs) *string { return &a.MeshConfigFile }),
	"networksConfig":             set(text, func(a *pilotArgs) *string { return &a.NetworksConfigFile }),
	"namespace":                  set(text, func(a *pilotArgs) *string { return &a.Namespace }),
	"cniNamespace":               set(text, func(a *pilotArgs) *string { return &a.CniNamespace }),
	"shutdownDuration":           set(duration, func(a *pilotArgs) *time.Duration { return &a.ShutdownDuration }),

	"configDir":          set(text, func(a *pilotArgs) *string { return &a.RegistryOptions.FileDir }),
	"domain":             set(text, func(a *pilotArgs) *string { return &a.RegistryOptions.KubeOptions.DomainSuffix }),
	"clusterID":          set(clusterID, func(a *pilotArgs) *cluster.ID { return &a.RegistryOptions.KubeOptions.ClusterID }),
	"clusterAliases":     set(textPairs, func(a *pilotArgs) *map[string]string { return &a.RegistryOptions.KubeOptions.ClusterAliases }),
	"kubernetesApiQPS":   set(number, func(a *pilotArgs) *float32 { return &a.RegistryOptions.KubeOptions.KubernetesAPIQPS }),
	"kubernetesApiBurst": set(integer, func(a *pilotArgs) *int { return &a.RegistryOptions.KubeOptions.KubernetesAPIBurst }),

	"httpAddr":       set(text, func(a *pilotArgs) *string { return &a.ServerOptions.HTTPAddr }),
	"httpsAddr":      set(text, func(a *pilotArgs) *string { return &a.ServerOptions.HTTPSAddr }),
	"grpcAddr":       set(text, func(a *pilotArgs) *string { return &a.ServerOptions.GRPCAddr }),
	"secureGRPCAddr": set(text, func(a *pilotArgs) *string { return &a.ServerOptions.SecureGRPCAddr }),
	"monitoringAddr": set(text, func(a *pilotArgs) *string { return &a.ServerOptions.MonitoringAddr }),
	"profile":        set(boolean, func(a *pilotArgs) *bool { return &a.ServerOptions.EnableProfiling }),

	"caCertFile":        set(text, func(a *pilotArgs) *string { return &a.ServerOptions.TLSOptions.CaCertFile }),
	"tlsCertFile":       set(text, func(a *pilotArgs) *string { return &a.ServerOptions.TLSOptions.CertFile }),
	"tlsKeyFile":        set(text, func(a *pilotArgs) *string { return &a.ServerOptions.TLSOptions.KeyFile }),
	"tls-cipher-suites": set(textsOrNil, func(a *pilotArgs) *[]string { return &a.ServerOptions.TLSOptions.TLSCipherSuites }),
	"tls-min-version":   set(text, func(a *pilotArgs) *string { return &a.ServerOptions.TLSOptions.TLSMinVersion }),

	"ctrlz_port":    set(port, func(a *pilotArgs) *uint16 { return &a.CtrlZOptions.Port }),
	"ctrlz_address": set(text, func(a *pilotArgs) *string { return &a.CtrlZOptions.Address }),

	"keepaliveInterval":               set(duration, func(a *pilotArgs) *time.Duration { return &a.KeepaliveOptions.Time }),
	"keepaliveTimeout":                set(duration, func(a *pilotArgs) *time.Duration { return &a.KeepaliveOptions.Timeout }),
	"keepaliveMaxServerConnectionAge": set(duration, func(a *pilotArgs) *time.Duration { return &a.KeepaliveOptions.MaxServerConnectionAge }),
}

// loggingFlags are upstream's flags that fill its logging options: upstream's own PreRunE, which still runs, applies them.
var loggingFlags = []string{
	"log_as_json", "log_caller", "log_output_level", "log_stacktrace_level", "log_target",
}

// PilotArgs gives the arguments that upstream would make of the parsed flags of its `discovery` command.
func PilotArgs(fs *pflag.FlagSet) (*istiobootstrap.PilotArgs, error) {
	// The defaults that no flag sets are those of upstream's addFlags.
	args := istiobootstrap.NewPilotArgs(func(p *istiobootstrap.PilotArgs) {
		p.CtrlZOptions = ctrlz.DefaultOptions()
		p.InjectionOptions = istiobootstrap.InjectionOptions{InjectionDirectory: "./var/lib/istio/inject"}
	})
	names := make([]string, 0, len(discoveryFlags))
	for name := range discoveryFlags {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if err := discoveryFlags[name](fs, name, args); err != nil {
			return nil, fmt.Errorf("flag --%s: %w", name, err)
		}
	}
	if err := args.Complete(); err != nil {
		return nil, err
	}
	return args, nil
}

// textsOrNil reads a flag that is nil by default, which GetStringSlice does not tell.
func textsOrNil(fs *pflag.FlagSet, name string) ([]string, error) {
	if !fs.Changed(name) {
		return nil, nil
	}
	return fs.GetStringSlice(name)
}

func clusterID(fs *pflag.FlagSet, name string) (cluster.ID, error) {
	v, err := fs.GetString(name)
	return cluster.ID(v), err
}
