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
	request string
	headers []string
	output  string
}

func newExplainCommand() *cobra.Command {
	var o explainOptions
	cmd := &cobra.Command{
		Use:   "explain -f DIR|FILE… --proxy NAME.NAMESPACE --request 'METHOD URL' [-H 'NAME: VALUE'…]",
		Short: "Tell where a request of a workload goes, and which rule sends it there",
		Long: `Tell where a request of a workload goes, and which rule sends it there: the rule with its file and line, the destinations with
their shares and endpoints, and all that is done to the request and its response on the way. Nothing is sent: the request is
played against what the workload's APISIX gets.`,
		Example: `  apisixctl explain -f samples/bookinfo/platform -f samples/bookinfo/networking/virtual-service-reviews-test-v2.yaml \
    --proxy productpage-v1.default --request 'GET http://reviews:9080/reviews/0' -H 'end-user: jason'`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.run(c.Context(), c.OutOrStdout())
		},
	}
	o.addFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.request, "request", "", "method and URL of the request, such as 'GET http://reviews:9080/reviews/0?q=1'")
	f.StringArrayVarP(&o.headers, "header", "H", nil, "a header of the request, as 'NAME: VALUE'")
	f.StringVarP(&o.output, "output", "o", "text", "format: text, json, yaml")
	if err := cmd.MarkFlagRequired("request"); err != nil {
		panic(err) // a flag that was not declared above
	}
	return cmd
}

func (o *explainOptions) run(ctx context.Context, out io.Writer) error {
	write, ok := explanationWriters[o.output]
	if !ok {
		return fmt.Errorf("--output: there is no format %q, only json, text, yaml", o.output)
	}
	request, err := parseRequest(o.request, o.headers)
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
	return write(out, newExplanation(mesh, result, config, config.HTTP(request)))
}

// parseRequest reads "[METHOD] URL". The request is one that was captured on its way to the port of the URL.
func parseRequest(text string, headers []string) (simulate.Request, error) {
	method, target, hasMethod := strings.Cut(strings.TrimSpace(text), " ")
	if !hasMethod {
		method, target = http.MethodGet, method
	}
	u, err := url.Parse(strings.TrimSpace(target))
	if err != nil || u.Host == "" || u.Scheme != "http" {
		return simulate.Request{}, fmt.Errorf("--request %q: it must be 'METHOD http://HOST[:PORT]/PATH'", text)
	}
	port := 80
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
	// Route is the route of APISIX that takes the request.
	Route        string                 `json:"route,omitempty"`
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
	// Share of the requests, in percent.
	Share     float64  `json:"share"`
	Endpoints []string `json:"endpoints"`
	// Sources are the objects that the destination was made from, each with its place in the files.
	Sources []string `json:"sources"`
}

func newExplanation(mesh *filemode.Offline, result *translate.Output, config *simulate.Config, r simulate.Result) *explanation {
	e := &explanation{
		Route: r.Route, Response: r.Response, Faults: r.Faults, Mirrors: r.Mirrors, Retry: r.Retry, Why: r.Why, NotSimulated: r.NotSimulated,
	}
	find := func(kind apisix.Kind, id string) *translate.Resource {
		i := slices.IndexFunc(result.Resources, func(r *translate.Resource) bool { return r.Kind == kind && r.ID == id })
		if i < 0 {
			return nil
		}
		return result.Resources[i]
	}
	if route := find(apisix.Routes, r.Route); route != nil && len(route.Sources) > 0 {
		src := route.Sources[0]
		e.Rule, e.At = &src, mesh.Locate(src.Kind, src.Namespace, src.Name, src.Field)
		for _, d := range result.Diagnostics {
			if d.Source.Kind == src.Kind && d.Source.Namespace == src.Namespace && d.Source.Name == src.Name {
				e.Diagnostics = append(e.Diagnostics, d)
			}
		}
	}
	total := 0
	for _, d := range r.Destinations {
		total += d.Weight
	}
	for _, d := range r.Destinations {
		out := explainedDestination{Destination: d, Share: 100, Endpoints: []string{}, Sources: []string{}}
		if len(r.Destinations) > 1 && total > 0 {
			out.Share = 100 * float64(d.Weight) / float64(total)
		}
		if u, ok := config.Upstream(d.UpstreamID); ok {
			for _, n := range u.Nodes {
				endpoint := fmt.Sprintf("%s:%d", n.Host, n.Port)
				if p := n.Metadata.Priority; p > 0 {
					endpoint += fmt.Sprintf(" (priority %d)", p)
				}
				out.Endpoints = append(out.Endpoints, endpoint)
			}
		}
		if u := find(apisix.Upstreams, d.UpstreamID); u != nil {
			for _, s := range u.Sources {
				text := s.String()
				if at := mesh.Locate(s.Kind, s.Namespace, s.Name, s.Field); at != "" {
					text += " (" + at + ")"
				}
				out.Sources = append(out.Sources, text)
			}
		}
		e.Destinations = append(e.Destinations, out)
	}
	return e
}
