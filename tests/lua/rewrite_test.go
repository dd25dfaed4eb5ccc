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

package lua

import (
	"net"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/emptypb"
)

func testRewrite(p *proxy) {
	p.upstream("rewrite", nil, echo(p.t, "rewrite"))
	for name, conf := range map[string]object{
		"none":      {},
		"prefix":    {"uri": object{"prefix": "/old", "rewrite": "/new"}},
		"slash":     {"uri": object{"prefix": "/old/", "rewrite": "/"}},
		"whole":     {"uri": object{"rewrite": "/whole"}},
		"bare":      {"uri": object{"prefix": "/old", "rewrite": "new"}},
		"space":     {"uri": object{"rewrite": "/a b\r\nX: y"}},
		"regex":     {"regex": object{"pattern": "^/a/([^/]+)/b", "substitution": "/c/${1}x/$$1"}},
		"every":     {"regex": object{"pattern": "o", "substitution": "0"}},
		"cut":       {"regex": object{"pattern": "^/cut", "substitution": ""}},
		"authority": {"authority": "other.test:81"},
		"both":      {"uri": object{"prefix": "/old", "rewrite": "/new"}, "authority": "other.test"},
	} {
		p.route("rewrite-"+name, "rewrite", object{"mesh-rewrite": conf})
	}
	p.sync()
	for _, tt := range []struct {
		name, target string
		want, host   string
		// rewritten says whether the original path is told.
		rewritten bool
	}{
		{"none", "/old/%2F?q", "/old/%2F?q", "", false},
		{"prefix", "/old/x?q=1", "/new/x?q=1", "", true},
		{"prefix", "/old", "/new", "", true},
		{"prefix", "/OLD/x", "/new/x", "", true},
		{"prefix", "/old/a%2Fb%20c?q=%20&r", "/new/a%2Fb%20c?q=%20&r", "", true},
		{"prefix", "/%6fld/a%20b", "/new/a%20b", "", true},
		{"prefix", "/old/../old/x", "/new/x", "", true},
		{"prefix", "/x/../old/%3F%23%25?q", "/new/%3F%23%25?q", "", true},
		{"prefix", "/x/../old/a%0d%0aHost:%20evil", "/new/a%0D%0AHost:%20evil", "", true},
		{"prefix", "/old/a%0d%0aHost:%20evil", "/new/a%0d%0aHost:%20evil", "", true},
		{"prefix", "/old/\xc3\xa9", "/new/%C3%A9", "", true},
		{"prefix", "//old//x", "/new/x", "", true},
		{"prefix", "/old/../secret", "/old/../secret", "", false},
		{"prefix", "/old/x?", "/new/x?", "", true},
		{"slash", "/old/x", "/x", "", true},
		{"whole", "/any/thing?q", "/whole?q", "", true},
		{"bare", "/old/x", "/new/x", "", true},
		{"space", "/x", "/a%20b%0D%0AX:%20y", "", true},
		{"regex", "/a/1%2F2/b/c?q=/a/1/b", "/c/1%2F2x/$1/c?q=/a/1/b", "", true},
		{"regex", "/x/../a/1/b", "/c/1x/$1", "", true},
		{"every", "/foo/oo?o", "/f00/00?o", "", true},
		{"cut", "/cut?q", "/?q", "", true},
		{"cut", "/cut/x", "/x", "", true},
		{"authority", "/old/%2f?q", "/old/%2f?q", "other.test:81", false},
		{"both", "/old/x", "/new/x", "other.test", true},
	} {
		res := p.do(request{host: "rewrite-" + tt.name + ".test", target: tt.target})
		got := res.got(p.t)
		host := tt.host
		if host == "" {
			host = "rewrite-" + tt.name + ".test"
		}
		if got.Target != tt.want || got.Host != host {
			p.t.Errorf("%s %s arrives as %s%s, want %s%s", tt.name, tt.target, got.Host, got.Target, host, tt.want)
		}
		original := ""
		if tt.rewritten {
			original = tt.target
		}
		if o := got.Header.Get("X-Envoy-Original-Path"); o != original {
			p.t.Errorf("%s %s: the original path is %q, want %q", tt.name, tt.target, o, original)
		}
		if got.Header.Get("X") != "" || strings.Contains(got.Host, "evil") {
			p.t.Errorf("%s %s has made a header: %+v", tt.name, tt.target, got)
		}
	}
}

// testRewriteGRPC looks at the path that a gRPC server gets.
func testRewriteGRPC(p *proxy) {
	p.upstream("rewrite-grpc", object{"scheme": "grpc"}, serveGRPC(p, "g", nil))
	p.route("rewrite-grpc", "rewrite-grpc", object{
		"mesh-rewrite": object{"uri": object{"prefix": "/old.", "rewrite": "/new."}, "authority": "other.test"},
	})
	p.sync()
	header, err := p.call("rewrite-grpc.test", "/old.Service/Method")
	if err != nil || !equal(header.Get("x-method"), "/new.Service/Method") || !equal(header.Get("x-authority"), "other.test") {
		p.t.Errorf("%v %v", header, err)
	}
}

// serveGRPC runs a gRPC server that answers every call with what it has got as headers, once before is done, if there is one.
func serveGRPC(p *proxy, name string, before func() error) string {
	p.t.Helper()
	s := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		if before != nil {
			if err := before(); err != nil {
				return err
			}
		}
		method, _ := grpc.MethodFromServerStream(stream)
		in, _ := metadata.FromIncomingContext(stream.Context())
		if err := stream.SendHeader(metadata.Pairs("x-backend", name, "x-method", method, "x-authority", strings.Join(in.Get(":authority"), ","))); err != nil {
			return err
		}
		return stream.SendMsg(&emptypb.Empty{})
	}))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	go func() { _ = s.Serve(l) }()
	p.t.Cleanup(s.Stop)
	return l.Addr().String()
}

func equal(got []string, want ...string) bool {
	return strings.Join(got, "\n") == strings.Join(want, "\n")
}
