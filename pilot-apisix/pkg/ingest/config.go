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

package ingest

import (
	"slices"
	"weak"

	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pkg/config/host"

	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// Input is all that a configuration is made from.
type Input struct {
	// Proxy must have its SidecarScope set for Push.
	Proxy *model.Proxy
	Push  *model.PushContext
	// Endpoints is the index that registries keep current, also while a push context stays the same.
	Endpoints *model.EndpointIndex
	// Credentials are for proxies of type router; nil for none.
	Credentials Credentials
}

// inputs is what a configuration was made from, to see whether it is still true. It does not keep a push context alive.
type inputs struct {
	push     weak.Pointer[model.PushContext]
	scope    weak.Pointer[model.SidecarScope]
	clusters []clusterInputs
}

// Build makes the configuration for in. Prev is the result of an earlier call for a proxy with an equal Key, or nil:
// virtual hosts and clusters that are still true keep their pointers, and when all are, prev itself is returned.
func Build(in Input, prev *ir.Config) *ir.Config {
	var last *inputs
	if prev != nil {
		last, _ = prev.Inputs.(*inputs)
	}
	// A gateway reads Secrets too.
	if last != nil && last.push.Value() == in.Push && last.scope.Value() == in.Proxy.SidecarScope && in.Proxy.Type != model.Router {
		return refreshEndpoints(in, prev, last)
	}
	b := newBuilder(in)
	b.build()
	now := &inputs{push: weak.Make(in.Push), scope: weak.Make(in.Proxy.SidecarScope)}
	b.config.Clusters, now.clusters = b.clusters(prev, last)
	b.config.Inputs = now
	return b.config
}

// refreshEndpoints makes only those clusters anew whose endpoints changed. It serves a context that was read before, as when
// proxies connect; istiod's own pushes make a new one even for endpoints, and then everything but unchanged clusters is
// built again.
func refreshEndpoints(in Input, prev *ir.Config, last *inputs) *ir.Config {
	var next *ir.Config
	var now *inputs
	var shards shardsReader
	for i := range last.clusters {
		c := &last.clusters[i]
		current := shards.read(in.Endpoints, c.service)
		if c.shards.equal(current) {
			continue
		}
		if next == nil {
			clone := *prev
			next = &clone
			next.Clusters = slices.Clone(prev.Clusters)
			now = &inputs{push: last.push, scope: last.scope, clusters: slices.Clone(last.clusters)}
			next.Inputs = now
		}
		changed := *c
		changed.shards = current.clone()
		now.clusters[i] = changed
		next.Clusters[i] = buildCluster(in, &changed)
	}
	if next == nil {
		return prev
	}
	return next
}

// builder collects a configuration.
type builder struct {
	in    Input
	scope *model.SidecarScope
	// wanted are the clusters that routes lead to, names their names.
	wanted []wantedCluster
	names  map[clusterKey]string
	// inboundByPort are the ports of the workload.
	inboundByPort map[int]*inboundPort

	config *ir.Config
	seen   map[ir.Diagnostic]struct{}
}

func newBuilder(in Input) *builder {
	services := len(in.Proxy.SidecarScope.Services())
	return &builder{
		in:     in,
		scope:  in.Proxy.SidecarScope,
		wanted: make([]wantedCluster, 0, services),
		names:  make(map[clusterKey]string, services),
		config: &ir.Config{},
	}
}

func (b *builder) build() {
	if b.in.Proxy.Type == model.Router {
		b.gateway()
		return
	}
	for _, l := range b.listeners() {
		b.buildPort(l)
	}
	b.traffic()
}

// traffic adds what concerns the proxy as a whole.
func (b *builder) traffic() {
	sidecar := ir.Source{Kind: "Sidecar", Namespace: b.scope.Namespace, Name: b.scope.Name}
	b.config.CatchAll = b.catchAll(sidecar.At("spec.outboundTrafficPolicy"))
	b.tcpRoutes()
	b.inbound()
	sortTCPRoutes(b.config.TCP)
	b.meshConfig()
	for _, src := range envoyFilters(b.in) {
		b.diagnose(fidelity.EnvoyFilterNotCarried.At(src, ""))
	}
}

// diagnoseAll adds diagnostics to the configuration, each once.
func (b *builder) diagnoseAll(list []ir.Diagnostic) {
	for _, d := range list {
		b.diagnose(d)
	}
}

// diagnose adds a diagnostic to the configuration, once.
func (b *builder) diagnose(d ir.Diagnostic) {
	if _, dup := b.seen[d]; dup {
		return
	}
	if b.seen == nil {
		b.seen = map[ir.Diagnostic]struct{}{}
	}
	b.seen[d] = struct{}{}
	b.config.Diagnostics = append(b.config.Diagnostics, d)
}

// service is the service that the proxy sees under that host, or nil.
func (b *builder) service(name host.Name) *model.Service {
	return b.scope.GetService(name)
}
