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

package apisixctl

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/filemode"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/translate"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/simulate"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

type explainOptions struct {
	meshOptions
	request, connection string
	headers             []string
	sni                 string
	inbound             bool
	output              string
}

func newExplainCommand() *cobra.Command {
	var o explainOptions
	cmd := &cobra.Command{
		Use:   "explain -f DIR|FILE… --proxy NAME.NAMESPACE {--request 'METHOD URL' [-H 'NAME: VALUE'…]|--connection ADDRESS:PORT [--sni NAME]}",
		Short: "Tell where a request or a connection of a workload goes, and which rule sends it there",
		Long: `Tell where a request of a workload goes, and which rule sends it there: the rule with its file and line, the destinations with
their shares and endpoints, and all that is done to the request and its response on the way. The same for a connection that is
not HTTP, for what is sent to the workload, and for what is sent to a gateway. Nothing is sent: it is played against what the workload's APISIX gets.`,
		Example: `  apisixctl explain -f samples/bookinfo/platform -f samples/bookinfo/networking/virtual-service-reviews-test-v2.yaml \
    --proxy productpage-v1.default --request 'GET http://reviews:9080/reviews/0' -H 'end-user: jason'

  # A connection to a database, and one over TLS
  apisixctl explain -f mesh/ --proxy app.default --connection 10.0.0.1:3306
  apisixctl explain -f mesh/ --proxy app.default --connection 192.0.2.1:443 --sni api.example.com`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.run(c.Context(), c.OutOrStdout())
		},
	}
	o.addFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.request, "request", "", "method and URL of the request, such as 'GET http://reviews:9080/reviews/0?q=1'")
	f.StringArrayVarP(&o.headers, "header", "H", nil, "a header of the request, as 'NAME: VALUE'")
	f.StringVar(&o.connection, "connection", "", "address and port that a client connects to, without speaking HTTP, such as 10.0.0.1:3306")
	f.StringVar(&o.sni, "sni", "", "the TLS server name of the connection; none when empty, and its host for a request over https to a gateway")
	f.BoolVar(&o.inbound, "inbound", false, "the request or connection is one to the workload")
	f.StringVarP(&o.output, "output", "o", "text", "format: text, json, yaml")
	cmd.MarkFlagsOneRequired("request", "connection")
	cmd.MarkFlagsMutuallyExclusive("request", "connection")
	cmd.MarkFlagsMutuallyExclusive("connection", "header")
	return cmd
}

func (o *explainOptions) run(ctx context.Context, out io.Writer) error {
	write, ok := explanationWriters[o.output]
	if !ok {
		return fmt.Errorf("--output: there is no format %q, only json, text, yaml", o.output)
	}
	play, err := o.parse()
	if err != nil {
		return err
	}
	mesh, result, err := o.translate(ctx)
	if err != nil {
		return err
	}
	defer mesh.Close()
	resources := make([]simulate.Resource, 0, len(result.Resources))
	for _, r := range result.Resources {
		resources = append(resources, simulate.Resource{Kind: r.Kind, ID: r.ID, JSON: r.JSON})
	}
	config, err := simulate.New(resources)
	if err != nil {
		return err
	}
	return write(out, play(&explainer{mesh, result, config}))
}

// parse reads what is to be played.
func (o *explainOptions) parse() (func(*explainer) *explanation, error) {
	if o.connection != "" {
		to, err := netip.ParseAddrPort(o.connection)
		if err != nil || to.Port() == 0 {
			return nil, fmt.Errorf("--connection %q: it must be an IP address and a port, such as 10.0.0.1:3306", o.connection)
		}
		in := simulate.Connection{Destination: to, SNI: o.sni, Inbound: o.inbound, Captured: true}
		return func(x *explainer) *explanation { return x.connection(x.config.TCP(in)) }, nil
	}
	request, err := parseRequest(o.request, o.headers)
	request.Inbound = o.inbound
	if request.Scheme == "https" {
		if request.ServerName = o.sni; o.sni == "" {
			request.ServerName, _, _ = strings.Cut(request.Host, ":")
		}
	}
	return func(x *explainer) *explanation { return x.request(x.config.HTTP(request)) }, err
}

// parseRequest reads "[METHOD] URL". The request is one that was captured on its way to the port of the URL.
func parseRequest(text string, headers []string) (simulate.Request, error) {
	method, target, hasMethod := strings.Cut(strings.TrimSpace(text), " ")
	if !hasMethod {
		method, target = http.MethodGet, method
	}
	u, err := url.Parse(strings.TrimSpace(target))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return simulate.Request{}, fmt.Errorf("--request %q: it must be 'METHOD http://HOST[:PORT]/PATH'", text)
	}
	port := 80
	if u.Scheme == "https" {
		// To a gateway, which terminates TLS.
		port = 443
	}
	if p := u.Port(); p != "" {
		if port, err = strconv.Atoi(p); err != nil || port < 1 || port > 65535 {
			return simulate.Request{}, fmt.Errorf("--request %q: port %s is not within 1 and 65535", text, p)
		}
	}
	r := simulate.Request{
		Method: method, Scheme: u.Scheme, Host: u.Host, Path: u.RequestURI(), Header: http.Header{},
		OriginalDst: netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(port)),
	}
	for _, h := range headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok {
			return simulate.Request{}, fmt.Errorf("--header %q: it must be 'NAME: VALUE'", h)
		}
		if name = strings.TrimSpace(name); strings.EqualFold(name, "host") {
			r.Host = strings.TrimSpace(value)
			continue
		}
		r.Header.Add(name, strings.TrimSpace(value))
	}
	return r, nil
}

