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

package simulate

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

// meshBalancerJSON is discovery_args of an upstream: mesh is for the type mesh, mesh_tls for connections that are secured. Who is chosen among
// those that may be is not simulated, nor what fails or is too much.
type meshBalancerJSON struct {
	Mesh struct {
		Policy           string          `json:"policy"`
		LocalityWeighted bool            `json:"locality_weighted"`
		MinHealthPercent int             `json:"min_health_percent"`
		OutlierDetection json.RawMessage `json:"outlier_detection"`
		Warmup           json.RawMessage `json:"warmup"`
		ConnectionPool   json.RawMessage `json:"connection_pool"`
		RetryBudget      json.RawMessage `json:"retry_budget"`
		MinimumRingSize  int             `json:"minimum_ring_size"`
		DNS              string          `json:"dns"`
		DNSRefresh       float64         `json:"dns_refresh"`
	} `json:"mesh"`
	TLS *struct {
		Mode               string   `json:"mode"`
		Peer               string   `json:"peer"`
		Mixed              bool     `json:"mixed"`
		SNI                string   `json:"sni"`
		SubjectAltNames    []string `json:"subject_alt_names"`
		VerifyHost         bool     `json:"verify_host"`
		CA                 string   `json:"ca"`
		CACertificates     string   `json:"ca_certificates"`
		CACRL              string   `json:"ca_crl"`
		ClientCertificate  string   `json:"client_certificate"`
		PrivateKey         string   `json:"private_key"`
		InsecureSkipVerify bool     `json:"insecure_skip_verify"`
	} `json:"mesh_tls"`
}

var meshPolicies = []string{apisix.MeshRandom, apisix.MeshRoundRobin, apisix.MeshLeastRequest, apisix.MeshConsistentHash}

func checkMeshBalancer(b json.RawMessage) error {
	var in meshBalancerJSON
	if err := decode(b, &in); err != nil {
		return fmt.Errorf("discovery_args: %w", err)
	}
	if p := in.Mesh.Policy; !slices.Contains(meshPolicies, p) {
		return fmt.Errorf("discovery_args: the balancer mesh has no policy %q", p)
	}
	return nil
}

// nodeMetadata is what the balancer reads of a node's metadata, which may have anything else.
func nodeMetadata(b json.RawMessage) apisix.NodeMetadata {
	var in struct {
		Priority       int    `json:"priority"`
		Unhealthy      bool   `json:"unhealthy"`
		Locality       string `json:"locality"`
		LocalityWeight int    `json:"locality_weight"`
		Peer           string `json:"peer"`
		PlainText      bool   `json:"plain_text"`
		DNS            string `json:"dns"`
		Unix           string `json:"unix"`
	}
	if len(b) == 0 || json.Unmarshal(b, &in) != nil {
		return apisix.NodeMetadata{}
	}
	return apisix.NodeMetadata(in)
}

// meshNodes leaves those out that get no requests.
func meshNodes(list []apisix.Node) []apisix.Node {
	return slices.DeleteFunc(list, func(n apisix.Node) bool { return n.Weight == 0 || n.Metadata.Unhealthy })
}
