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
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/pkg/model"

	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// told is the code of a diagnostic that tells of the difference, or "".
func (x *sides) told(c *call, k aspect, envoy, ours *answer) string {
	switch k {
	case endpoints:
		return x.clusterCode(ours.aspects[destinations], endpointCodes)
	case policy:
		return x.clusterCode(ours.aspects[destinations], policyCodes)
	case mirrors:
		if code := x.clusterCode(envoy.aspects[k], endpointCodes); code != "" {
			return code
		}
	}
	for i := range x.out.Diagnostics {
		d := &x.out.Diagnostics[i]
		if tells := telling[d.Code]; tells != nil && tells(&difference{x.scenario, c, k, envoy, ours}, d) {
			return d.Code
		}
	}
	return ""
}

// endpointCodes tell that a cluster has other endpoints than on Envoy.
var endpointCodes = []string{
	"TLSOriginationRefused", "CredentialForSidecars", "DestinationCredentialRefused", "ProxyProtocolRefused", "RemoteAccounts", "UnixEndpoint", "PeerUnknown",
}

// policyCodes tell that a cluster has another policy than on Envoy.
var policyCodes = []string{"ConnectionPool", "ClientProtocol", "OutlierDetection"}

// clusterCode is the code of a diagnostic on one of the named clusters, among those given.
func (x *sides) clusterCode(names string, codes []string) string {
	for _, c := range x.out.Config().Clusters {
		if strings.Contains(names, c.Name) {
			for _, d := range c.Diagnostics {
				if slices.Contains(codes, d.Code) {
					return d.Code
				}
			}
		}
	}
	return ""
}

// difference is one aspect in which the answers differ.
type difference struct {
	scenario    *scenario
	call        *call
	aspect      aspect
	envoy, ours *answer
}

// concerns says that the diagnostic speaks of an object that decided on either side.
func (f *difference) concerns(d *ir.Diagnostic) bool {
	o := d.Source.Kind + " " + d.Source.Namespace + "/" + d.Source.Name
	return slices.Contains(f.envoy.objects, o) || slices.Contains(f.ours.objects, o)
}

// refused says that ours answers with what the fidelity table promises for refused parts.
func (f *difference) refused() bool {
	return f.aspect == outcome && f.ours.aspects[outcome] == answered(501)
}

// onPort says that the message speaks of the port that was called.
func (f *difference) onPort(d *ir.Diagnostic) bool {
	return slices.Contains(strings.FieldsFunc(d.Message, func(r rune) bool { return strings.ContainsRune(" :()", r) }), itoa(f.call.port))
}

func onHeaders(f *difference, d *ir.Diagnostic) bool {
	return f.concerns(d) && slices.Contains([]aspect{requestHeaders, responseHeaders, answerHeaders}, f.aspect)
}

// telling says for each code which differences it tells of. A code that is not here tells of none.
var telling = map[string]func(*difference, *ir.Diagnostic) bool{
	"UnixDefaultEndpoint": func(f *difference, d *ir.Diagnostic) bool { return f.call.inbound && f.concerns(d) },
	"SniffedPort": func(f *difference, d *ir.Diagnostic) bool {
		// Envoy gives the port a listener of its own for every address, without regard to the host.
		own := !strings.HasPrefix(f.envoy.where, "listener 0.0.0.0_") && !strings.HasPrefix(f.envoy.where, "listener ::_") &&
			!strings.HasPrefix(f.envoy.where, "listener [::]_")
		return f.onPort(d) && (own || f.envoy.aspects[outcome] == tcp)
	},
	"WildcardServerName": func(f *difference, _ *ir.Diagnostic) bool { return f.call.tls && f.ours.aspects[outcome] == closed },
	"HTTPProxyListener":  func(f *difference, d *ir.Diagnostic) bool { return f.onPort(d) },
	"RegexNotCarried":    func(f *difference, d *ir.Diagnostic) bool { return f.concerns(d) },
	"RewriteRegexRefused": func(f *difference, d *ir.Diagnostic) bool {
		return f.concerns(d) && f.refused()
	},
	"RedirectRefused": func(f *difference, d *ir.Diagnostic) bool { return f.concerns(d) && f.refused() },
	"RetryConditions": func(f *difference, d *ir.Diagnostic) bool { return f.concerns(d) && f.aspect == retries },
	"QueryDecoded": func(f *difference, d *ir.Diagnostic) bool {
		return f.concerns(d) && strings.ContainsAny(f.call.query(), "%+")
	},
	"HeaderUnderscore": func(f *difference, d *ir.Diagnostic) bool {
		return f.concerns(d) && slices.ContainsFunc(f.scenario.objects, func(o object) bool { return f.call.mistakes(o) })
	},
	"RewriteWithoutSlash": func(f *difference, d *ir.Diagnostic) bool {
		without := func(s string) string { return strings.ReplaceAll(s, "/", "") }
		headers := f.aspect == requestHeaders || f.aspect == responseHeaders
		return f.concerns(d) && (f.aspect == path && f.ours.aspects[path] == "/"+f.envoy.aspects[path] ||
			headers && without(f.ours.aspects[f.aspect]) == without(f.envoy.aspects[f.aspect]))
	},
	"MirrorBuffered": func(f *difference, d *ir.Diagnostic) bool {
		return f.concerns(d) && f.aspect == mirrors && f.call.grpc() && f.ours.aspects[mirrors] == ""
	},
	// Envoy has a listener on the loopback interface, which captured traffic does not meet.
	"ListenerNotOpened": func(f *difference, _ *ir.Diagnostic) bool {
		return strings.HasPrefix(f.envoy.where, "listener "+model.VirtualOutboundListenerName) || f.envoy.where == `route "allow_any_dynamic_dns"`
	},
	"StatusRefused": func(f *difference, d *ir.Diagnostic) bool { return f.concerns(d) && f.refused() },
	"FaultStatusNotCarried": func(f *difference, d *ir.Diagnostic) bool {
		return f.concerns(d) && (f.aspect == fault || f.aspect == outcome)
	},
	"HeaderNotCarried": onHeaders,
	"CORSOriginNotCarried": func(f *difference, d *ir.Diagnostic) bool {
		return f.concerns(d) && (f.aspect == responseHeaders || f.aspect == outcome || f.aspect == answerHeaders)
	},
	"DomainNotCarried": func(f *difference, d *ir.Diagnostic) bool {
		return f.concerns(d) && strings.Contains(d.Message, fmt.Sprintf("%q", asciiLower(withoutPort(f.call.host))))
	},
}

// mistakes says that a rule of the object looks at a header whose name the call has with hyphens for underscores.
func (c *call) mistakes(o object) bool {
	vs, _ := o.spec().(*networking.VirtualService)
	for _, rule := range vs.GetHttp() {
		for _, m := range rule.Match {
			for _, name := range append(sortedKeys(m.Headers), sortedKeys(m.WithoutHeaders)...) {
				if slices.ContainsFunc(c.headers, func(h field) bool {
					return !strings.EqualFold(h.name, name) && strings.EqualFold(strings.ReplaceAll(h.name, "_", "-"), strings.ReplaceAll(name, "_", "-"))
				}) {
					return true
				}
			}
		}
	}
	return false
}
