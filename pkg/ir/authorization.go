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

import "net/netip"

// Authorization says who may reach the workload: AuthorizationPolicies, compiled as Istio compiles them for Envoy's RBAC filters, for
// HTTP or for connections. A request that a rule of Deny takes is refused; so is one that no rule of Allow takes, where there is an
// ALLOW policy at all.
type Authorization struct {
	Deny []AuthorizationRule
	// Restricted says that there is a policy that allows; it may have no rule that ever does.
	Restricted bool
	Allow      []AuthorizationRule
	// Normalization is how paths are normalised before they are compared, and then forwarded.
	Normalization PathNormalization
	// HTTP2 says that what is let in is forwarded by HTTP/2.
	HTTP2 bool
}

// PathNormalization is that of the MeshConfig.
type PathNormalization string

// The values of MeshConfig.pathNormalization.
const (
	NormalizeNone                  PathNormalization = "NONE"
	NormalizeBase                  PathNormalization = "BASE"
	NormalizeMergeSlashes          PathNormalization = "MERGE_SLASHES"
	NormalizeDecodeAndMergeSlashes PathNormalization = "DECODE_AND_MERGE_SLASHES"
)

// AuthorizationRule takes what one of To and one of From take. Each of these is a conjunction, which takes everything when it is
// empty. There is at least one of both.
type AuthorizationRule struct {
	// Name is Istio's, such as "ns[shop]-policy[readers]-rule[0]".
	Name     string
	To, From [][]AuthorizationCondition
}

// The attributes of an AuthorizationCondition. Those with a dot are Istio's; the other ones are fields of an operation.
const (
	AttributePrincipal        = "source.principal"
	AttributeSourceIP         = "source.ip"
	AttributeRemoteIP         = "remote.ip"
	AttributeDestinationIP    = "destination.ip"
	AttributeDestinationPort  = "destination.port"
	AttributeSNI              = "connection.sni"
	AttributeHeader           = "request.headers"
	AttributeRequestPrincipal = "request.auth.principal"
	AttributeClaim            = "request.auth.claims"
	AttributeHost             = "host"
	AttributeMethod           = "method"
	AttributePath             = "path"
)

// AuthorizationCondition holds when the attribute has one of the values, or with Not when it has none of them.
type AuthorizationCondition struct {
	Attribute string
	// Header is the name of a header in lower case, Claim the path to a claim of the request's token.
	Header string
	Claim  []string
	Not    bool

	AuthorizationStrings
	CIDRs []netip.Prefix
	Ports []int
	// Templates are paths with the operators {*} and {**}.
	Templates []string
	// Tokens are issuer and subject of the request's token.
	Tokens []AuthorizationToken
}

// AuthorizationStrings are values of which a string has one. Those of a host are in lower case.
type AuthorizationStrings struct {
	// Present takes every header, also an empty one, and every other string that is not empty.
	Present                   bool
	Exact, Prefixes, Suffixes []string
	Globs                     []AuthorizationGlob
	// DomainPrefixes and DomainSuffixes are those of the trust domain of a SPIFFE id.
	DomainPrefixes, DomainSuffixes []string
}

// AuthorizationGlob takes strings which are the parts, with any characters between two of them; at least as many as Gaps says.
type AuthorizationGlob struct {
	Parts []string
	Gaps  []int
}

// AuthorizationToken takes tokens by their issuer and subject.
type AuthorizationToken struct {
	Issuer, Subject AuthorizationStrings
}
