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
	"cmp"
	"slices"
	"strconv"
	"time"

	meshconfig "istio.io/api/mesh/v1alpha1"
	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/pkg/networking/util"
	"istio.io/istio/pkg/config/host"

	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// clusterKey names a cluster.
type clusterKey struct {
	host   host.Name
	port   int
	subset string
	// inbound clusters have a port only, which is zero for those that are not declared.
	inbound bool
	// anyHost is set for the cluster of that name, and then nothing else is.
	anyHost bool
}

// passthrough is the cluster of everything outside of the mesh, and anyHost the one for requests that go by their host there.
var (
	passthrough clusterKey
	anyHost     = clusterKey{anyHost: true}
)

func (k clusterKey) name() string {
	switch {
	case k == passthrough:
		return util.PassthroughCluster
	case k == anyHost:
		return util.AllowAnyDynamicDNSCluster
	case k.inbound && k.port == 0:
		return util.InboundPassthroughCluster
	case k.inbound:
		return model.BuildInboundSubsetKey(k.port)
	}
	return model.BuildSubsetKey(model.TrafficDirectionOutbound, k.subset, k.host, k.port)
}

// clusterInputs is all that a cluster is made from. As long as it is equal, so is the cluster.
type clusterInputs struct {
	key  clusterKey
	name string
	// stream says that no route for HTTP leads there.
	stream bool
	// service is nil for a destination that does not exist.
	service *model.Service
	rule    *model.ConsolidatedDestRule
	mesh    *meshconfig.MeshConfig
	// inbound is set for a port of the workload, and then nothing else is.
	inbound *inboundPort
	// clusterLocal limits which endpoints the proxy may reach.
	clusterLocal bool
	shards       shards
	// networks has the gateways of other networks, which are gateways; nil where there is one network.
	networks *model.NetworkGateways
	gateways []model.NetworkGateway
	// mtls is what the service's workloads are asked for, accounts are the identities that they may have.
	mtls     model.MutualTLSMode
	accounts []string
	// credential is what the rule's credentialName stands for; nil for none.
	credential *clientCredential
}

func (c *clusterInputs) equal(o *clusterInputs) bool {
	return c.key == o.key && c.stream == o.stream && c.service == o.service && c.rule.GetRule() == o.rule.GetRule() && c.mesh == o.mesh &&
		c.inbound == o.inbound &&
		c.clusterLocal == o.clusterLocal && slices.Equal(c.gateways, o.gateways) && c.shards.equal(o.shards) &&
		c.mtls == o.mtls && slices.Equal(c.accounts, o.accounts) && c.credential.equal(o.credential)
}

// want says that a route leads to the cluster, and returns the cluster's name.
func (b *builder) want(key clusterKey) string {
	if name, ok := b.names[key]; ok {
		return name
	}
	w := wantedCluster{key: key, name: key.name()}
	b.names[key] = w.name
	b.wanted = append(b.wanted, w)
	return w.name
}

// wantStream does the same for a route of connections that are not HTTP. Those for HTTP come first.
func (b *builder) wantStream(key clusterKey) string {
	_, known := b.names[key]
	name := b.want(key)
	if !known {
		b.wanted[len(b.wanted)-1].stream = true
	}
	return name
}

// wantedCluster is a cluster that a route leads to.
type wantedCluster struct {
	key  clusterKey
	name string
	// stream says that no route for HTTP leads there.
	stream bool
}

// clusters makes the wanted clusters, sorted by name. Those of prev that are still true are taken over.
func (b *builder) clusters(prev *ir.Config, last *inputs) ([]*ir.Cluster, []clusterInputs) {
	slices.SortFunc(b.wanted, func(x, y wantedCluster) int { return cmp.Compare(x.name, y.name) })
	all := make([]clusterInputs, 0, len(b.wanted))
	var reader shardsReader
	for _, w := range b.wanted {
		c := clusterInputs{key: w.key, name: w.name, stream: w.stream, mesh: b.in.Push.Mesh}
		if w.key.inbound {
			c.inbound = b.inboundByPort[w.key.port]
		}
		if svc := b.service(w.key.host); svc != nil && hasPort(svc, w.key.port) {
			c.service = svc
			c.rule = destinationRule(b.in, svc)
			c.clusterLocal = b.in.Push.IsClusterLocal(svc)
			if c.networks = b.networkGateways(svc); c.networks != nil {
				c.gateways = c.networks.AllGateways()
			}
			c.shards = reader.read(b.in.Endpoints, svc).clone()
			b.serviceIdentity(&c)
			c.credential = b.clientCredential(&c)
		}
		all = append(all, c)
	}
	out := make([]*ir.Cluster, len(all))
	i := 0
	for n := range all {
		c := &all[n]
		if last != nil {
			for i < len(last.clusters) && last.clusters[i].name < c.name {
				i++
			}
			if i < len(last.clusters) && c.equal(&last.clusters[i]) {
				out[n] = prev.Clusters[i]
				continue
			}
		}
		out[n] = buildCluster(b.in, c)
	}
	return out, all
}

// destinationRule is the rule that applies to svc for the proxy, or nil.
func destinationRule(in Input, svc *model.Service) *model.ConsolidatedDestRule {
	return in.Proxy.SidecarScope.DestinationRule(model.TrafficDirectionOutbound, in.Proxy, svc.Hostname)
}

