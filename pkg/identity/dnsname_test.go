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

package identity

import (
	"errors"
	"strings"
	"testing"
)

func TestDNSName(t *testing.T) {
	for id, want := range map[string]string{
		"spiffe://cluster.local/ns/default/sa/reviews":    "reviews.default._sa.cluster.local",
		"spiffe://td/ns/a/sa/with.dots-1":                 "with.dots-1.a._sa.td",
		"spiffe://sa.td/ns/sa/sa/a.b":                     "a.b.sa._sa.sa.td",
		"spiffe://td/ns/a/sa/" + strings.Repeat("a", 240): strings.Repeat("a", 240) + ".a._sa.td",
	} {
		if got, err := DNSName(id); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", id, got, err, want)
		}
	}
	for _, id := range []string{
		"", "cluster.local/ns/default/sa/reviews", "spiffe://td/ns/a/sa/", "spiffe://td/ns//sa/b", "spiffe:///ns/a/sa/b", "spiffe://td/ns/a/sa/b/c",
		"spiffe://td/ns/a.b/sa/c", "spiffe://td/ns/a/sa/*", "spiffe://td/ns/a/sa/b..c", "spiffe://td/ns/a/sa/_b", "spiffe://_sa.td/ns/a/sa/b",
		"spiffe://td/ns/a/sa/B", "spiffe://td/ns/a/sa/b.", "spiffe://td/ns/a/sa/" + strings.Repeat("a", 248),
	} {
		if got, err := DNSName(id); !errors.Is(err, ErrNoName) {
			t.Errorf("%s: got %q, %v", id, got, err)
		}
	}
}

// FuzzDNSName finds two ids of one name.
func FuzzDNSName(f *testing.F) {
	f.Add("td", "ns", "a", "sa.td", "sa", "a.b")
	f.Fuzz(func(t *testing.T, d1, n1, a1, d2, n2, a2 string) {
		one, err1 := DNSName("spiffe://" + d1 + "/ns/" + n1 + "/sa/" + a1)
		two, err2 := DNSName("spiffe://" + d2 + "/ns/" + n2 + "/sa/" + a2)
		if err1 == nil && err2 == nil && one == two && (d1 != d2 || n1 != n2 || a1 != a2) {
			t.Errorf("%s/%s/%s and %s/%s/%s are both %s", d1, n1, a1, d2, n2, a2, one)
		}
	})
}
