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
	"strconv"
	"time"

	"istio.io/istio/pkg/config/constants"
)

// DNS is the DNS proxy.
type DNS struct {
	// Address is host:port, UDP and TCP.
	Address string
	// Namespace and Domain are the workload's: short names are resolved in them.
	Namespace, Domain string
	// ForwardParallel asks all name servers at once, ForwardTimeout bounds how long one may take.
	ForwardParallel bool
	ForwardTimeout  time.Duration
}

// setDNS turns the proxy on as upstream does: in a sidecar when DNS is captured, anywhere when it is asked for. What
// injection makes an environment variable may also stand in proxyMetadata, for a host without injection.
func (c *Config) setDNS(role, domain string) error {
	captured, err := c.metadataBool(dnsCaptureVar.Name)
	if err != nil {
		return err
	}
	asked, err := c.metadataBool(dnsServerVar.Name)
	if err != nil {
		return err
	}
	if !asked && (!captured || role != "sidecar") {
		return nil
	}
	address := orDefault(dnsAddressVar.Get(), constants.DefaultDNSProxyAddr)
	if _, _, err := net.SplitHostPort(address); err != nil {
		return fmt.Errorf("%s=%q: not host:port: %w", dnsAddressVar.Name, address, err)
	}
	c.DNS = &DNS{
		Address:         address,
		Namespace:       podNamespaceVar.Get(),
		Domain:          domainOf(domain),
		ForwardParallel: dnsForwardParallelVar.Get(),
		ForwardTimeout:  dnsForwardTimeoutVar.Get(),
	}
	return nil
}

// metadataBool is a variable of the environment, else of the proxy configuration's proxyMetadata.
func (c *Config) metadataBool(name string) (bool, error) {
	value, set := os.LookupEnv(name)
	where := name
	if !set {
		value, where = c.ProxyConfig.GetProxyMetadata()[name], "proxyMetadata."+name+" of the proxy configuration"
	}
	if value == "" {
		return false, nil
	}
	out, err := strconv.ParseBool(value)
	if err != nil {
		return false, fmt.Errorf("%s=%q: neither true nor false", where, value)
	}
	return out, nil
}
