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

package configdir

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func problemsOf(text string) []string {
	var out []string
	for _, p := range parseFile([]byte(text)).problems {
		out = append(out, p.String())
	}
	return out
}

func TestProblems(t *testing.T) {
	const (
		vs      = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: x}\nspec:\n"
		service = "apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec:\n"
		slice   = "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
	)
	tests := []struct {
		name, text string
		want       []string
	}{
		{"YAML syntax", "a: b\nc: [1, 2\nd: e\n", []string{"line 2: YAML: did not find expected ',' or ']'"}},
		{"YAML indentation", vs + "  hosts: [x]\n  http:\n  - route:\n    - destination:\n        host: x\n     weight: 3\n", []string{
			"line 10: YAML: did not find expected key",
		}},
		{"YAML syntax in a later document", "a: {}\n---\n\nb: c: d\n", []string{
			"line 4: YAML: mapping values are not allowed in this context",
			"line 1: the document is not an object: it needs apiVersion, kind and metadata",
		}},
		{"doubled field", vs + "  hosts: [x]\n  hosts: [y]\n", []string{`line 6: YAML: key "hosts" already set in map`}},
		{"separator with a comment", "apiVersion: v1\nkind: Namespace\nmetadata: {name: x}\n--- # next\na: b\n", []string{
			`line 4: YAML: a second document starts here: its "---" must stand alone on a line`,
		}},
		{"no object", "- a\n- b\n", []string{"line 1: the document is not an object: it needs apiVersion, kind and metadata"}},
		{"no kind", "apiVersion: v1\nmetadata: {name: x}\n", []string{"line 1: the document is not an object: it needs apiVersion, kind and metadata"}},
		{"kind that Istio does not have", strings.Replace(vs, "Service", "Servise", 1), []string{
			`line 2: VirtualServise x: apiVersion networking.istio.io/v1 has no kind "VirtualServise"`,
		}},
		{"version that is not served", "apiVersion: discovery.k8s.io/v1beta1\nkind: EndpointSlice\nmetadata: {name: x}\n", []string{
			"line 1: EndpointSlice x: apiVersion discovery.k8s.io/v1beta1 is not served: use discovery.k8s.io/v1",
		}},
		{"no name", "apiVersion: v1\nkind: Service\nmetadata:\n  namespace: x\n", []string{"line 3: Service x/: metadata.name is missing"}},
		{"bad name", "apiVersion: v1\nkind: Service\nmetadata:\n  name: A_b\n  namespace: c.d\n", []string{
			`line 4: Service c.d/A_b: metadata.name "A_b": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, ` +
				`'-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is ` +
				`'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
			`line 5: Service c.d/A_b: metadata.namespace "c.d": must not contain dots`,
		}},
		{"wrong type in metadata", "apiVersion: v1\nkind: Service\nmetadata:\n  name: 5\n", []string{"line 4: metadata.name: a number cannot be read as string"}},
		{"unknown field in an Istio kind", vs + "  hosts: [x]\n  http:\n  - name: a\n    route:\n    - destination:\n        host: x\n      wieght: 3\n", []string{
			`line 11: VirtualService default/x: spec.http[0].route[0].wieght: unknown field "wieght"`,
		}},
		{"unknown field beside the spec", vs + "  hosts: [x]\nspce: {}\n", []string{`line 6: VirtualService default/x: unknown field "spce"`}},
		{"unknown field in metadata of an Istio kind", strings.Replace(vs, "{name: x}", "{name: x, lables: {}}", 1) + "  hosts: [x]\n", []string{
			`line 3: VirtualService default/x: unknown field "metadata.lables"`,
		}},
		{"wrong type in an Istio kind", vs + "  hosts: [x]\n  http:\n  - route: [{destination: {host: é, port: {number: many}}}]\n", []string{
			`line 7: VirtualService default/x: spec.http[0].route[0].destination.port.number: invalid value for uint32 field number: "many"`,
		}},
		{"enum", strings.Replace(vs, "VirtualService", "DestinationRule", 1) +
			"  host: x\n  trafficPolicy:\n    loadBalancer:\n      simple: ROUND\n", []string{
			`line 8: DestinationRule default/x: spec.trafficPolicy.loadBalancer.simple: invalid value for enum field simple: "ROUND"`,
		}},
		{"duration", vs + "  hosts: [x]\n  http:\n  - route: [{destination: {host: x}}]\n    timeout: banana\n", []string{
			`line 8: VirtualService default/x: spec.http[0].timeout: invalid google.protobuf.Duration value "banana"`,
		}},
		{"Istio validation", vs + "  hosts: []\n  http:\n  - timeout: 3s\n", []string{
			"line 4: VirtualService default/x: HTTP route, redirect or direct_response is required",
		}},
		{"in a List", "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Service\n  metadata: {name: a}\n" +
			"- apiVersion: v1\n  kind: Service\n  metadata:\n    name: b\n  spec:\n    prots: []\n", []string{
			`line 12: Service default/b: unknown field "spec.prots"`,
		}},
		{"anchor", "apiVersion: v1\nkind: List\nitems:\n- &a\n  apiVersion: v1\n  kind: Service\n  metadata: {name: a}\n  spec: {x: 1}\n- *a\n", []string{
			`line 8: Service default/a: unknown field "spec.x"`,
			`line 8: Service default/a: unknown field "spec.x"`,
		}},
		{"unknown field in a Kubernetes kind", service + "  ports:\n  - port: 80\n  - port: 81\n    nam: a\n", []string{
			`line 8: Service default/x: unknown field "spec.ports[1].nam"`,
		}},
		{"wrong type in a Kubernetes kind", service + "  ports:\n  - port: 80\n  - port: eighty\n", []string{
			"line 7: Service default/x: spec.ports[1].port: a string cannot be read as int32",
		}},
		{"ports", service + "  clusterIP: 1.2.3\n  ports:\n  - {name: a, port: 0}\n  - {name: a, port: 5}\n  - {port: 6, targetPort: 99999}\n", []string{
			`line 5: Service default/x: spec.clusterIP "1.2.3" is neither an IP address nor None`,
			"line 7: Service default/x: spec.ports[0].port: 0 is no port: it must be between 1 and 65535",
			"line 7: Service default/x: spec.ports[0].targetPort: 0 is no port: it must be between 1 and 65535",
			`line 8: Service default/x: spec.ports[1]: a port named "a" is there already`,
			"line 9: Service default/x: spec.ports[2].targetPort: 99999 is no port: it must be between 1 and 65535",
			"line 9: Service default/x: spec.ports[2]: a name is needed, because there are several ports",
		}},
		{"external name", service + "  type: ExternalName\n  externalName: _\n", []string{
			`line 6: Service default/x: spec.externalName "_": a lowercase RFC 1123 subdomain must consist`,
		}},
		{"EndpointSlice", slice + "metadata: {name: x}\naddressType: IPv5\n---\n" +
			slice + "metadata: {name: y-}\naddressType: IPv4\nports: [{port: -1}]\nendpoints:\n- addresses: [1.2.3.4]\n- addresses:\n  - here\n", []string{
			`line 4: EndpointSlice default/x: addressType "IPv5": it must be IPv4, IPv6 or FQDN`,
			`line 8: EndpointSlice default/y-: metadata.name "y-": a lowercase RFC 1123`,
			`line 14: EndpointSlice default/y-: endpoints[1].addresses[0]: "here" is no IP address`,
			"line 10: EndpointSlice default/y-: ports[0].port: -1 is no port",
		}},
		{"secret's content is not told", "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\ndata:\n  key: '!geheim!'\n", []string{
			"line 1: Secret default/x: illegal base64 data at input byte 0",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := problemsOf(tt.text)
			if len(got) != len(tt.want) {
				t.Fatalf("got %d problems:\n%s", len(got), strings.Join(got, "\n"))
			}
			for i := range got {
				// A long explanation may be cut in the table.
				if !strings.HasPrefix(strings.ReplaceAll(got[i], "\u00a0", " "), tt.want[i]) {
					t.Errorf("got  %s\nwant %s", got[i], tt.want[i])
				}
			}
			if strings.Contains(strings.Join(got, " "), "geheim") {
				t.Error("a secret is in a message")
			}
		})
	}
}

func TestAccepted(t *testing.T) {
	p := parseFile([]byte(`# A comment alone is no document.
---
apiVersion: v1
kind: Service
metadata: {name: plain}
spec:
  ports: [{port: 80}]
---
apiVersion: v1
kind: Secret
metadata: {name: tls, namespace: prod}
data: {a: MQ==}
stringData: {b: two}
---
apiVersion: v1
kind: Namespace
metadata: {name: prod, namespace: wrong, labels: {istio.io/rev: canary}}
---
apiVersion: networking.istio.io/v1alpha3
kind: Sidecar
metadata: {name: old}
spec: {egress: [{hosts: ["./*"]}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: route}
spec: {parentRefs: [{name: gw}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: reviews-v1}
spec: {newFieldOfNextYear: 1}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: sa}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: r}
---
apiVersion: example.com/v1
kind: Whatever
metadata: {name: w}
---
null
...
`))
	if len(p.problems) > 0 {
		t.Fatal(p.problems)
	}
	var got []string
	byID := map[string]*unstructured.Unstructured{}
	for _, o := range p.objects {
		got = append(got, fmt.Sprintf("%d %s %s", o.Line, o.Resource.Plural, o.ID()))
		byID[o.ID()] = o.Value
	}
	want := []string{
		"3 services Service default/plain", "9 secrets Secret prod/tls", "15 namespaces Namespace prod",
		"19 sidecars Sidecar default/old", "24 httproutes HTTPRoute default/route",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"Deployment reviews-v1", "ServiceAccount sa", "Role r", "Whatever w"}, p.ignored); diff != "" {
		t.Error(diff)
	}
	// What a cluster adds, and Istio relies on.
	for _, tt := range []struct {
		id   string
		path []string
		want any
	}{
		{"Service default/plain", []string{"spec", "type"}, "ClusterIP"},
		{"Service default/plain", []string{"spec", "sessionAffinity"}, "None"},
		{"Secret prod/tls", []string{"data", "b"}, "dHdv"},
		{"Secret prod/tls", []string{"data", "a"}, "MQ=="},
		{"Secret prod/tls", []string{"type"}, "Opaque"},
		{"Namespace prod", []string{"metadata", "labels", "kubernetes.io/metadata.name"}, "prod"},
		{"Namespace prod", []string{"metadata", "labels", "istio.io/rev"}, "canary"},
		{"Sidecar default/old", []string{"apiVersion"}, "networking.istio.io/v1"},
	} {
		if got, _, _ := unstructured.NestedFieldNoCopy(byID[tt.id].Object, tt.path...); got != tt.want {
			t.Errorf("%s %v: got %v, want %v", tt.id, tt.path, got, tt.want)
		}
	}
	ports, _, _ := unstructured.NestedSlice(byID["Service default/plain"].Object, "spec", "ports")
	if diff := cmp.Diff([]any{map[string]any{"port": int64(80), "protocol": "TCP", "targetPort": int64(80)}}, ports); diff != "" {
		t.Error(diff)
	}
	if _, ok := byID["Secret prod/tls"].Object["stringData"]; ok {
		t.Error("stringData is left in the Secret")
	}
	if ns := byID["Namespace prod"].GetNamespace(); ns != "" {
		t.Errorf("the Namespace is in namespace %q", ns)
	}
}

// All kinds are served under names that tell them apart.
func TestResources(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Resources() {
		if seen[r.GroupResource().String()] {
			t.Errorf("%v is there twice", r.GroupResource())
		}
		seen[r.GroupResource().String()] = true
	}
	for _, want := range []string{"services", "endpointslices.discovery.k8s.io", "virtualservices.networking.istio.io", "leases.coordination.k8s.io"} {
		if !seen[want] {
			t.Errorf("%s is missing in %v", want, slices.Sorted(maps.Keys(seen)))
		}
	}
}

func FuzzParseFile(f *testing.F) {
	f.Add([]byte("apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {ports: [{port: 80}]}\n"))
	f.Add([]byte(virtualService("x", "y")))
	f.Add([]byte("apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Namespace, metadata: {name: x}}]\n"))
	f.Add([]byte("a: &a [*a]\n---\n- x\n--- # c\n{\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		// YAML ends lines with more than "\n".
		lines := 1
		for _, ending := range []string{"\n", "\r", "\u0085", "\u2028", "\u2029"} {
			lines += strings.Count(string(data), ending)
		}
		p := parseFile(data)
		for _, problem := range p.problems {
			if problem.Line < 1 || problem.Line > lines+1 || problem.Reason == "" {
				t.Errorf("problem %+v in %d lines", problem, lines)
			}
		}
		// What is accepted can be served.
		d := New("istio-system")
		snap := d.Update(map[string][]byte{"f.yaml": data})
		for _, o := range snap.Served() {
			if o.Source == "" || o.Make() == nil {
				t.Errorf("object %s/%s cannot be served", o.Namespace, o.Name)
			}
		}
	})
}
