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
	"net/http"
	"testing"
)

func TestNormalise(t *testing.T) {
	for _, tt := range []struct{ target, uri, args, host string }{
		{"/", "/", "", ""},
		{"/a//b///", "/a/b/", "", ""},
		{"/a/./b/../c", "/a/c", "", ""},
		{"/a/..", "/", "", ""},
		{"/a/.", "/a/", "", ""},
		{"/a/...", "/a/...", "", ""},
		{"/a/.b", "/a/.b", "", ""},
		{"/a/%2e%2E/b", "/b", "", ""},
		{"/a%2fb", "/a/b", "", ""},
		{"/a/%2F/b", "/a/b", "", ""},
		{"/%41%c3%a4", "/A\u00e4", "", ""},
		{"/a%3fb%23c%25d?x=%41", "/a?b#c%d", "x=%41", ""},
		{"/a#b?c", "/a", "", ""},
		{"/a?b#c", "/a", "b", ""},
		{"/a?", "/a", "", ""},
		{"/a/..?x", "/", "x", ""},
		{"  /a  ", "/a", "", ""},
		{"http://A.test:81/b?c", "/b", "c", "a.test"},
		{"http://a.test", "/", "", "a.test"},
		{"http://a.test?x", "/", "x", "a.test"},
		{"x+y://[::1]:8/", "/", "", "[::1]"},
	} {
		r, refused := accept(Request{Host: "h", Path: tt.target})
		if refused != nil {
			t.Errorf("%q: %+v", tt.target, refused)
			continue
		}
		if tt.host == "" {
			tt.host = "h"
		}
		if r.uri != tt.uri || r.args != tt.args || r.host != tt.host {
			t.Errorf("%q: %q %q %q, want %q %q %q", tt.target, r.uri, r.args, r.host, tt.uri, tt.args, tt.host)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, target := range []string{"", "a", "*", "/..", "/a/../..", "/%", "/%4", "/%zz", "/%00", "/a b", "/a\x01", "/a\x7f", "http:///a", "http://a_b/", "http://a:b/", "1://a/", "http:/a"} {
		if r := (&Config{router: newRouter()}).HTTP(Request{Host: "h", Path: target}); r.Response == nil || r.Response.Status != 400 {
			t.Errorf("%q: %+v", target, r)
		}
	}
	for _, tt := range []struct {
		method, host string
		header       http.Header
		want         int
	}{
		{"get", "h", nil, 400},
		{"TRACE", "h", nil, 405},
		{"A_B-C", "h", nil, 404},
		{"GET", "", nil, 400},
		{"GET", "a..b", nil, 400},
		{"GET", "a/b", nil, 400},
		{"GET", ":80", nil, 400},
		{"GET", ".", nil, 400},
		{"GET", "a b", nil, 400},
		{"GET", "[::1", nil, 404},
		{"GET", "h", http.Header{"A B": {""}}, 400},
		{"GET", "h", http.Header{"A": {"x\ny"}}, 400},
		{"GET", "h", http.Header{"A": {}}, 404},
		{"GET", "h", header("Authorization", "a", "authorization", "b"), 400},
		{"GET", "h", header("Host", "h"), 400},
	} {
		r := (&Config{router: newRouter()}).HTTP(Request{Method: tt.method, Host: tt.host, Path: "/", Header: tt.header})
		if r.Response == nil || r.Response.Status != tt.want {
			t.Errorf("%+v: %+v", tt, r)
		}
	}
}

func TestNginxHost(t *testing.T) {
	for in, want := range map[string]string{
		"A.Test": "a.test", "a.:80": "a", "a:": "a", "a:x:y": "a", "[::1]": "[::1]", "[::1]:80": "[::1]", "[x": "[x", "a.b.": "a.b", "a:80.": "a", "x_y": "x_y",
	} {
		if got, ok := nginxHost(in); !ok || got != want {
			t.Errorf("%q: %q %t, want %q", in, got, ok, want)
		}
	}
}
