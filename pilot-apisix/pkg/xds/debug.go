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

package xds

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"istio.io/istio/pilot/pkg/features"
	"istio.io/istio/pilot/pkg/model"
	istioxds "istio.io/istio/pilot/pkg/xds"
	"istio.io/istio/pkg/config/constants"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/translate"
	"github.com/apisix-mesh/pilot-apisix/pkg/apis/mesh/v1alpha1"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// Status is the debug page: what the connected APISIX proxies were sent.
type Status struct {
	Proxies []ProxyStatus `json:"proxies"`
	// Groups is the number of groups of proxies that share their resources, Resources and Bytes are what all of them
	// need in memory.
	Groups    int `json:"groups"`
	Resources int `json:"resources"`
	Bytes     int `json:"bytes"`
}

// ProxyStatus is what one connected proxy was sent.
type ProxyStatus struct {
	// Proxy is NAME.NAMESPACE.
	Proxy      string         `json:"proxy"`
	Namespace  string         `json:"namespace"`
	Type       model.NodeType `json:"type"`
	Cluster    string         `json:"cluster,omitempty"`
	Connection string         `json:"connection"`
	Peer       string         `json:"peer"`
	Connected  time.Time      `json:"connected"`

	// View is equal for proxies with the same resources, in all replicas. It is empty before the first response.
	View string `json:"view,omitempty"`
	// Total and Kinds are numbers of resources.
	Total int            `json:"total"`
	Kinds map[string]int `json:"kinds,omitempty"`
	Bytes int            `json:"bytes"`
	// Codes are the numbers of diagnostics.
	Codes map[string]int `json:"codes,omitempty"`

	// Version is that of the last push which the proxy is up to date with, Updated is when this was found out. Nothing
	// needs to have been sent then.
	Version string     `json:"version,omitempty"`
	Updated *time.Time `json:"updated,omitempty"`
	// Sent and Acked are nonces: the proxy has accepted what it was sent last when they are equal.
	Sent     string     `json:"sent,omitempty"`
	Acked    string     `json:"acked,omitempty"`
	SentTime *time.Time `json:"sentTime,omitempty"`
	// Rejected is the message of the last NACK, when nothing was accepted after it.
	Rejected string `json:"rejected,omitempty"`
	// Behind is set when the last attempt to make the proxy's resources failed, as Failure tells.
	Behind  bool   `json:"behind,omitempty"`
	Failure string `json:"failure,omitempty"`

	// Resources and Diagnostics are only in the page of one proxy.
	Resources   []ResourceStatus `json:"resources,omitempty"`
	Diagnostics []ir.Diagnostic  `json:"diagnostics,omitempty"`

	view *view
}

// ResourceStatus is one resource that a proxy was sent.
type ResourceStatus struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	// JSON is the APISIX object, without its secrets.
	JSON    json.RawMessage `json:"json"`
	Sources []ir.Source     `json:"sources,omitempty"`
}

// DebugHandler serves Status as JSON. With ?proxyID=NAME.NAMESPACE it is the ProxyStatus of this proxy with all its
// resources, or 404 when it is not connected here; with ?pretty it is indented. A caller whose namespace
// istioxds.CallerNamespaceKey gives in the request's context, and who is neither of the system namespace nor allowed to
// see others, sees the proxies of this namespace only, as in Istio's own pages. Authentication is for who mounts it.
func (g *Generator) DebugHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proxies := g.status(g.visible(r))
		id := r.URL.Query().Get("proxyID")
		if id == "" {
			page := Status{Proxies: proxies, Groups: g.groups.size()}
			page.Resources, page.Bytes = g.pool.size()
			writeJSON(w, r, page)
			return
		}
		// A proxy that has just come back is there twice; the newer connection is the one that counts.
		slices.SortStableFunc(proxies, func(a, b ProxyStatus) int { return b.Connected.Compare(a.Connected) })
		i := slices.IndexFunc(proxies, func(p ProxyStatus) bool { return p.Proxy == id || p.Connection == id })
		if i < 0 {
			http.Error(w, fmt.Sprintf("no APISIX proxy %q is connected to this istiod; it may be connected to another replica", id),
				http.StatusNotFound)
			return
		}
		writeJSON(w, r, proxies[i].detail())
	})
}

