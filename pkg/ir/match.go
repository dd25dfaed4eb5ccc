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

// Match is a conjunction: every condition that is set must hold. The zero Match takes every request.
type Match struct {
	// Path is compared with the path without its query.
	Path *StringMatch
	// IgnorePathCase applies to exact and prefix matches of Path.
	IgnorePathCase bool
	Method         *StringMatch
	Scheme         *StringMatch
	// Authority is compared with the Host header as it was sent, port included.
	Authority *StringMatch
	// Headers are sorted by name, in lower case. A missing header does not match.
	Headers []NamedMatch
	// WithoutHeaders must not match; a missing header counts as an empty one, except for MatchPresent.
	WithoutHeaders []NamedMatch
	// QueryParams are sorted by name.
	QueryParams []NamedMatch
}

// All says that m takes every request.
func (m *Match) All() bool {
	return m.Path == nil && m.Method == nil && m.Scheme == nil && m.Authority == nil &&
		len(m.Headers) == 0 && len(m.WithoutHeaders) == 0 && len(m.QueryParams) == 0
}

// MatchKind is how a StringMatch compares.
type MatchKind int

const (
	// MatchExact compares the whole value.
	MatchExact MatchKind = iota
	// MatchPrefix compares the beginning of the value.
	MatchPrefix
	// MatchPathPrefix compares the beginning of a path, up to its end or a "/" (Gateway API's PathPrefix).
	MatchPathPrefix
	// MatchRegex is an RE2 expression which must match the whole value.
	MatchRegex
	// MatchPresent asks only that there is a value.
	MatchPresent
)

// StringMatch is a condition on one value.
type StringMatch struct {
	Kind  MatchKind
	Value string
}

// NamedMatch is a condition on the header or query parameter of that name.
type NamedMatch struct {
	Name string
	StringMatch
}
