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

package agent

import (
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/ads"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/dns"
	"github.com/apisix-mesh/pilot-apisix/pkg/apis/mesh/v1alpha1"
)

// newDNS is nil when the DNS proxy is off.
func (a *Agent) newDNS() (*dns.Proxy, error) {
	if a.cfg.DNS == nil {
		return nil, nil
	}
	return dns.New(dns.Options{
		Address:         a.cfg.DNS.Address,
		Namespace:       a.cfg.DNS.Namespace,
		Domain:          a.cfg.DNS.Domain,
		ForwardParallel: a.cfg.DNS.ForwardParallel,
		ForwardTimeout:  a.cfg.DNS.ForwardTimeout,
		Dir:             a.cfg.DataDir,
		Workload:        a.cfg.Workload,
		Applied:         a.applied,
	})
}

// subscriptions are what istiod is asked for.
func (a *Agent) subscriptions() []ads.Subscription {
	out := []ads.Subscription{{TypeURL: v1alpha1.TypeURL, Handler: a.intake}}
	if a.dns != nil {
		out = append(out, ads.Subscription{TypeURL: dns.TypeURL, Handler: a.dns})
	}
	return out
}

// servicesReady is nil when what stands between the application and the mesh is there.
func (a *Agent) servicesReady() error {
	if a.dns != nil {
		if err := a.dns.Ready(); err != nil {
			return err
		}
	}
	if a.apisix != nil {
		return a.apisix.ready()
	}
	return nil
}
