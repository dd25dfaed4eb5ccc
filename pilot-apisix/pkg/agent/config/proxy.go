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

package config

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	meshconfig "istio.io/api/mesh/v1alpha1"
	"istio.io/istio/pkg/config/constants"
)

// proxyDirName is APISIX's directory inside the proxy's own, which in a pod is kept in memory.
const proxyDirName = "apisix"

// defaultMetricsAddress has the port that Envoy has for the same, which Istio's rules do not capture.
const defaultMetricsAddress = "127.0.0.1:15090"

// Proxy is the APISIX that the agent runs.
type Proxy struct {
	// Home is the installation.
	Home string
	// Dir is where it runs. It must be gone with the pod, because the private key is there.
	Dir string
	// Router is true for a gateway, which opens the ports that istiod says.
	Router bool
	// MetricsAddress is where APISIX serves its metrics, on loopback, as soon as a resource asks for its plugin prometheus; always with MetricsAlways.
	MetricsAddress string
	MetricsAlways  bool
	// Capture says that connections are captured on their way, as Istio's rules do it.
	Capture bool
	// IPv4 and IPv6 are the families of the workload's addresses.
	IPv4, IPv6 bool
	// Workers is the number of worker processes; 0 for one per core.
	Workers int
	// DrainDuration is how long the proxy serves on after it was told to end.
	DrainDuration time.Duration
	// ExitOnZeroConnections ends it as soon as there are none left, after MinimumDrainDuration.
	ExitOnZeroConnections bool
	MinimumDrainDuration  time.Duration
}

// newProxy is nil when the agent is to run none.
func newProxy(args Args, pc *meshconfig.ProxyConfig, addresses []string) (*Proxy, error) {
	home := orDefault(args.APISIXHome, apisixHomeVar.Get())
	if home == "" {
		return nil, nil
	}
	metrics := orDefault(args.ProxyMetricsAddress, proxyMetricsVar.Get())
	p := &Proxy{
		Home:                  home,
		Router:                args.Role == "router",
		MetricsAddress:        byNumber(orDefault(metrics, defaultMetricsAddress)),
		MetricsAlways:         metrics != "",
		Dir:                   filepath.Join(orDefault(args.ProxyDir, pc.GetConfigPath(), constants.ConfigPathDir), proxyDirName),
		Workers:               int(pc.GetConcurrency().GetValue()),
		DrainDuration:         pc.GetTerminationDrainDuration().AsDuration(),
		ExitOnZeroConnections: exitOnZeroVar.Get(),
		MinimumDrainDuration:  minimumDrainVar.Get(),
	}
	switch mode := pc.GetInterceptionMode(); {
	case p.Router, mode == meshconfig.ProxyConfig_NONE, os.Getenv("ISTIO_META_INTERCEPTION_MODE") == "NONE":
	case mode == meshconfig.ProxyConfig_REDIRECT:
		p.Capture = true
	default:
		return nil, fmt.Errorf("interceptionMode %s of the proxy configuration: APISIX takes connections that are redirected (REDIRECT), or none (NONE)", mode)
	}
	for _, a := range addresses {
		ip, err := netip.ParseAddr(a)
		if err != nil {
			continue
		}
		p.IPv4 = p.IPv4 || ip.Is4()
		p.IPv6 = p.IPv6 || ip.Is6()
	}
	return p, nil
}

// byNumber has an IP address for "localhost", as nginx listens on nothing else.
func byNumber(address string) string {
	if host, port, err := net.SplitHostPort(address); err == nil && host == "localhost" {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return address
}
