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

package ingest

import (
	"slices"
	"strconv"

	"istio.io/api/annotation"
	meshconfig "istio.io/api/mesh/v1alpha1"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/pkg/security/trustdomain"

	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// authorization compiles the policies that deny and allow, for HTTP or for connections; nil where there are none that are
// enforced. It follows pilot/pkg/security/authz/builder.
func (b *builder) authorization(policies *model.AuthorizationPoliciesResult, tcp bool) *ir.Authorization {
	out := &ir.Authorization{}
	mesh := b.in.Push.Mesh
	c := authorizationCompiler{bundle: trustdomain.NewBundle(mesh.GetTrustDomain(), mesh.GetTrustDomainAliases()), tcp: tcp, told: b.diagnose}
	found := false
	for i := range policies.Deny {
		if p := &policies.Deny[i]; b.enforced(p) {
			found = true
			out.Deny = append(out.Deny, c.policy(p, false)...)
		}
	}
	for i := range policies.Allow {
		if p := &policies.Allow[i]; b.enforced(p) {
			found, out.Restricted = true, true
			out.Allow = append(out.Allow, c.policy(p, true)...)
		}
	}
	if !found {
		return nil
	}
	if !tcp {
		out.Normalization = pathNormalization(mesh)
	}
	return out
}

// enforced is false for a policy that is only tried. One whose annotation says neither is enforced.
func (b *builder) enforced(p *model.AuthorizationPolicy) bool {
	if dry, err := strconv.ParseBool(p.Annotations[annotation.IoIstioDryRun.Name]); err != nil || !dry {
		return true
	}
	b.diagnose(fidelity.AuthorizationDryRun.At(authorizationSource(p).At("metadata.annotations["+annotation.IoIstioDryRun.Name+"]"), ""))
	return false
}

// authorizationSource is the object of a policy.
func authorizationSource(p *model.AuthorizationPolicy) ir.Source {
	return ir.Source{Kind: "AuthorizationPolicy", Namespace: p.Namespace, Name: p.Name}
}

func pathNormalization(mesh *meshconfig.MeshConfig) ir.PathNormalization {
	switch mesh.GetPathNormalization().GetNormalization() {
	case meshconfig.MeshConfig_ProxyPathNormalization_NONE:
		return ir.NormalizeNone
	case meshconfig.MeshConfig_ProxyPathNormalization_MERGE_SLASHES:
		return ir.NormalizeMergeSlashes
	case meshconfig.MeshConfig_ProxyPathNormalization_DECODE_AND_MERGE_SLASHES:
		return ir.NormalizeDecodeAndMergeSlashes
	}
	return ir.NormalizeBase
}

// authorizationCompiler makes rules of policies (pilot/pkg/security/authz/model).
type authorizationCompiler struct {
	bundle trustdomain.Bundle
	// tcp says that the rules are for connections, of which most is not known.
	tcp  bool
	told func(ir.Diagnostic)

	// What is compiled at the moment.
	policyOf *model.AuthorizationPolicy
	allow    bool
	source   ir.Source
}

// policy makes the rules of a policy. One that has none takes nothing.
func (c *authorizationCompiler) policy(p *model.AuthorizationPolicy, allow bool) []ir.AuthorizationRule {
	c.policyOf, c.allow = p, allow
	var out []ir.AuthorizationRule
	for i, rule := range p.Spec.GetRules() {
		if rule == nil {
			continue
		}
		c.source = authorizationSource(p).At("spec.rules[" + strconv.Itoa(i) + "]")
		r := ir.AuthorizationRule{Name: "ns[" + p.Namespace + "]-policy[" + p.Name + "]-rule[" + strconv.Itoa(i) + "]"}
		to, from, ok := c.when(rule.GetWhen())
		if !ok {
			continue
		}
		if r.From, ok = c.from(rule.GetFrom(), from); !ok {
			continue
		}
		if r.To, ok = c.to(rule.GetTo(), to); !ok {
			continue
		}
		out = append(out, r)
	}
	return out
}

// term is a part of a rule: the values that an attribute must have, and those that it must not have.
type term struct {
	// field is where it stands in the rule.
	field             string
	values, notValues []string
	// into is an empty condition on the attribute.
	into ir.AuthorizationCondition
	// add adds a value to it.
	add func(c *ir.AuthorizationCondition, value string) error
	// http says that there is no such thing for connections.
	http bool
}

// conditions are those of terms in a row. It is false where the rule must not be used. What cannot be said makes a rule that
// allows allow nothing, and is left out of one that denies, which then denies more (rule.checkError of Istio).
func (c *authorizationCompiler) conditions(terms []term) ([]ir.AuthorizationCondition, bool) {
	var out []ir.AuthorizationCondition
	for i := range terms {
		t := &terms[i]
		if len(t.values) == 0 && len(t.notValues) == 0 {
			continue
		}
		if c.tcp && t.http {
			if c.allow {
				return nil, false
			}
			continue
		}
		yes, ok := c.condition(t, t.values, false)
		no, notOK := c.condition(t, t.notValues, true)
		if c.allow && (!ok || !notOK) {
			return nil, false
		}
		out = slices.Concat(out, yes, no)
	}
	return out, true
}

// condition is the one for a list of values, if there is anything left of it.
func (c *authorizationCompiler) condition(t *term, values []string, not bool) ([]ir.AuthorizationCondition, bool) {
	if len(values) == 0 {
		return nil, true
	}
	out, some, ok := t.into, false, true
	out.Not = not
	for _, v := range values {
		err := t.add(&out, v)
		if unknown, is := err.(unknownValue); is { //nolint:errorlint // it is made here and never wrapped
			c.unknown(t, unknown)
			return nil, false
		}
		some, ok = some || err == nil, ok && err == nil
	}
	if !some {
		return nil, ok
	}
	return []ir.AuthorizationCondition{out}, ok
}

// unknownValue says why Envoy would know what a condition asks for, and we do not. Unlike a value that means nothing, it must not
// just be left out of others.
type unknownValue string

func (u unknownValue) Error() string { return string(u) }

func (c *authorizationCompiler) unknown(t *term, why unknownValue) {
	effect := "the rule denies without regard to it"
	if c.allow {
		effect = "the rule allows nothing"
	}
	c.told(fidelity.AuthorizationConditionUnknown.At(c.source.At(t.field), "%s: %s", string(why), effect))
}
