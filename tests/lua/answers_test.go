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
	"context"
	"encoding/base64"
	"net/http"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

func testRedirect(p *proxy) {
	for name, conf := range map[string]object{
		"same":      {"code": 301},
		"scheme":    {"code": 302, "scheme": "https"},
		"authority": {"code": 303, "authority": "other:81"},
		"port":      {"code": 307, "port": 8443, "scheme": "https"},
		"path":      {"code": 308, "path": "/new"},
		"query":     {"code": 301, "path": "/new?x=1"},
		"prefix":    {"code": 301, "prefix_rewrite": object{"prefix": "/old", "rewrite": "/new"}},
		"whole":     {"code": 301, "prefix_rewrite": object{"rewrite": "/new"}},
	} {
		p.route("redirect-"+name, "", object{"mesh-redirect": conf})
	}
	p.sync()
	for _, tt := range []struct {
		name, port, target string
		status             int
		location           string
	}{
		{"same", "", "/p?q=1", 301, "http://redirect-same.test/p?q=1"},
		{"scheme", "", "/p", 302, "https://redirect-scheme.test/p"},
		{"scheme", ":80", "/p", 302, "https://redirect-scheme.test/p"},
		{"scheme", ":8080", "/p", 302, "https://redirect-scheme.test:8080/p"},
		{"authority", ":80", "/p?q", 303, "http://other:81/p?q"},
		{"port", "", "/", 307, "https://redirect-port.test:8443/"},
		{"port", ":80", "/", 307, "https://redirect-port.test:8443/"},
		{"path", "", "/p?q=1", 308, "http://redirect-path.test/new?q=1"},
		{"path", "", "/p", 308, "http://redirect-path.test/new"},
		{"query", "", "/p?q=1", 301, "http://redirect-query.test/new?x=1"},
		{"prefix", "", "/old/a%20b?q=%2F", 301, "http://redirect-prefix.test/new/a%20b?q=%2F"},
		{"prefix", "", "/x/../old/y", 301, "http://redirect-prefix.test/new/y"},
		{"prefix", "", "/old/../y", 301, "http://redirect-prefix.test/y"},
		{"prefix", "", "/x/../old/%0d%0aSet-Cookie:%20a", 301, "http://redirect-prefix.test/new/%0D%0ASet-Cookie:%20a"},
		{"whole", "", "/p/x?q", 301, "http://redirect-whole.test/new?q"},
	} {
		res := p.do(request{host: "redirect-" + tt.name + ".test" + tt.port, target: tt.target})
		if res.status != tt.status || res.header.Get("Location") != tt.location || res.body != "" || res.header.Get("Content-Type") != "" {
			p.t.Errorf("%s%s %s: %+v, want %s", tt.name, tt.port, tt.target, res, tt.location)
		}
	}
}

func testDirectResponse(p *proxy) {
	bytes := "\x00\xff\r\n$x"
	p.route("direct-text", "", object{"mesh-direct-response": object{"status": 200, "body": "hello $host\n"}})
	p.route("direct-bytes", "", object{"mesh-direct-response": object{"status": 503, "body_base64": base64.StdEncoding.EncodeToString([]byte(bytes))}})
	p.route("direct-typed", "", object{
		"mesh-direct-response": object{"status": 404, "body": "{}"},
		"mesh-headers":         object{"response": object{"values": []object{{"name": "content-type", "value": "application/json"}}}},
	})
	for _, status := range []int{200, 204, 304, 404, 408, 444, 499, 500, 599} {
		s := strconv.Itoa(status)
		p.route("direct-"+s, "", object{"mesh-direct-response": object{"status": status}})
	}
	p.sync()
	for _, tt := range []struct {
		name, method string
		status       int
		body, kind   string
		length       string
	}{
		{"text", "GET", 200, "hello $host\n", "text/plain", "12"},
		{"text", "POST", 200, "hello $host\n", "text/plain", "12"},
		{"text", "HEAD", 200, "", "text/plain", "12"},
		{"bytes", "GET", 503, bytes, "text/plain", "6"},
		{"typed", "GET", 404, "{}", "application/json", "2"},
		{"200", "GET", 200, "", "", "0"},
		{"204", "GET", 204, "", "", ""},
		{"404", "GET", 404, "", "", "0"},
		{"404", "HEAD", 404, "", "", "0"},
		{"408", "GET", 408, "", "", "0"},
		{"444", "GET", 444, "", "", "0"},
		{"499", "GET", 499, "", "", "0"},
		{"500", "GET", 500, "", "", "0"},
		{"599", "GET", 599, "", "", "0"},
	} {
		res := p.do(request{method: tt.method, host: "direct-" + tt.name + ".test"})
		if res.status != tt.status || res.body != tt.body || res.header.Get("Content-Type") != tt.kind ||
			res.header.Get("Content-Length") != tt.length || res.err != nil {
			p.t.Errorf("%+v is answered with %+v", tt, res)
		}
	}
	if res := p.do(request{host: "direct-304.test"}); res.status != http.StatusNotModified || res.body != "" {
		p.t.Errorf("304: %+v", res)
	}
	// A connection stays good for the next request when a body was not read.
	if res := p.do(request{method: "POST", host: "direct-text.test", body: "unread"}); res.status != 200 {
		p.t.Errorf("POST: %+v", res)
	}
}

