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
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"istio.io/istio/pilot/pkg/networking/util"
)

func itoa(n int) string { return strconv.Itoa(n) }

// reached fills in what there is behind the clusters of an answer.
func (x *sides) reached(a *answer) *answer {
	for i := range a.share {
		to := &a.share[i]
		to.endpoints = x.envoyEndpoints(to.cluster)
		to.policy = x.envoyPolicy(to.cluster)
		to.values[mirrors] = x.mirrorsOf(to.mirrors, to.values[authority])
	}
	return a
}

// withoutMissing puts an answer in the place of the clusters that there are not, where the route has one for them.
func (x *sides) withoutMissing(c *call, a *answer) *answer {
	x.reached(a)
	for i := range a.share {
		if to := &a.share[i]; to.missing != 0 && x.clusters[to.cluster] == nil {
			to.answered(to.missing)
		}
	}
	return c.onlyAnswers(a)
}

// answered makes a destination one that the proxy answers for by itself.
func (s *share) answered(status int) {
	s.cluster, s.endpoints, s.played = answered(status), "", false
}

// onlyAnswers is the proxy's own answer where all destinations have the same one.
func (c *call) onlyAnswers(a *answer) *answer {
	for _, s := range a.share {
		if s.missing == 0 || s.cluster != answered(s.missing) || s.missing != a.share[0].missing {
			return a
		}
	}
	if len(a.share) == 0 {
		return a
	}
	out := c.localReply(a.share[0].missing, "")
	out.set(fault, a.aspects[fault])
	out.objects, out.where = a.objects, a.where
	return out
}

// envoyAnswer is what Envoy does with a call. Listener and filter chain are found by Istio's simulation.
func (x *sides) envoyAnswer(t *testing.T, c *call) *answer {
	envoy := x.envoy
	if x.envoy6 != nil && strings.Contains(c.address, ":") {
		envoy = x.envoy6
	}
	res := envoy.Run(c.simulation())
	if res.RouteConfigMatched == "" && res.ClusterMatched == util.AllowAnyDynamicDNSCluster {
		// The routes are in the filter chain itself.
		return x.reached(c.routeAnswer(&route.Route{Name: util.AllowAnyDynamicDNS, Action: &route.Route_Route{
			Route: &route.RouteAction{ClusterSpecifier: &route.RouteAction_Cluster{Cluster: res.ClusterMatched}},
		}}))
	}
	if res.RouteConfigMatched == "" || res.Error != nil && c.transport != overHTTP {
		return x.envoyConnection(res)
	}
	rc := x.routes[res.RouteConfigMatched]
	if d := duplicateDomain(rc); d != "" {
		return newAnswer(refused)
	}
	vh := findVirtualHost(rc, c.host)
	if asciiLower(c.host) == c.host && res.VirtualHostMatched != vh.GetName() {
		t.Errorf("Istio's simulation finds virtual host %q, and the evaluator here %q, for %v", res.VirtualHostMatched, vh.GetName(), c)
	}
	if vh == nil {
		return c.localReply(http.StatusNotFound, "")
	}
	if vh.RequireTls == route.VirtualHost_ALL && !c.tls {
		return c.redirectToTLS()
	}
	a := x.withoutMissing(c, c.routeAnswer(matchRoute(vh, c)))
	a.where = "listener " + res.ListenerMatched + ", virtual host " + vh.Name + ", " + a.where
	return a
}

// routeAnswer is what a route does; nil is none.
func (c *call) routeAnswer(r *route.Route) *answer {
	if r == nil {
		a := c.localReply(http.StatusNotFound, "")
		a.where = "no route"
		return a
	}
	f := faultOf(r)
	a := c.aborted(f)
	if a == nil {
		a = c.action(r)
	}
	a.set(fault, f.text(c))
	a.objects = configOf(r.GetMetadata())
	a.where = "route " + strconv.Quote(r.Name)
	return a
}

func (c *call) action(r *route.Route) *answer {
	switch {
	case r.GetRedirect() != nil:
		code := map[route.RedirectAction_RedirectResponseCode]int{
			route.RedirectAction_MOVED_PERMANENTLY:  http.StatusMovedPermanently,
			route.RedirectAction_FOUND:              http.StatusFound,
			route.RedirectAction_SEE_OTHER:          http.StatusSeeOther,
			route.RedirectAction_TEMPORARY_REDIRECT: http.StatusTemporaryRedirect,
			route.RedirectAction_PERMANENT_REDIRECT: http.StatusPermanentRedirect,
		}[r.GetRedirect().ResponseCode]
		a := c.localReply(code, "")
		a.set(location, redirectTo(r, c))
		a.set(answerHeaders, c.ownResponse(r).String())
		return a
	case r.GetDirectResponse() != nil:
		d := r.GetDirectResponse()
		text := d.GetBody().GetInlineString()
		if b := d.GetBody().GetInlineBytes(); b != nil {
			text = string(b)
		}
		a := c.localReply(int(d.Status), text)
		a.set(answerHeaders, c.ownResponse(r).String())
		return a
	case r.GetRoute() == nil:
		return newAnswer(refused)
	}
	if cors := corsOf(r); cors != nil {
		if a := c.preflight(cors); a != nil {
			return a
		}
	}
	return c.forward(r)
}

// localReply is what Envoy answers by itself: gRPC clients get 200 with a status of their own.
func (c *call) localReply(status int, text string) *answer {
	if c.grpc() {
		return c.grpcReply(grpcStatus(status), text)
	}
	a := newAnswer(answered(status))
	if c.method != http.MethodHead {
		a.set(body, text)
	}
	return a
}

func (c *call) grpcReply(code int, text string) *answer {
	// PercentEncoding::encode
	var b strings.Builder
	for i := range len(text) {
		if t := text[i]; t < ' ' || t >= '~' || t == '%' {
			fmt.Fprintf(&b, "%%%02X", t)
		} else {
			b.WriteByte(t)
		}
	}
	return newAnswer(grpcAnswered(itoa(code), b.String()))
}

// grpcStatus follows Grpc::Utility::httpToGrpcStatus.
func grpcStatus(status int) int {
	switch status {
	case http.StatusBadRequest:
		return 13
	case http.StatusUnauthorized:
		return 16
	case http.StatusForbidden:
		return 7
	case http.StatusNotFound:
		return 12
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return 14
	}
	return 2
}

// ownResponse has the headers that the configuration adds to Envoy's own answer.
func (c *call) ownResponse(r *route.Route) headerSet {
	h := headerSet{}
	p := parser{r.ResponseHeadersToRemove, r.ResponseHeadersToAdd}
	p.apply(h, c.formatter(&message{c.method, c.host, c.path, c.sent()}, headerSet{}))
	return h
}

// configOf is the object that a route was made from, which Istio notes in its metadata.
func configOf(m *corev3.Metadata) []string {
	p := m.GetFilterMetadata()[util.IstioMetadataKey].GetFields()["config"].GetStringValue()
	// /apis/networking.istio.io/v1/namespaces/<ns>/virtual-service/<name>
	parts := strings.Split(p, "/")
	if len(parts) != 8 {
		return nil
	}
	kind := ""
	for w := range strings.SplitSeq(parts[6], "-") {
		kind += strings.ToUpper(w[:1]) + w[1:]
	}
	return []string{kind + " " + parts[5] + "/" + parts[7]}
}
