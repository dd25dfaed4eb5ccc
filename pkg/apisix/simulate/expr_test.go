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
	"testing"
)

func TestExpressions(t *testing.T) {
	for _, tt := range []struct {
		vars string
		// request is the query, and the value of X-A unless it is "-".
		query, header string
		want          bool
	}{
		{`[]`, "", "-", true},
		{`[["http_x_a","==","v"]]`, "", "v", true},
		{`[["http_X-A","==","v"]]`, "", "v", true},
		{`[["http_x_a","==","v"]]`, "", "V", false},
		{`[["http_x_a","==",""]]`, "", "", true},
		{`[["http_x_a","==",""]]`, "", "-", false},
		{`[["http_x_a","!","==","v"]]`, "", "-", true},
		{`[["http_x_a","~~","^"]]`, "", "", true},
		{`[["http_x_a","~~","^"]]`, "", "-", false},
		{`[["http_x_a","!","~~","^"]]`, "", "-", true},
		{`[["http_x_a","~~","b"]]`, "", "abc", true},
		{`[["http_x_a","~~","^b"]]`, "", "abc", false},
		{`[["http_x_a","~*","^A"]]`, "", "abc", true},
		{`[["http_x_a","~~","^(?:.)\\z"]]`, "", "\xc3", true},
		{`[["http_x_a","~~","^(?:..)\\z"]]`, "", "ä", true},
		{`[["http_x_a","~*","^k\\z"]]`, "", "\u212a", false},
		{`[["http_x_a","~~","^[^a]+\\z"]]`, "", "ä", true},
		{`[["http_x_a","~~","\\v"]]`, "", "\v", true},
		{`[["http_x_a","~~","\\s"]]`, "", "a\vb", true},
		{`[["OR",["http_x_a","==","1"],["arg_a","==","1"]]]`, "a=1", "-", true},
		{`[["!OR",["http_x_a","==","1"],["arg_a","==","1"]]]`, "a=1", "-", false},
		{`[["AND",["http_x_a","==","1"],["arg_a","==","1"]]]`, "a=1", "-", false},
		{`[["!and",["http_x_a","==","1"],["arg_a","==","1"]]]`, "a=1", "-", true},
		{`["OR",["http_x_a","==","1"],["arg_a","==","1"]]`, "a=1", "-", true},
		{`[["arg_a","==",""]]`, "a=", "-", true},
		// Without "=" it is a boolean, which no text equals, and "true" to an expression.
		{`[["arg_a","==",""]]`, "a", "-", false},
		{`[["arg_a","==","true"]]`, "a", "-", false},
		{`[["arg_a","~~","^(?:true)\\z"]]`, "a", "-", true},
		{`[["arg_a","==","x y"]]`, "a=x+y", "-", true},
		{`[["arg_a","==","1"]]`, "%61=%31&a=2", "-", true},
		{`[["arg_a","==","%zz"]]`, "a=%zz", "-", true},
		{`[["arg_a b","==","1"]]`, "a+b=1", "-", true},
		{`[["args","==","a=%31"]]`, "a=%31", "-", true},
		{`[["request_uri","==","/p?a"]]`, "a", "-", true},
		{`[["is_args","==","?"]]`, "", "-", false},
	} {
		c := config(t, answers("r", `"uri":"/*","vars":`+tt.vars))
		r := Request{Host: "a", Path: "/%70"}
		if tt.query != "" {
			r.Path += "?" + tt.query
		}
		if tt.header != "-" {
			r.Header = header("x-a", tt.header)
		}
		if got := c.HTTP(r).Route != ""; got != tt.want {
			t.Errorf("%s with %q and X-A %q: %t", tt.vars, tt.query, tt.header, got)
		}
	}
}

func TestHeaderVariables(t *testing.T) {
	for _, tt := range []struct {
		name string
		sent []string
		want string
	}{
		{"http_x_a", []string{"X-A", "1", "X-A", "2"}, "1, 2"},
		{"http_x_a", []string{"X_a", "1"}, "1"},
		{"http_user_agent", []string{"User_agent", "1"}, ""},
		{"http_x.a", []string{"X.a", "1"}, ""},
		{"http_cookie", []string{"Cookie", "a=1", "Cookie", "b=2"}, "a=1; b=2"},
		{"cookie_b", []string{"Cookie", "a=1", "Cookie", "b=2"}, "2"},
		{"cookie_a", []string{"Cookie", "a=x y; b=2"}, "x"},
		{"cookie_a", []string{"Cookie", "a=1; a=2"}, "2"},
		{"cookie_a", []string{"Cookie", "a"}, ""},
		{"http_x_a", []string{"X-A", "  v  "}, "v"},
		{"http_x_a", []string{"X-A", "\tv"}, "\tv"},
		{"http_x_forwarded_proto", []string{"X-Forwarded-Proto", "https"}, "https"},
		{"http_x_forwarded_proto", nil, "http"},
		{"http_x_forwarded_host", nil, "a.test:81"},
		{"http_forwarded", []string{"Forwarded", "for=x"}, "for=x"},
		{"remote_addr", []string{"X-Real-Ip", "1.2.3.4, 5.6.7.8"}, "5.6.7.8"},
		{"remote_addr", []string{"X-Real-Ip", "[::1]:80"}, "::1"},
		{"remote_addr", []string{"X-Real-Ip", "x"}, "127.0.0.1"},
		{"http_host", nil, "a.test:81"},
		{"host", nil, "a.test"},
	} {
		r, refused := accept(Request{Host: "a.test:81", Path: "/", Header: header(tt.sent...)})
		if refused != nil {
			t.Errorf("%s of %q: %+v", tt.name, tt.sent, refused)
			continue
		}
		if got := r.lookup(tt.name).text; got != tt.want {
			t.Errorf("%s of %q: %q, want %q", tt.name, tt.sent, got, tt.want)
		}
	}
}

func TestPCRE(t *testing.T) {
	for _, pcre := range []string{
		"a$", "(?m)^a", `\p{L}`, `\Z`, `\K`, `\R`, `\h`, `\N`, `\1`, `(?=a)`, `(?>a)`, `a++`, `é`, `\x{e9}`, `\xe9`, `\x`, `[[.a.]]`, `a{,3}`, `\`, `\Qa\E`, `[\b]`, `(?<!a)b`, `[a`,
	} {
		if _, err := compilePCRE(pcre, false); err == nil {
			t.Errorf("%s is taken", pcre)
		}
	}
	for _, pcre := range []string{`^(?:[^/]+/\d{2,3})\z`, `[]a]`, `[^]a]`, `[[:alpha:]\d]`, `\x41\x{42}`, `(?i:a)|(?s:.)`, `\/\-\.`, `(?:)`, `a*?`, `\A\bx`} {
		if _, err := compilePCRE(pcre, true); err != nil {
			t.Errorf("%s: %v", pcre, err)
		}
	}
}