// testGRPCAnswers asks with a gRPC client for what the proxy answers by itself.
func testGRPCAnswers(p *proxy) {
	p.route("grpc-direct", "", object{"mesh-direct-response": object{"status": 403, "body": "50% off\n"}})
	p.route("grpc-empty", "", object{"mesh-direct-response": object{"status": 200}})
	p.route("grpc-fault", "", object{"mesh-fault": object{"abort": object{"http_status": 503, "percentage": 100}}})
	p.route("grpc-status", "", object{"mesh-fault": object{"abort": object{"grpc_status": 9, "percentage": 100}}})
	p.route("grpc-redirect", "", object{"mesh-redirect": object{"code": 301, "path": "/new"}})
	p.sync()
	for _, tt := range []struct {
		host    string
		code    codes.Code
		message string
	}{
		{"grpc-direct", codes.PermissionDenied, "50% off\n"},
		{"grpc-empty", codes.Unknown, ""},
		{"grpc-fault", codes.Unavailable, "fault filter abort"},
		{"grpc-status", codes.FailedPrecondition, "fault filter abort"},
		{"grpc-redirect", codes.Unknown, ""},
	} {
		_, err := p.call(tt.host+".test", "/a.B/C")
		if s := status.Convert(err); s.Code() != tt.code || s.Message() != tt.message {
			p.t.Errorf("%s: %v", tt.host, err)
		}
		// Over HTTP/1.1, and with the content type's other forms.
		for _, kind := range []string{"application/grpc", "application/grpc+proto", "application/grpc;x=y"} {
			res := p.do(request{method: "POST", host: tt.host + ".test", headers: []string{"Content-Type: " + kind}, body: "x"})
			if res.status != 200 || res.header.Get("Grpc-Status") != strconv.Itoa(int(tt.code)) || res.body != "" {
				p.t.Errorf("%s as %s: %+v", tt.host, kind, res)
			}
		}
	}
	res := p.do(request{method: "POST", host: "grpc-redirect.test", headers: []string{"Content-Type: application/grpc"}})
	if res.header.Get("Location") != "http://grpc-redirect.test/new" {
		p.t.Errorf("redirect: %+v", res)
	}
}

// call makes a call with a gRPC client of its own, and returns the header that the server has sent.
func (p *proxy) call(host, method string) (metadata.MD, error) {
	p.t.Helper()
	return p.callWith(host, method)
}

// callWith does the same with headers, each a name and a value.
func (p *proxy) callWith(host, method string, headers ...string) (metadata.MD, error) {
	p.t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+p.Address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithAuthority(host))
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var header metadata.MD
	ctx = metadata.AppendToOutgoingContext(ctx, headers...)
	err = conn.Invoke(ctx, method, &emptypb.Empty{}, &emptypb.Empty{}, grpc.Header(&header))
	return header, err
}
