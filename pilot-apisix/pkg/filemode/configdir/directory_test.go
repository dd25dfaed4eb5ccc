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
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func virtualService(name, host string) string {
	return fmt.Sprintf("apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: %s}\n"+
		"spec: {hosts: [x], http: [{route: [{destination: {host: %s}}]}]}\n---\n", name, host)
}

const broken = "kind: [\n"

// routes gives "NAME=HOST ..." for what is served of each file.
func routes(t *testing.T, s *Snapshot) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, o := range s.Objects {
		if o.Resource.Kind != "VirtualService" {
			continue
		}
		http, _, _ := unstructured.NestedSlice(o.Value.Object, "spec", "http")
		route := http[0].(map[string]any)["route"].([]any)[0].(map[string]any)
		host, _, _ := unstructured.NestedString(route, "destination", "host")
		out[o.File] = strings.TrimSpace(out[o.File] + " " + o.Value.GetName() + "=" + host)
	}
	return out
}

func refused(rs []Refusal) []string {
	var out []string
	for _, r := range rs {
		out = append(out, fmt.Sprintf("%s serving=%v", r.Error(), r.Serving))
	}
	return out
}

// Each step changes files; nil removes one. What is served must never lose what a file had before it was broken.
func TestUpdate(t *testing.T) {
	const missing = "<removed>"
	type step struct {
		name    string
		change  map[string]string
		served  map[string]string
		refused []string
		newly   int
		changed []string
		removed []string
	}
	steps := []step{
		{
			name:    "start",
			change:  map[string]string{"a": virtualService("one", "h1"), "b": virtualService("two", "h2"), "c": broken},
			served:  map[string]string{"a": "one=h1", "b": "two=h2"},
			refused: []string{"c:1: YAML: did not find expected node content serving=false"}, newly: 1,
			changed: []string{"a", "b"},
		},
		{
			name:    "nothing",
			served:  map[string]string{"a": "one=h1", "b": "two=h2"},
			refused: []string{"c:1: YAML: did not find expected node content serving=false"},
		},
		{
			name:    "one breaks, another changes",
			change:  map[string]string{"a": broken, "b": virtualService("two", "h3")},
			served:  map[string]string{"a": "one=h1", "b": "two=h3"},
			refused: []string{"a:1: YAML: did not find expected node content serving=true", "c:1: YAML: did not find expected node content serving=false"}, newly: 1,
			changed: []string{"b"},
		},
		{
			name:    "an object in a file is wrong: all of the file stays",
			change:  map[string]string{"a": virtualService("one", "h9") + "apiVersion: v1\nkind: Service\nmetadata: {}\n", "c": missing},
			served:  map[string]string{"a": "one=h1", "b": "two=h3"},
			refused: []string{"a:8: Service default/: metadata.name is missing serving=true"}, newly: 1,
			removed: []string{"c"},
		},
		{
			name:    "a file that is being written is empty for a moment",
			change:  map[string]string{"a": virtualService("one", "h4"), "b": ""},
			served:  map[string]string{"a": "one=h4", "b": "two=h3"},
			refused: []string{"b:1: the file is empty: remove it to remove its objects serving=true"}, newly: 1,
			changed: []string{"a"},
		},
		{
			name:    "an object of another file",
			change:  map[string]string{"b": virtualService("two", "h3"), "d": virtualService("one", "h5") + virtualService("four", "h5")},
			served:  map[string]string{"a": "one=h4", "b": "two=h3"},
			refused: []string{"d:1: VirtualService default/one: it is defined already, at a:1 serving=false"}, newly: 1,
		},
		{
			name:    "it is free now",
			change:  map[string]string{"a": virtualService("three", "h4")},
			served:  map[string]string{"a": "three=h4", "b": "two=h3", "d": "one=h5 four=h5"},
			changed: []string{"a", "d"},
		},
		{
			name:    "moved from one file to another, to the front and to the back",
			change:  map[string]string{"a": virtualService("four", "h6"), "d": virtualService("one", "h5") + virtualService("three", "h6")},
			served:  map[string]string{"a": "four=h6", "b": "two=h3", "d": "one=h5 three=h6"},
			changed: []string{"a", "d"},
		},
		{
			name:   "moved out of a file that breaks, to the back: it stays where it was",
			change: map[string]string{"a": broken, "d": virtualService("four", "h7")},
			served: map[string]string{"a": "four=h6", "b": "two=h3", "d": "one=h5 three=h6"},
			refused: []string{
				"a:1: YAML: did not find expected node content serving=true",
				"d:1: VirtualService default/four: it is defined already, at a:1 serving=true",
			},
			newly: 2,
		},
		{
			name:    "moved out of a file that breaks, to the front: it is where it is now",
			change:  map[string]string{"a": virtualService("one", "h8"), "d": broken},
			served:  map[string]string{"a": "one=h8", "b": "two=h3", "d": "three=h6"},
			refused: []string{"d:1: YAML: did not find expected node content serving=true"}, newly: 1,
			changed: []string{"a"},
		},
		{
			name:    "the broken file is as it was: now both have it",
			change:  map[string]string{"d": virtualService("one", "h5") + virtualService("three", "h6")},
			served:  map[string]string{"a": "one=h8", "b": "two=h3", "d": "three=h6"},
			refused: []string{"d:1: VirtualService default/one: it is defined already, at a:1 serving=true"}, newly: 1,
		},
		{
			name:    "twice in one file",
			change:  map[string]string{"d": missing, "b": virtualService("two", "h3") + virtualService("two", "h3")},
			served:  map[string]string{"a": "one=h8", "b": "two=h3"},
			refused: []string{"b:6: VirtualService default/two: it is defined already, at b:1 serving=true"}, newly: 1,
			removed: []string{"d"},
		},
	}
	d := New("istio-system")
	contents := map[string][]byte{}
	for _, s := range steps {
		for file, text := range s.change {
			if text == missing {
				delete(contents, file)
			} else {
				contents[file] = []byte(text)
			}
		}
		snap := d.Update(contents)
		for what, diff := range map[string]string{
			"served":  cmp.Diff(s.served, routes(t, snap)),
			"refused": cmp.Diff(s.refused, refused(snap.Refused)),
			"changed": cmp.Diff(s.changed, snap.Changed),
			"removed": cmp.Diff(s.removed, snap.Removed),
		} {
			if diff != "" {
				t.Errorf("%s: %s (-want +got)\n%s", s.name, what, diff)
			}
		}
		if len(snap.NewlyRefused) != s.newly {
			t.Errorf("%s: %d newly refused, want %d", s.name, len(snap.NewlyRefused), s.newly)
		}
		if snap.Files+len(snap.Refused) != len(contents) {
			t.Errorf("%s: %d files and %d refused of %d", s.name, snap.Files, len(snap.Refused), len(contents))
		}
	}
}

