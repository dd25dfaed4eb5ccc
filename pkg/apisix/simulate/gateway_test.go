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

package simulate

import (
	"net/netip"
	"testing"
)

func TestServerName(t *testing.T) {
	c := config(
		t,
		answers("exact", `"uri":"/*","host":"a.test","vars":[["original_dst_port","==","443"],["ssl_server_name","~*","^(?:a\\.test)\\z"]]`),
		answers("rest", `"uri":"/*","vars":[["original_dst_port","==","443"],["ssl_server_name","!","~*","^(?:a\\.test)\\z"]]`),
	)
	for _, tt := range []struct{ host, name, want string }{
		{"a.test", "a.test", "exact"},
		{"a.test", "A.test", "exact"},
		{"b.test", "a.test", ""},
		{"a.test", "b.test", "rest"},
		{"b.test", "", "rest"},
	} {
		r := c.HTTP(Request{
			Scheme: "https", Host: tt.host, ServerName: tt.name, Path: "/", OriginalDst: netip.MustParseAddrPort("10.0.0.1:443"),
		})
		if r.Route != tt.want {
			t.Errorf("%s as %q: %q, want %q", tt.host, tt.name, r.Route, tt.want)
		}
	}
}
