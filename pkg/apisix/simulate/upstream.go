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
	"errors"
	"fmt"
	"net"
	"slices"
	"sort"
	"strconv"
	"time"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

// Upstream is what matters of an upstream when a request is played.
type Upstream struct {
	// Scheme is http, https, grpc or grpcs.
	Scheme string
	// Nodes are those that may get a request. Where they have priorities, those of the smallest one do as long as they work.
	Nodes []apisix.Node
	// Retries is how often APISIX tries again at most.
	Retries int
	Timeout Timeout
	// host is what the Host header becomes, or "".
	host string
}

// Timeout is for each operation, not for the whole request.
type Timeout struct {
	Connect, Send, Read time.Duration
}

// defaultTimeout is nginx's, which APISIX leaves alone.
const defaultTimeout = 60 * time.Second

type timeoutJSON struct {
	Connect float64 `json:"connect"`
	Send    float64 `json:"send"`
	Read    float64 `json:"read"`
}

func (t *timeoutJSON) timeout() *Timeout {
	if t == nil {
		return nil
	}
	return &Timeout{seconds(t.Connect), seconds(t.Send), seconds(t.Read)}
}

// seconds is s as a duration, within what one can be.
func seconds(s float64) time.Duration {
	const most = 1e9
	return time.Duration(max(0, min(s, most)) * float64(time.Second))
}

// upstreamJSON is an upstream as APISIX reads it. What chooses among its nodes is read and not used: every one may be chosen.
type upstreamJSON struct {
	about
	Type          string          `json:"type"`
	HashOn        string          `json:"hash_on"`
	Key           string          `json:"key"`
	Checks        json.RawMessage `json:"checks"`
	KeepalivePool json.RawMessage `json:"keepalive_pool"`
	TLS           json.RawMessage `json:"tls"`
	Scheme        string          `json:"scheme"`
	Nodes         json.RawMessage `json:"nodes"`
	Retries       *int            `json:"retries"`
	RetryTimeout  float64         `json:"retry_timeout"`
	Timeout       *timeoutJSON    `json:"timeout"`
	PassHost      string          `json:"pass_host"`
	UpstreamHost  string          `json:"upstream_host"`
	DiscoveryArgs json.RawMessage `json:"discovery_args"`
}

func parseUpstream(res Resource) (*Upstream, error) {
	var in struct{ about }
	// The other fields are read with the rest.
	if err := json.Unmarshal(res.JSON, &in); err != nil {
		return nil, err
	}
	if err := in.check(res); err != nil {
		return nil, err
	}
	return parseUpstreamJSON(res.JSON)
}

func parseUpstreamJSON(b []byte) (*Upstream, error) {
	var in upstreamJSON
	if err := decode(b, &in); err != nil {
		return nil, err
	}
	u := &Upstream{Scheme: in.Scheme, Timeout: Timeout{defaultTimeout, defaultTimeout, defaultTimeout}}
	if u.Scheme == "" {
		u.Scheme = apisix.SchemeHTTP
	}
	if t := in.Timeout.timeout(); t != nil {
		u.Timeout = *t
	}
	var err error
	if u.Nodes, err = parseNodes(in.Nodes); err != nil {
		return nil, err
	}
	if in.Type == apisix.Mesh {
		if err := checkMeshBalancer(in.DiscoveryArgs); err != nil {
			return nil, err
		}
		u.Nodes = meshNodes(u.Nodes)
	}
	u.Retries = max(0, len(u.Nodes)-1)
	if in.Retries != nil && *in.Retries >= 0 {
		u.Retries = *in.Retries
	}
	switch in.PassHost {
	case "", "pass":
	case "rewrite":
		u.host = in.UpstreamHost
	default:
		return nil, fmt.Errorf("pass_host %q is %w", in.PassHost, errNotSimulated)
	}
	return u, nil
}

// parseNodes reads a list of nodes, or a map of weights by address.
func parseNodes(b json.RawMessage) ([]apisix.Node, error) {
	if len(b) == 0 {
		return nil, errors.New("an upstream without nodes, such as one of service discovery, is " + errNotSimulated.Error())
	}
	var list []struct {
		Host     string          `json:"host"`
		Port     int             `json:"port"`
		Weight   int             `json:"weight"`
		Priority int             `json:"priority"`
		Metadata json.RawMessage `json:"metadata"`
	}
	var nodes []apisix.Node
	if err := decode(b, &list); err == nil {
		for _, n := range list {
			node := apisix.Node{Host: n.Host, Port: n.Port, Weight: n.Weight, Metadata: nodeMetadata(n.Metadata)}
			if name := node.Metadata.DNS; name != "" {
				// Which addresses the name has is for others to say.
				node.Host, node.Metadata.DNS = name, ""
			}
			if path := node.Metadata.Unix; path != "" {
				node.Host, node.Port, node.Metadata.Unix = "unix:"+path, 0, ""
			}
			nodes = append(nodes, node)
		}
		return nodes, nil
	}
	var weights map[string]int
	if err := decode(b, &weights); err != nil {
		return nil, fmt.Errorf("nodes: %w", err)
	}
	for address, weight := range weights {
		n := apisix.Node{Host: address, Weight: weight}
		if host, port, err := net.SplitHostPort(address); err == nil {
			if n.Port, err = strconv.Atoi(port); err != nil {
				return nil, fmt.Errorf("nodes: %q: %w", address, err)
			}
			n.Host = host
		}
		nodes = append(nodes, n)
	}
	sort.Slice(nodes, func(i, j int) bool {
		return slices.Compare([]string{nodes[i].Host, strconv.Itoa(nodes[i].Port)}, []string{nodes[j].Host, strconv.Itoa(nodes[j].Port)}) < 0
	})
	return nodes, nil
}