// visible tells which namespaces' proxies the caller may see.
func (g *Generator) visible(r *http.Request) func(namespace string) bool {
	caller, _ := r.Context().Value(istioxds.CallerNamespaceKey{}).(string)
	system := constants.IstioSystemNamespace
	if env := g.server.Env; env != nil && env.Mesh().GetRootNamespace() != "" {
		system = env.Mesh().GetRootNamespace()
	}
	if !features.EnableDebugEndpointAuth || caller == "" || caller == system ||
		features.DebugEndpointAuthAllowedNamespaces.Contains(caller) {
		return func(string) bool { return true }
	}
	return func(namespace string) bool { return namespace == caller }
}

// status lists the connected proxies that subscribe to the type, in the order of their names.
func (g *Generator) status(visible func(namespace string) bool) []ProxyStatus {
	out := []ProxyStatus{}
	for _, con := range g.server.Clients() {
		proxy := con.Proxy()
		watched, ok := proxy.DeepCloneWatchedResources()[v1alpha1.TypeURL]
		if !ok || !visible(proxy.ConfigNamespace) {
			continue
		}
		p := ProxyStatus{
			Proxy:      proxy.ID,
			Namespace:  proxy.ConfigNamespace,
			Type:       proxy.Type,
			Cluster:    proxy.GetClusterID().String(),
			Connection: con.ID(),
			Peer:       con.Peer(),
			Connected:  con.ConnectedAt(),
			Sent:       watched.NonceSent,
			Acked:      watched.NonceAcked,
			SentTime:   timeOrNil(watched.LastSendTime),
			Rejected:   watched.LastError,
		}
		if c := g.connections.find(proxy); c != nil {
			c.describe(&p)
		}
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b ProxyStatus) int {
		return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Namespace, b.Namespace),
			cmp.Compare(a.Proxy, b.Proxy), cmp.Compare(a.Connection, b.Connection))
	})
	return out
}

// describe fills in what is known of the connection.
func (c *connection) describe(p *ProxyStatus) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.Version, p.Updated, p.Behind = c.version, timeOrNil(c.at), c.behind
	if c.failure != nil {
		p.Failure = c.failure.Error()
	}
	if c.sent == nil {
		return
	}
	p.view = c.sent
	p.View, p.Total, p.Bytes = c.sent.id(), len(c.sent.wires), c.sent.bytes
	p.Kinds, p.Codes = map[string]int{}, map[string]int{}
	for _, r := range c.sent.resources {
		p.Kinds[string(r.Kind)]++
	}
	for _, d := range c.sent.out.Diagnostics {
		p.Codes[d.Code]++
	}
}

// detail adds the resources of a proxy to its status.
func (p ProxyStatus) detail() ProxyStatus {
	if p.view == nil {
		return p
	}
	for i, r := range p.view.resources {
		p.Resources = append(p.Resources, ResourceStatus{
			Name:    p.view.wires[i].Name,
			Version: p.view.wires[i].Version,
			JSON:    redact(r),
			Sources: r.Sources,
		})
	}
	p.Diagnostics = p.view.out.Diagnostics
	return p
}

// dump answers /debug/config_dump?types=type.googleapis.com/apisix.mesh.v1alpha1.Resource, which asks the generator for
// what the proxy would be sent now, without its secrets.
func (g *Generator) dump(proxy *model.Proxy, req *model.PushRequest) model.Resources {
	_, v, err := g.view(proxy, req)
	if err != nil {
		return nil
	}
	res := make(model.Resources, 0, len(v.resources))
	for i, r := range v.resources {
		wire, _ := encode(&translate.Resource{Kind: r.Kind, ID: r.ID, JSON: redact(r), Sources: r.Sources})
		res = append(res, &discovery.Resource{
			Name:     v.wires[i].Name,
			Version:  v.wires[i].Version,
			Resource: &anypb.Any{TypeUrl: v1alpha1.TypeURL, Value: wire},
		})
	}
	return res
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func writeJSON(w http.ResponseWriter, r *http.Request, page any) {
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	if r.URL.Query().Has("pretty") {
		encoder.SetIndent("", "  ")
	}
	if err := encoder.Encode(page); err != nil {
		// The header is out; the client sees a page that ends early.
		log.Warnf("cannot write the page %s: %v", r.URL.Path, err)
	}
}
