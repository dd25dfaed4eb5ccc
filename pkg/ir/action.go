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

package ir

import "time"

// Redirect answers with a Location instead of forwarding. What is not set is taken from the request.
type Redirect struct {
	// Code is 301, 302, 303, 307 or 308.
	Code int
	// Scheme is "http" or "https"; Authority a host, with or without a port.
	Scheme, Authority string
	// Port replaces that of the request's authority; zero leaves it.
	Port int
	// Path replaces the whole path, and the query too when it has one itself.
	Path string
	// Prefix replaces a part of the path instead.
	Prefix *PrefixRewrite
}

// PrefixRewrite puts Replacement in the place of Prefix at the beginning of the path. An empty Prefix stands for the
// whole path, as it does after an exact or regular expression match.
type PrefixRewrite struct {
	Prefix, Replacement string
}

// DirectResponse is what the proxy answers by itself.
type DirectResponse struct {
	Status int
	Body   []byte
}

// Rewrite changes a request before it is forwarded. At most one of Prefix and Regex is set.
type Rewrite struct {
	Prefix *PrefixRewrite
	Regex  *RegexRewrite
	// Authority replaces the host; empty leaves it.
	Authority string
}

// RegexRewrite replaces every match of the RE2 expression Pattern in the path by Substitution, in which "\1" is the first
// group and "\0" all of the match.
type RegexRewrite struct {
	Pattern, Substitution string
}

// Headers are what is done to the headers of a request and of its response.
type Headers struct {
	Request, Response HeaderOperations
}

// Empty says that nothing is done.
func (h *Headers) Empty() bool { return h.Request.Empty() && h.Response.Empty() }

// HeaderOperations are done in this order: all of Remove, then Values one by one.
type HeaderOperations struct {
	Remove []string
	Values []HeaderValue
}

// Empty says that nothing is done.
func (o *HeaderOperations) Empty() bool { return len(o.Remove) == 0 && len(o.Values) == 0 }

// HeaderValue sets a header, or adds one more value to it. A value that comes out empty does nothing.
type HeaderValue struct {
	Name string
	// Value is joined from its parts.
	Value  []ValuePart
	Append bool
}

// ValuePart is literal text, or what the request has in a place.
type ValuePart struct {
	Literal string
	// Variable is set instead of Literal; Name goes with those that need one.
	Variable Variable
	Name     string
}

// Variable is something that differs from request to request.
type Variable int

// The variables.
const (
	// NoVariable marks a literal.
	NoVariable Variable = iota
	// RequestHeader is the header Name.
	RequestHeader
	// ResponseHeader is the header Name, in values for a response.
	ResponseHeader
	// RequestMethod, RequestPath (with its query), RequestAuthority and RequestScheme are HTTP/2's pseudo headers.
	RequestMethod
	RequestPath
	RequestAuthority
	RequestScheme
	// RemoteAddress and RemotePort are the client's.
	RemoteAddress
	RemotePort
	// OriginalDestination is the address with its port that the client meant to reach.
	OriginalDestination
	// UpstreamAddress is the endpoint that answered, with its port, in values for a response.
	UpstreamAddress
	// ResponseStatus is the status code, in values for a response.
	ResponseStatus
	// Hostname is the proxy's.
	Hostname
)

// Mirror sends a copy of a share of the requests to a cluster, whose answers nobody sees.
type Mirror struct {
	// Cluster is the name of a member of Config.Clusters.
	Cluster string
	// Percentage of the requests, above 0 to 100 with fractions.
	Percentage float64
}

// CORS is a cross-origin policy. Empty fields add no header.
type CORS struct {
	// AllowOrigins are tried one by one; an exact "*" takes every origin.
	AllowOrigins                              []StringMatch
	AllowMethods, AllowHeaders, ExposeHeaders []string
	// MaxAge is that of a preflight's answer, in whole seconds; nil for none.
	MaxAge *time.Duration
	// AllowCredentials is Access-Control-Allow-Credentials.
	AllowCredentials bool
	// AnswerUnmatchedPreflights answers preflights of other origins, without any header; otherwise they are forwarded.
	AnswerUnmatchedPreflights bool
}

// Retries is how often and when a request is tried again.
type Retries struct {
	// Attempts are those after the first; zero for none.
	Attempts int
	// On are Envoy's conditions, such as "connect-failure" and "5xx"; sorted. DefaultOn says that nobody asked for them.
	On        []string
	DefaultOn bool
	// Statuses are tried again too; sorted.
	Statuses []int
	// PerTryTimeout is that of each try; zero for none but the route's.
	PerTryTimeout time.Duration
	// Backoff is the most that the first further try waits; zero for Envoy's own.
	Backoff time.Duration
	// PreviousHosts lets further tries go to endpoints that were tried.
	PreviousHosts bool
	// RemoteLocalities prefers other priorities than those that were tried.
	RemoteLocalities bool
}
