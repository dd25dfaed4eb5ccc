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
	"os"
	"path/filepath"
	"strconv"
	"strings"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	meshconfig "istio.io/api/mesh/v1alpha1"
	upstreamconfig "istio.io/istio/pilot/cmd/pilot-agent/config"
	"istio.io/istio/pilot/cmd/pilot-agent/status"
	"istio.io/istio/pkg/config/constants"
	istiosecurity "istio.io/istio/pkg/security"
)

const (
	// DefaultGatewayAddress is where APISIX finds its configuration when nothing else is said.
	DefaultGatewayAddress = "127.0.0.1:15022"
	// dataDirName is the agent's directory inside Istio's data directory.
	dataDirName = "apisix-mesh"
	// plaintextPort is istiod's port without TLS.
	plaintextPort = "15010"
)

// Args are the flags of "pilot-agent proxy". Those that the empty value leaves open are taken from the environment,
// then from the proxy's configuration, then from Istio's defaults.
type Args struct {
	// Role of the proxy: "sidecar", or "router" for a gateway. Istio's node types are a closed set.
	Role string
	// Domain is the DNS suffix of the workload; "<namespace>.svc.cluster.local" when empty.
	Domain string
	// MeshConfigFile is a file with a MeshConfig, which need not exist.
	MeshConfigFile string
	// ServiceCluster and Concurrency are upstream's deprecated flags.
	ServiceCluster string
	Concurrency    int
	// StsPort is told to istiod as upstream does.
	StsPort int
	// Profiling adds /debug/pprof to the admin page.
	Profiling bool
	// APISIXHome is the installation of the APISIX to run; none when empty.
	APISIXHome string
	// ProxyDir is the directory of the proxy; the proxy configuration's configPath when empty.
	ProxyDir string

	// Plaintext connects to istiod without TLS.
	Plaintext bool
	// GatewayAddress, ReadinessAddress, StatusAddress and AdminAddress are host:port. Only the gateway may also be
	// "unix:///path". A port of 0 takes a free one.
	GatewayAddress   string
	ReadinessAddress string
	StatusAddress    string
	AdminAddress     string
	// ProxyMetricsAddress is where APISIX serves its metrics, a loopback host:port.
	ProxyMetricsAddress string
	// DataDir keeps what must survive a restart.
	DataDir string
	// TokenPath is the file of the bearer token; Istio's usual place when empty.
	TokenPath string
}

// Config is what the agent runs with.
type Config struct {
	// Node goes into the first request of every stream.
	Node *core.Node
	// Workload is "<name>.<namespace>": the identity under which state on disk is kept.
	Workload string
	// ProxyConfig is the effective one: defaults, mesh file, PROXY_CONFIG, then the pod's annotation.
	ProxyConfig *meshconfig.ProxyConfig

	// XDS is how to reach istiod.
	XDS XDS
	// Security is the configuration of Istio's secret manager and CA client.
	Security *istiosecurity.Options
	// CARootCA is the CA_ROOT_CA variable: a file, "SYSTEM", or empty for Istio's usual places.
	CARootCA string

	// GatewayAddress serves APISIX, on loopback or a unix socket.
	GatewayAddress string
	// ReadinessAddress serves /healthz/ready; all addresses, port 15021.
	ReadinessAddress string
	// StatusAddress serves /stats/prometheus and the health check; all addresses, port 15020.
	StatusAddress string
	// AdminAddress serves the admin page; loopback, port 15000.
	AdminAddress string
	// Profiling adds /debug/pprof to the admin page.
	Profiling bool

	// Proxy is the APISIX to run; nil for none.
	Proxy *Proxy
	// InstanceIP is the pod's address, where the application listens; empty outside of Kubernetes.
	InstanceIP string
	// AppProbers are the pod's probes as injection left them, a JSON object.
	AppProbers string
	// PrometheusAnnotations are those of the pod as injection left them, a JSON object; always empty for a router.
	PrometheusAnnotations string
	// ProxyMetricsAddress is where APISIX serves its metrics, on loopback; empty when it does not.
	ProxyMetricsAddress string

	// DNS is the DNS proxy; nil when it is off.
	DNS *DNS

	// DataDir keeps the last good configuration.
	DataDir string
	// TokenPath is the file of the bearer token.
	TokenPath string
}

// XDS is how to reach istiod.
type XDS struct {
	// Address is host:port.
	Address string
	// Plaintext is true only when the operator said so; it sends no credentials.
	Plaintext bool
	// PlaintextReason is the switch that asked for it, for the log.
	PlaintextReason string
	// RootCA is the XDS_ROOT_CA variable: a file, "SYSTEM", or empty for Istio's usual places.
	RootCA string
	// SAN overrides the name that istiod's certificate must carry.
	SAN string
	// Headers are added to the stream.
	Headers map[string]string
	// Compression is "" or "gzip".
	Compression string
}