// explanation is what explain prints; every part that does not apply is absent.
type explanation struct {
	// Rule is the most specific object and field that the route was made from, At where it stands in the files.
	Rule *ir.Source `json:"rule,omitempty"`
	At   string     `json:"at,omitempty"`
	// Route is the route, or the stream route, of APISIX that takes it.
	Route string `json:"route,omitempty"`
	// HTTP is the label of a stream route that says what becomes of HTTP.
	HTTP string `json:"http,omitempty"`
	// Closed says that a connection is closed.
	Closed       bool                   `json:"closed,omitempty"`
	Response     *simulate.Response     `json:"response,omitempty"`
	Faults       []simulate.Fault       `json:"faults,omitempty"`
	Destinations []explainedDestination `json:"destinations,omitempty"`
	Mirrors      []simulate.Mirror      `json:"mirrors,omitempty"`
	Retry        *simulate.Retry        `json:"retry,omitempty"`
	// Why are the routes that were looked at and did not take the request, or did.
	Why []string `json:"why"`
	// Diagnostics are those of the rule: what is not as on Envoy.
	Diagnostics  []ir.Diagnostic `json:"diagnostics,omitempty"`
	NotSimulated []string        `json:"notSimulated,omitempty"`
}

type explainedDestination struct {
	simulate.Destination
	// Closed says that there is nobody to connect to.
	Closed bool `json:"closed,omitempty"`
	// Share of the requests, in percent.
	Share     float64  `json:"share"`
	Endpoints []string `json:"endpoints"`
	// Sources are the objects that the destination was made from, each with its place in the files.
	Sources []string `json:"sources"`
}

// explainer knows where everything comes from.
type explainer struct {
	mesh   *filemode.Offline
	result *translate.Output
	config *simulate.Config
}

func (x *explainer) request(r simulate.Result) *explanation {
	e := &explanation{
		Route: r.Route, Response: r.Response, Faults: r.Faults, Mirrors: r.Mirrors, Retry: r.Retry, Why: r.Why, NotSimulated: r.NotSimulated,
	}
	x.rule(e, apisix.Routes)
	for _, d := range r.Destinations {
		x.destination(e, explainedDestination{Destination: d})
	}
	e.share()
	return e
}

func (x *explainer) connection(r simulate.ConnectionResult) *explanation {
	e := &explanation{Route: r.Route, HTTP: r.HTTP, Closed: len(r.Destinations) == 0, Why: r.Why, NotSimulated: r.NotSimulated}
	x.rule(e, apisix.StreamRoutes)
	for _, d := range r.Destinations {
		to := simulate.Destination{UpstreamID: d.UpstreamID, OriginalDst: d.OriginalDst, Weight: d.Weight}
		x.destination(e, explainedDestination{Destination: to, Closed: d.Closed})
	}
	e.share()
	return e
}

// rule says where the route comes from, and what of that is not as on Envoy.
func (x *explainer) rule(e *explanation, kind apisix.Kind) {
	route := x.find(kind, e.Route)
	if route == nil || len(route.Sources) == 0 {
		return
	}
	src := route.Sources[0]
	e.Rule, e.At = &src, x.mesh.Locate(src.Kind, src.Namespace, src.Name, src.Field)
	for _, d := range x.result.Diagnostics {
		if d.Source.Kind == src.Kind && d.Source.Namespace == src.Namespace && d.Source.Name == src.Name {
			e.Diagnostics = append(e.Diagnostics, d)
		}
	}
}

// destination adds one, with its endpoints and with what it was made from.
func (x *explainer) destination(e *explanation, d explainedDestination) {
	d.Endpoints, d.Sources = []string{}, []string{}
	if u, ok := x.config.Upstream(d.UpstreamID); ok {
		for _, n := range u.Nodes {
			endpoint := fmt.Sprintf("%s:%d", n.Host, n.Port)
			if strings.HasPrefix(n.Host, "unix:") {
				endpoint = n.Host
			}
			if p := n.Metadata.Priority; p > 0 {
				endpoint += fmt.Sprintf(" (priority %d)", p)
			}
			d.Endpoints = append(d.Endpoints, endpoint)
		}
	}
	if u := x.find(apisix.Upstreams, d.UpstreamID); u != nil {
		for _, s := range u.Sources {
			text := s.String()
			if at := x.mesh.Locate(s.Kind, s.Namespace, s.Name, s.Field); at != "" {
				text += " (" + at + ")"
			}
			d.Sources = append(d.Sources, text)
		}
	}
	e.Destinations = append(e.Destinations, d)
}

func (x *explainer) find(kind apisix.Kind, id string) *translate.Resource {
	i := slices.IndexFunc(x.result.Resources, func(r *translate.Resource) bool { return r.Kind == kind && r.ID == id })
	if i < 0 {
		return nil
	}
	return x.result.Resources[i]
}

// share computes the shares from the weights.
func (e *explanation) share() {
	total := 0
	for _, d := range e.Destinations {
		total += d.Weight
	}
	for i := range e.Destinations {
		d := &e.Destinations[i]
		d.Share = 100
		if len(e.Destinations) > 1 && total > 0 {
			d.Share = 100 * float64(d.Weight) / float64(total)
		}
	}
}