// A process that starts while a file is broken knows what the file had when it was good.
func TestRemember(t *testing.T) {
	first := New("istio-system")
	first.Update(map[string][]byte{"a": []byte(virtualService("one", "h1")), "b": []byte(virtualService("two", "h1"))})

	next := New("istio-system")
	for file, text := range first.Good() {
		next.Remember(file, []byte(text))
	}
	next.Remember("c", []byte(broken))
	snap := next.Update(map[string][]byte{"a": []byte(broken), "c": []byte(broken)})
	if diff := cmp.Diff(map[string]string{"a": "one=h1"}, routes(t, snap)); diff != "" {
		t.Error(diff)
	}
	if len(snap.Refused) != 2 || !snap.Refused[0].Serving || snap.Refused[1].Serving {
		t.Errorf("refused %+v", snap.Refused)
	}
	if len(snap.NewlyRefused) != 2 {
		t.Errorf("newly refused %+v", snap.NewlyRefused)
	}
}

func TestNamespacesAndAddresses(t *testing.T) {
	service := func(name, ns, spec string) string {
		return fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata: {name: %s, namespace: %s}\nspec: {%s}\n---\n", name, ns, spec)
	}
	contents := map[string][]byte{
		"a": []byte(service("one", "prod", "") + service("own", "prod", "clusterIP: 10.0.0.1") + service("headless", "prod", "clusterIP: None") +
			service("alias", "prod", "type: ExternalName, externalName: example.com")),
		"b": []byte("apiVersion: v1\nkind: Namespace\nmetadata: {name: mine}\n---\n" + service("two", "mine", "")),
	}
	addresses := func(s *Snapshot) map[string]string {
		out := map[string]string{}
		for _, o := range s.Served() {
			if o.Resource.Kind == "Service" {
				out[o.Name], _, _ = unstructured.NestedString(o.Make().Object, "spec", "clusterIP")
			}
		}
		return out
	}
	d := New("istio-system")
	snap := d.Update(contents)
	var names []string
	for _, o := range snap.Objects {
		if o.Resource.Kind == "Namespace" {
			names = append(names, o.Value.GetName()+"@"+o.File)
		}
	}
	if diff := cmp.Diff([]string{"mine@b", "default@", "istio-system@", "prod@"}, names); diff != "" {
		t.Error(diff)
	}

	got := addresses(snap)
	if got["own"] != "10.0.0.1" || got["headless"] != "None" || got["alias"] != "" || got["one"] == got["two"] {
		t.Errorf("got %v", got)
	}
	for _, name := range []string{"one", "two"} {
		if a, err := netip.ParseAddr(got[name]); err != nil || !clusterIPs.Contains(a) || a == clusterIPs.Addr() {
			t.Errorf("%s has the address %q", name, got[name])
		}
	}
	if diff := cmp.Diff(got, addresses(New("istio-system").Update(contents))); diff != "" {
		t.Errorf("other addresses after a restart:\n%s", diff)
	}

	// An address that somebody names is not given to another; who had it gets a new one, and nobody else does.
	contents["c"] = []byte(service("three", "mine", "clusterIP: "+got["two"]))
	now := addresses(d.Update(contents))
	if now["three"] != got["two"] || now["two"] == got["two"] || now["one"] != got["one"] {
		t.Errorf("got %v after %v", now, got)
	}
	delete(contents, "c")
	if later := addresses(d.Update(contents)); later["two"] != now["two"] {
		t.Errorf("the address changed from %s to %s, for no reason of its own", now["two"], later["two"])
	}
}

// The addresses are all given before one is given twice.
func TestAddressesDoNotRunOut(t *testing.T) {
	old := clusterIPs
	t.Cleanup(func() { clusterIPs = old })
	clusterIPs = netip.MustParsePrefix("240.96.0.0/28")
	var text strings.Builder
	for i := range 17 {
		fmt.Fprintf(&text, "apiVersion: v1\nkind: Service\nmetadata: {name: s%d}\n---\n", i)
	}
	seen := map[string]bool{}
	for _, o := range New("istio-system").Update(map[string][]byte{"a": []byte(text.String())}).Objects {
		if o.Resource.Kind == "Service" && o.clusterIP != "" {
			if seen[o.clusterIP] || !clusterIPs.Contains(netip.MustParseAddr(o.clusterIP)) {
				t.Errorf("%s has the address %s", o.ID(), o.clusterIP)
			}
			seen[o.clusterIP] = true
		}
	}
	if len(seen) != 15 {
		t.Errorf("%d addresses", len(seen))
	}
}