// New makes the configuration from flags and the process's environment. It reads Istio's files (mesh configuration,
// pod annotations and labels) relative to the working directory, as Istio's agent does.
func New(args Args) (*Config, error) {
	role := args.Role
	switch role {
	case "":
		role = "sidecar"
	case "sidecar", "router":
	default:
		return nil, fmt.Errorf("proxy role %q: Istio knows sidecar and router", role)
	}
	pc, err := upstreamconfig.ConstructProxyConfig(args.MeshConfigFile, args.ServiceCluster, proxyConfigVar.Get(), args.Concurrency)
	if err != nil {
		return nil, fmt.Errorf("proxy configuration: %w", err)
	}
	c := &Config{
		ProxyConfig: pc,
		CARootCA:    caRootCAVar.Get(),
		Profiling:   args.Profiling,
		InstanceIP:  instanceIPVar.Get(),
		AppProbers:  appProbersVar.Get(),
		TokenPath:   orDefault(args.TokenPath, constants.ThirdPartyJwtPath),
		DataDir:     orDefault(args.DataDir, dataDirVar.Get(), filepath.Join(constants.IstioDataDir, dataDirName)),
	}
	if role == "sidecar" {
		// A gateway's Service may have the status port, and would show the application's metrics to everybody.
		c.PrometheusAnnotations = status.PrometheusScrapingConfig.Get()
	}
	if err := c.setAddresses(args); err != nil {
		return nil, err
	}
	if err := c.setXDS(args); err != nil {
		return nil, err
	}
	if err := c.setDNS(role, args.Domain); err != nil {
		return nil, err
	}
	if c.Security, err = newSecurityOptions(c, args.StsPort); err != nil {
		return nil, err
	}
	if c.Proxy, err = newProxy(args, pc, addresses()); err != nil {
		return nil, err
	}
	if c.Workload, c.Node, err = newNode(role, args, pc, c.XDS.RootCA); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Config) setXDS(args Args) error {
	address := c.ProxyConfig.GetDiscoveryAddress()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("discoveryAddress %q of the proxy configuration: not host:port: %w", address, err)
	}
	c.XDS = XDS{
		Address:     address,
		RootCA:      xdsRootCAVar.Get(),
		SAN:         istiodSANVar.Get(),
		Headers:     headersFromEnv(os.Environ(), xdsHeaderPrefix),
		Compression: compressionVar.Get(),
	}
	switch {
	case args.Plaintext:
		c.XDS.Plaintext, c.XDS.PlaintextReason = true, "--plaintext"
	case plaintextVar.Get():
		c.XDS.Plaintext, c.XDS.PlaintextReason = true, plaintextVar.Name+"=true"
	case c.ProxyConfig.GetControlPlaneAuthPolicy() == meshconfig.AuthenticationPolicy_NONE:
		c.XDS.Plaintext, c.XDS.PlaintextReason = true, "controlPlaneAuthPolicy: NONE"
	case port == plaintextPort:
		return fmt.Errorf("discoveryAddress %q of the proxy configuration: port %s is istiod's port without TLS: use port 15012, "+
			"or allow it with --plaintext, %s=true or controlPlaneAuthPolicy: NONE", address, plaintextPort, plaintextVar.Name)
	}
	if z := c.XDS.Compression; z != "" && z != "gzip" {
		return fmt.Errorf("%s=%q: only gzip, or nothing", compressionVar.Name, z)
	}
	return nil
}

func (c *Config) setAddresses(args Args) error {
	c.GatewayAddress = orDefault(args.GatewayAddress, gatewayAddressVar.Get(), DefaultGatewayAddress)
	c.ReadinessAddress = orDefault(args.ReadinessAddress, ":"+strconv.Itoa(envoyStatusPortVar.Get()))
	c.StatusAddress = orDefault(args.StatusAddress, ":"+strconv.Itoa(int(c.ProxyConfig.GetStatusPort())))
	c.AdminAddress = orDefault(args.AdminAddress,
		net.JoinHostPort("127.0.0.1", strconv.Itoa(int(c.ProxyConfig.GetProxyAdminPort()))))
	c.ProxyMetricsAddress = orDefault(args.ProxyMetricsAddress, proxyMetricsVar.Get())
	for _, a := range []struct{ flag, address string }{
		{"readinessAddress", c.ReadinessAddress},
		{"statusAddress", c.StatusAddress},
		{"adminAddress", c.AdminAddress},
		{"proxyMetricsAddress", c.ProxyMetricsAddress},
	} {
		if a.address == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(a.address); err != nil {
			return fmt.Errorf("--%s %q: not host:port: %w", a.flag, a.address, err)
		}
	}
	// The admin page shows the whole configuration.
	if !onLoopback(c.AdminAddress) {
		return fmt.Errorf("--adminAddress %q: not a loopback address, such as 127.0.0.1:15000", c.AdminAddress)
	}
	if c.ProxyMetricsAddress != "" && !onLoopback(c.ProxyMetricsAddress) {
		return fmt.Errorf("--proxyMetricsAddress %q: not a loopback address, such as 127.0.0.1:9091", c.ProxyMetricsAddress)
	}
	if !strings.HasPrefix(c.GatewayAddress, "unix:") {
		if _, _, err := net.SplitHostPort(c.GatewayAddress); err != nil {
			return fmt.Errorf("--gatewayAddress %q: neither host:port nor unix:///path: %w", c.GatewayAddress, err)
		}
	}
	return nil
}

func onLoopback(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// orDefault is the first of values that is not empty.
func orDefault(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
