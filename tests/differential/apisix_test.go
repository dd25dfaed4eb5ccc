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
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/translate"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/simulate"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// player plays calls against APISIX's resources.
type player struct {
	config *simulate.Config
	// clusters are those of the upstreams, objects what routes were made from.
	clusters map[string]*ir.Cluster
	objects  map[string]string
	// policies are those of the upstreams.
	policies map[string]string
	// listeners are a gateway's protocols by their ports, certificates the server names that it has one for.
	listeners    map[int]string
	certificates map[string]bool
	// mutual are the server names of ports with TLS of the mesh, and false for others of them.
	mutual map[mutualName]bool
}

func newPlayer(out *translate.Output) (*player, error) {
	p := &player{
		clusters: map[string]*ir.Cluster{}, objects: map[string]string{}, policies: map[string]string{}, listeners: map[int]string{},
		certificates: map[string]bool{}, mutual: map[mutualName]bool{},
	}
	for _, c := range out.Config().Clusters {
		id := apisix.ID("outbound", strconv.Itoa(c.Port), c.Subset, c.Host)
		switch {
		case c.Inbound && c.Port != 0:
			id = apisix.ID("inbound", strconv.Itoa(c.Port))
		case c.Inbound || c.Host == "":
			id = apisix.ID(c.Name)
		}
		p.clusters[id] = c
	}
	resources := make([]simulate.Resource, 0, len(out.Resources))
	for _, r := range out.Resources {
		resources = append(resources, simulate.Resource{Kind: r.Kind, ID: r.ID, JSON: r.JSON})
		p.listen(r)
		if r.Kind == apisix.Upstreams {
			p.policies[r.ID] = apisixPolicy(r.JSON)
		}
		if (r.Kind == apisix.Routes || r.Kind == apisix.StreamRoutes) && len(r.Sources) > 0 {
			s := r.Sources[0]
			p.objects[r.ID] = s.Kind + " " + s.Namespace + "/" + s.Name
		}
	}
	var err error
	p.config, err = simulate.New(resources)
	return p, err
}

// answer is what APISIX does with a call, and what of it could not be played.
func (p *player) answer(c *call) (*answer, []string) {
	if kind := p.listeners[c.port]; c.gateway && (kind == "" || !p.terminates(c, kind)) {
		return newAnswer(closed), nil
	} else if !c.gateway || !strings.HasPrefix(kind, apisix.ListenHTTP) {
		if res := p.config.TCP(c.connection()); !c.speaksHTTP(&res) {
			return p.connection(c, &res), res.NotSimulated
		}
	}
	res := p.config.HTTP(c.request())
	var a *answer
	if len(res.Destinations) > 0 {
		a = c.onlyAnswers(p.forward(&res))
	} else {
		a = response(c, &res)
	}
	a.set(fault, apisixFaults(c, res.Faults))
	a.where = "route " + strconv.Quote(res.Route)
	if o := p.objects[res.Route]; o != "" {
		a.objects = []string{o}
	}
	if c.inbound {
		a = forwarded(a)
	}
	return a, res.NotSimulated
}

func response(c *call, res *simulate.Result) *answer {
	r := res.Response
	if r == nil {
		return newAnswer("neither answered nor forwarded")
	}
	a := ownAnswer(c, r)
	a.set(location, r.Header.Get("Location"))
	a.set(answerHeaders, lowered(r.Header).String())
	return a
}

// ownAnswer is the outcome and the body of APISIX's own answer.
func ownAnswer(c *call, r *simulate.Response) *answer {
	if code := r.Header.Get("grpc-status"); code != "" && c.grpc() {
		return newAnswer(grpcAnswered(code, r.Header.Get("grpc-message")))
	}
	a := newAnswer(answered(r.Status))
	if c.method != http.MethodHead {
		a.set(body, r.Body)
	}
	return a
}

func lowered(h http.Header) headerSet {
	out := headerSet{}
	for n, v := range h {
		n = strings.ToLower(n)
		out[n] = append(out[n], v...)
	}
	return out
}

func (p *player) forward(res *simulate.Result) *answer {
	var copies []string
	for _, m := range res.Mirrors {
		if p.endpoints(m.UpstreamID) == "" {
			continue
		}
		copies = append(copies, p.cluster(m.UpstreamID)+" "+percent(m.Percent)+" "+m.Host)
	}
	a := newAnswer(forward)
	for _, d := range res.Destinations {
		to := share{cluster: p.cluster(d.UpstreamID), weight: float64(d.Weight), played: d.Status == 0}
		to.endpoints, to.policy = p.endpoints(d.UpstreamID), p.policies[d.UpstreamID]
		if len(res.Destinations) == 1 {
			to.weight = 1
		}
		limit, retry := d.Timeout.Read, retryText(&simulate.Retry{Attempts: d.Retries, On: []string{"connect-failure"}})
		if limit >= 24*time.Hour {
			limit = 0
		}
		if r := res.Retry; r != nil {
			if r.Timeout > 0 {
				limit = r.Timeout
			}
			policy := *r
			if policy.Attempts < 0 {
				policy.Attempts = d.Retries
			}
			retry = retryText(&policy)
		}
		to.values = map[aspect]string{
			path: d.Request.Path, authority: d.Request.Host, requestHeaders: lowered(d.Request.Header).String(),
			responseHeaders: changedResponse(d.ResponseChanges).String(), mirrors: strings.Join(copies, ", "), retries: retry,
		}
		if limit > 0 {
			to.values[timeout] = limit.String()
		}
		if d.UpstreamID == "" && d.Status != 0 {
			to.missing = d.Status
			to.answered(d.Status)
		}
		a.share = append(a.share, to)
	}
	return a
}

// endpoints are an upstream's nodes.
func (p *player) endpoints(id string) string {
	if c := p.clusters[id]; c != nil && c.OriginalDst {
		return originalDestination
	}
	if c := p.clusters[id]; c != nil && c.DynamicDNS {
		return namedHost
	}
	u, _ := p.config.Upstream(id)
	var out []string
	for _, n := range u.Nodes {
		out = append(out, endpointText(n.Host, n.Port, n.Weight, n.Metadata))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func (p *player) cluster(id string) string {
	if c := p.clusters[id]; c != nil {
		return c.Name
	}
	return "upstream " + id
}

func changedResponse(changes []simulate.HeaderChange) headerSet {
	var names []string
	for _, c := range changes {
		names = append(names, strings.ToLower(c.Name))
	}
	h := upstreamResponse(names)
	for _, c := range changes {
		n := strings.ToLower(c.Name)
		switch c.Action {
		case simulate.Set:
			h[n] = []string{c.Value}
		case simulate.Add:
			h[n] = append(h[n], c.Value)
		case simulate.Remove:
			delete(h, n)
		}
	}
	return changed(h, names)
}

func apisixFaults(c *call, list []simulate.Fault) string {
	var parts []string
	for _, f := range list {
		switch {
		case f.Abort == nil:
			parts = append(parts, "delay "+f.Delay.String()+" "+percent(f.Percent))
		case f.Percent < 100:
			parts = append(parts, "abort "+ownAnswer(c, f.Abort).aspects[outcome]+" "+percent(f.Percent))
		}
	}
	return strings.Join(parts, ", ")
}
