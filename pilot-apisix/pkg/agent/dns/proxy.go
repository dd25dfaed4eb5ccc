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

package dns

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/proto"

	"istio.io/istio/pkg/dns/client"
	dnsproto "istio.io/istio/pkg/dns/proto"
	istiolog "istio.io/istio/pkg/log"
	"istio.io/istio/pkg/model"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/ads"
)

var log = istiolog.RegisterScope("agentdns", "name tables of the APISIX agent's DNS proxy")

// TypeURL is the type of name tables.
const TypeURL = model.NameTableType

// Options configures a Proxy.
type Options struct {
	// Address is the host:port to listen on, UDP and TCP. "localhost" is each family that /etc/resolv.conf has servers of.
	Address string
	// Namespace and Domain are the workload's: short names are resolved in them.
	Namespace, Domain string
	// ForwardParallel asks all name servers at once, ForwardTimeout bounds how long one may take; Istio's 5 s when zero.
	ForwardParallel bool
	ForwardTimeout  time.Duration
	// Dir keeps the last good table, if set; Workload is whose it is.
	Dir, Workload string
	// Applied is called after each response, with the bytes that it held, if set.
	Applied func(bytes int)
}

// Proxy is a DNS server with a table of istiod's.
type Proxy struct {
	opts   Options
	server *client.LocalDNSServer

	mu sync.Mutex
	// sum is that of the table in use.
	sum [sha256.Size]byte
}

var _ ads.Handler = &Proxy{}

// New opens the ports and reads the last good table. Queries wait until Start.
func New(o Options) (*Proxy, error) {
	if o.ForwardTimeout <= 0 {
		o.ForwardTimeout = client.DefaultUpstreamTimeout
	}
	server, err := client.NewLocalDNSServer(o.Namespace, o.Domain, o.Address,
		client.WithParallelForwarding(o.ForwardParallel), client.WithUpstreamTimeout(o.ForwardTimeout))
	if err != nil {
		return nil, fmt.Errorf("DNS proxy at %s: %w; another address is set with DNS_PROXY_ADDR", o.Address, err)
	}
	p := &Proxy{opts: o, server: server}
	saved, err := readTable(o.Dir, o.Workload)
	if err != nil {
		log.Warnf("begins without a name table: %v", err)
	} else if saved != nil {
		if err := p.use(saved); err != nil {
			log.Warnf("begins without a name table: %v", err)
		}
	}
	return p, nil
}

// Start answers queries, until Close.
func (p *Proxy) Start() {
	p.server.StartDNS()
}

// Close closes the ports, if Start was called; upstream's server has no way to close what it does not serve.
func (p *Proxy) Close() {
	p.server.Close()
}

// Ready is nil once there is a table.
func (p *Proxy) Ready() error {
	if p.server.IsReady() {
		return nil
	}
	return errors.New("no name table yet, neither from istiod nor from disk, and DNS capture is on (ISTIO_META_DNS_CAPTURE)")
}

// Table is the one in use, nil before there is one. It must not be changed.
func (p *Proxy) Table() *dnsproto.NameTable {
	return p.server.NameTable()
}

// Versions implements ads.Handler. istiod has no versions of tables.
func (p *Proxy) Versions() map[string]string {
	return nil
}

// Handle implements ads.Handler.
func (p *Proxy) Handle(resources []*discovery.Resource, _ []string) []ads.Rejection {
	var rejections []ads.Rejection
	size := 0
	for _, r := range resources {
		size += len(r.GetResource().GetValue())
		if err := p.take(r); err != nil {
			name := r.GetName()
			if name == "" {
				name = "name table"
			}
			rejections = append(rejections, ads.Rejection{Name: name, Reason: err.Error()})
		}
	}
	if p.opts.Applied != nil {
		p.opts.Applied(size)
	}
	return rejections
}

// take puts a table of istiod's in use and saves it.
func (p *Proxy) take(r *discovery.Resource) error {
	if t := r.GetResource().GetTypeUrl(); t != TypeURL {
		return fmt.Errorf("type %q is not %s", t, TypeURL)
	}
	b := r.GetResource().GetValue()
	if p.holds(b) {
		return nil
	}
	if err := p.use(b); err != nil {
		return err
	}
	if err := writeTable(p.opts.Dir, p.opts.Workload, b); err != nil {
		log.Errorf("the name table is in use, and not saved: %v", err)
	}
	return nil
}

// holds reports whether the table in use is this one. istiod sends one after every change of a service, be it of another
// namespace, and the index of a large table is not built for nothing.
func (p *Proxy) holds(b []byte) bool {
	sum := sha256.Sum256(b)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.server.IsReady() && bytes.Equal(sum[:], p.sum[:])
}

func (p *Proxy) use(b []byte) error {
	table := &dnsproto.NameTable{}
	if err := proto.Unmarshal(b, table); err != nil {
		return fmt.Errorf("not a name table: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.server.UpdateLookupTable(table)
	p.sum = sha256.Sum256(b)
	return nil
}
