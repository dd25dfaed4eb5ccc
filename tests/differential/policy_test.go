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

package differential

import (
	"encoding/json"
	"fmt"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"

	v3 "istio.io/istio/pilot/pkg/xds/v3"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

// envoyPolicy is the load balancer, the protocol and the connect timeout of a cluster, in APISIX's words.
func (x *sides) envoyPolicy(name string) string {
	c := x.clusters[name]
	if c == nil {
		return ""
	}
	lb := map[clusterv3.Cluster_LbPolicy]string{
		clusterv3.Cluster_ROUND_ROBIN: apisix.RoundRobin, clusterv3.Cluster_LEAST_REQUEST: apisix.LeastConn,
		clusterv3.Cluster_RING_HASH: apisix.CHash, clusterv3.Cluster_MAGLEV: apisix.CHash,
	}[c.LbPolicy]
	if lb == "" {
		lb = c.LbPolicy.String()
	}
	scheme := apisix.SchemeHTTP
	options := &httpv3.HttpProtocolOptions{}
	if o := c.TypedExtensionProtocolOptions[v3.HttpProtocolOptionsType]; o != nil && o.UnmarshalTo(options) == nil &&
		options.GetExplicitHttpConfig().GetHttp2ProtocolOptions() != nil {
		scheme = apisix.SchemeGRPC
	}
	return policyText(lb, scheme, c.GetConnectTimeout().AsDuration(), envoyBalancer(c)+envoyTLS(c, options))
}

// apisixPolicy is that of an upstream.
func apisixPolicy(b []byte) string {
	var u struct {
		Type    string
		Scheme  string
		Timeout struct{ Connect float64 }
		Args    struct {
			Mesh meshBalancer
			TLS  *meshTLS `json:"mesh_tls"`
		} `json:"discovery_args"`
	}
	if err := json.Unmarshal(b, &u); err != nil {
		return err.Error()
	}
	switch u.Scheme {
	case "", apisix.SchemeHTTPS:
		u.Scheme = apisix.SchemeHTTP
	case apisix.SchemeGRPCS:
		u.Scheme = apisix.SchemeGRPC
	}
	if u.Args.Mesh.DNS == apisix.MeshDNSHost {
		u.Type = clusterv3.Cluster_CLUSTER_PROVIDED.String()
	} else if u.Type == apisix.Mesh {
		u.Type = map[string]string{
			apisix.MeshRandom: clusterv3.Cluster_RANDOM.String(), apisix.MeshRoundRobin: apisix.RoundRobin,
			apisix.MeshLeastRequest: apisix.LeastConn, apisix.MeshConsistentHash: apisix.CHash,
		}[u.Args.Mesh.Policy]
	}
	return policyText(u.Type, u.Scheme, time.Duration(u.Timeout.Connect*float64(time.Second)), u.Args.Mesh.text()+u.Args.TLS.text())
}

func policyText(lb, scheme string, connect time.Duration, balancer string) string {
	return fmt.Sprintf("%s, %s, connect in %s%s", lb, scheme, connect, balancer)
}
