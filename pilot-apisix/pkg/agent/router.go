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
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/ads"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/apisixconf"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/config"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/listeners"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

const (
	// routerPort is where a gateway's APISIX answers the agent, on loopback. It leads nowhere else.
	routerPort = 15080
	// retryPorts is how often ports are tried that could not be opened.
	retryPorts = 5 * time.Second
)

// listenersName is the resource with the ports of a gateway.
var listenersName = apisix.Name(apisix.PluginMetadata, apisix.MeshListenersID)

// newChooser is nil for a sidecar.
func newChooser(cfg *config.Proxy) *listeners.Chooser {
	if !cfg.Router {
		return nil
	}
	reserved := map[int]string{routerPort: "its own status"}
	if a, err := netip.ParseAddrPort(cfg.MetricsAddress); err == nil {
		reserved[int(a.Port())] = "its metrics"
	}
	return listeners.New(listeners.Options{IPv4: cfg.IPv4, IPv6: cfg.IPv6, Reserved: reserved})
}

// listen opens the ports of a gateway as far as they can be opened, and tells of the others.
func (c *sidecar) listen(o *apisixconf.Options) {
	var metadata []byte
	if r := c.store.Get(listenersName); r != nil {
		metadata = r.JSON
	}
	st := c.ports.Choose(metadata)
	o.Router = true
	o.Listen = append(o.Listen, st.Of(apisix.ListenHTTP)...)
	o.TLS, o.Stream, o.StreamTLS = st.Of(apisix.ListenHTTPS), st.Of(apisix.ListenTCP), st.Of(apisix.ListenTLS)
	// What is wrong with the ports is no content of the resource: it stays, and they are tried again.
	if reason := st.Reason(); c.refusals.intake.Complain(listenersName, reason) {
		var rejections []ads.Rejection
		if reason != "" {
			rejections = append(rejections, ads.Rejection{Name: listenersName, Reason: reason})
		} else {
			log.Infof("all ports of the gateway are open")
		}
		c.refusals.report(rejections)
	}
}

// lost takes a line of APISIX's error log that says that it did not get a port, without which it got nothing of its new configuration.
func (c *sidecar) lost(line string) {
	if c.ports == nil {
		return
	}
	if address, reason := listeners.Lost(line); address != "" && c.ports.Failed(address, reason) {
		c.Changed()
	}
}

// openPorts tries ports again that could not be opened.
func (c *sidecar) openPorts(ctx context.Context) {
	tick := time.NewTicker(retryPorts)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if len(c.ports.Status().Refused) > 0 {
			c.Changed()
		}
	}
}

// clientPorts are those that clients are connected to.
func (c *sidecar) clientPorts() []int {
	switch {
	case c.ports != nil:
		var out []int
		for _, l := range c.ports.Status().Open {
			if a, err := netip.ParseAddrPort(l.Address); err == nil && !slices.Contains(out, int(a.Port())) {
				out = append(out, int(a.Port()))
			}
		}
		return out
	case c.cfg.Capture:
		return []int{apisixconf.OutboundPort, apisixconf.InboundPort}
	default:
		return []int{explicitPort}
	}
}