func ruleSpec(rule *model.ConsolidatedDestRule) *networking.DestinationRule {
	cfg := rule.GetRule()
	if cfg == nil {
		return nil
	}
	return cfg.Spec.(*networking.DestinationRule)
}

func findSubset(rule *model.ConsolidatedDestRule, name string) *networking.Subset {
	for _, s := range ruleSpec(rule).GetSubsets() {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// clusterBuilder makes one cluster.
type clusterBuilder struct {
	in      Input
	inputs  *clusterInputs
	cluster *ir.Cluster
	// policy is the merged one of the DestinationRule, or nil.
	policy *networking.TrafficPolicy
	// refuse leaves the cluster without endpoints, so that its requests are answered with 503.
	refuse bool
	// tls is the DestinationRule's, or nil.
	tls *networking.ClientTLSSettings
	// auto says that endpoints are secured as far as they have a sidecar.
	auto bool
}

func buildCluster(in Input, c *clusterInputs) *ir.Cluster {
	if c.inbound != nil {
		return buildInboundCluster(in, c)
	}
	b := clusterBuilder{in: in, inputs: c, cluster: &ir.Cluster{
		Name: c.name, Host: string(c.key.host), Port: c.key.port, Subset: c.key.subset,
		ConnectTimeout: connectTimeout(c.mesh),
	}}
	if c.service == nil {
		b.cluster.OriginalDst, b.cluster.DynamicDNS = c.key == passthrough, c.key == anyHost
		return b.cluster
	}
	b.cluster.Sources = []ir.Source{serviceSource(c.service)}
	port, _ := c.service.Ports.GetByPort(c.key.port)
	b.cluster.HTTP2 = port.Protocol.IsHTTP2()

	var subset *networking.Subset
	if c.key.subset != "" {
		// Where each request is resolved there are none.
		if subset = findSubset(c.rule, c.key.subset); subset == nil || c.service.Resolution == model.DynamicDNS {
			return b.cluster
		}
	}
	// A gateway has no destination that its clients meant.
	b.cluster.OriginalDst = c.service.Resolution == model.Passthrough && in.Proxy.Type == model.SidecarProxy
	if cfg := c.rule.GetRule(); cfg != nil {
		src := ir.Source{Kind: cfg.GroupVersionKind.Kind, Namespace: cfg.Namespace, Name: cfg.Name}
		b.cluster.Sources = append(b.cluster.Sources, src)
		policy := util.MergeSubsetTrafficPolicy(ruleSpec(c.rule).GetTrafficPolicy(), subset.GetTrafficPolicy(), port)
		b.trafficPolicy(policy, policySource(src, ruleSpec(c.rule), subset))
	}
	b.meshPolicy()
	b.streamIdleTimeout(port)
	b.upstreamTLS()
	b.endpoints(port, subset.GetLabels())
	return b.cluster
}

// policySource points at the subset whose policy decides, or at the rule's own.
func policySource(src ir.Source, rule *networking.DestinationRule, subset *networking.Subset) ir.Source {
	if i := slices.Index(rule.GetSubsets(), subset); i >= 0 && subset.GetTrafficPolicy() != nil {
		return src.At("spec.subsets[" + strconv.Itoa(i) + "].trafficPolicy")
	}
	return src.At("spec.trafficPolicy")
}

func connectTimeout(mesh *meshconfig.MeshConfig) time.Duration {
	if t := mesh.GetConnectTimeout(); t != nil {
		return t.AsDuration()
	}
	return 10 * time.Second
}

// meshPolicy applies MeshConfig.defaultTrafficPolicy, where no DestinationRule says otherwise.
func (b *clusterBuilder) meshPolicy() {
	defaults := b.inputs.mesh.GetDefaultTrafficPolicy()
	if defaults == nil {
		return
	}
	src := ir.Source{Kind: "MeshConfig", Name: "istio"}.At("defaultTrafficPolicy")
	if b.policy.GetConnectionPool() == nil {
		b.connectionPool(defaults.GetConnectionPool(), src.At("connectionPool"))
	}
	if b.policy.GetOutlierDetection() == nil {
		b.outlierDetection(defaults.GetOutlierDetection(), src.At("outlierDetection"))
	}
}

// defaultStreamIdleTimeout is Envoy's default for connections which are not HTTP.
const defaultStreamIdleTimeout = time.Hour

// streamIdleTimeout is that of connections which are not HTTP. APISIX has one limit for both: where HTTP is sent to the port too,
// there is none. Of a rule, Istio reads only the policy for all ports
// (buildOutboundNetworkFilters).
func (b *clusterBuilder) streamIdleTimeout(port *model.Port) {
	if !b.inputs.stream || port.Protocol.IsHTTP() || port.Protocol.IsUnsupported() {
		return
	}
	b.cluster.StreamIdleTimeout = defaultStreamIdleTimeout
	if t := ruleSpec(b.inputs.rule).GetTrafficPolicy().GetConnectionPool().GetTcp().GetIdleTimeout(); t != nil {
		b.cluster.StreamIdleTimeout = t.AsDuration()
	}
}

func (b *clusterBuilder) diagnose(e *fidelity.Entry, src ir.Source, detail string, args ...any) {
	b.cluster.Diagnostics = append(b.cluster.Diagnostics, e.At(src, detail, args...))
	if e.Severity == ir.Refused {
		b.refuse = true
	}
}
