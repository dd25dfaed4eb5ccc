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

package listeners

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"istio.io/istio/pkg/test/util/assert"
)

const ports = `{"id":"mesh-listeners","listeners":[{"port":80,"protocol":"http"},{"port":443,"protocol":"https"},` +
	`{"bind":"10.0.0.1","port":3306,"protocol":"tcp"},{"port":6380,"protocol":"tls"}]}`

func addresses(st Status) (open []string) {
	for _, l := range st.Open {
		open = append(open, l.Address+" "+l.Protocol)
	}
	return open
}

func TestChoose(t *testing.T) {
	everything := func(string) error { return nil }
	for _, tt := range []struct {
		name, metadata string
		opts           Options
		open           string
		refused        string
	}{
		{"nothing", "", Options{Try: everything}, "", ""},
		{"IPv4", ports, Options{IPv4: true, Try: everything}, "0.0.0.0:80 http, 0.0.0.0:443 https, 10.0.0.1:3306 tcp, 0.0.0.0:6380 tls", ""},
		{
			"both", `{"listeners":[{"port":80,"protocol":"http"}]}`,
			Options{IPv4: true, IPv6: true, Try: everything},
			"0.0.0.0:80 http, [::]:80 http", "",
		},
		{
			"a port in use", ports,
			Options{IPv4: true, Try: func(a string) error {
				if strings.HasSuffix(a, ":443") {
					return errors.New("taken")
				}
				return nil
			}},
			"0.0.0.0:80 http, 10.0.0.1:3306 tcp, 0.0.0.0:6380 tls", "not open: 0.0.0.0:443 (https): taken",
		},
		{
			"a port of the proxy's own", ports,
			Options{IPv4: true, Try: everything, Reserved: map[int]string{80: "itself"}},
			"0.0.0.0:443 https, 10.0.0.1:3306 tcp, 0.0.0.0:6380 tls", "not open: 0.0.0.0:80 (http): the proxy needs the port itself, for itself",
		},
		{
			"nonsense", `{"listeners":[{"port":80,"protocol":"gopher"},{"bind":"example.com","port":81,"protocol":"http"},{"port":0,"protocol":"http"}]}`,
			Options{Try: everything},
			"", `not open: 0.0.0.0:80 (gopher): the protocol "gopher" is none that this agent knows, ` +
				`example.com:81 (http): bind "example.com" is not an IP address, 0.0.0.0:0 (http): the port 0 is not within 1 and 65535`,
		},
		{"no JSON", `{`, Options{Try: everything}, "", "cannot be read"},
		{"twice", `{"listeners":[{"port":80,"protocol":"http"},{"port":80,"protocol":"tcp"}]}`, Options{Try: everything}, "0.0.0.0:80 http", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := New(tt.opts)
			st := c.Choose([]byte(tt.metadata))
			assert.Equal(t, strings.Join(addresses(st), ", "), tt.open)
			if got := st.Reason(); got != tt.refused && (tt.refused != "cannot be read" || !strings.Contains(got, tt.refused)) {
				t.Errorf("refused: %q, want %q", got, tt.refused)
			}
			assert.Equal(t, c.Status(), st)
		})
	}
}

func TestOf(t *testing.T) {
	st := New(Options{IPv4: true, Try: func(string) error { return nil }}).Choose([]byte(ports))
	assert.Equal(t, st.Of("https"), []string{"0.0.0.0:443"})
	assert.Equal(t, len(st.Of("gopher")), 0)
}

// TestBind tries what is taken, what is free, and what somebody has who shares it, as nginx does with itself.
func TestBind(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	port := l.Addr().(*net.TCPAddr).Port
	for _, a := range []string{address, fmt.Sprintf("0.0.0.0:%d", port)} {
		if got := explain(bind(a), port); got != "in use by something else in the pod" {
			t.Errorf("%s: %s", a, got)
		}
	}
	_ = l.Close()
	assert.NoError(t, bind(address))
	if got := explain(bind("192.0.2.1:1024"), 1024); got != "the pod has no such address" {
		t.Error(got)
	}
	if err := bind("example.com:1"); err == nil {
		t.Error("a name is bound")
	}
}

func TestLost(t *testing.T) {
	for line, want := range map[string]string{
		"2026/11/25 13:43:31 [emerg] 31#31: bind() to 0.0.0.0:80 failed (98: Address already in use)":        "0.0.0.0:80 nginx did not get it: address already in use",
		"nginx: [emerg] bind() to [::]:443 failed (13: Permission denied)":                                   "[::]:443 nginx did not get it: permission denied",
		"2026/11/25 13:43:31 [emerg] 31#31: still could not bind()":                                          " ",
		"2026/11/25 13:43:31 [error] 31#31: *1 bind(127.0.0.6) failed (99: Cannot assign requested address)": " ",
		"2026/11/25 13:43:31 [emerg] 31#31: bind() to unix:/x/y.sock failed (98: Address already in use)":    " ",
	} {
		address, reason := Lost(line)
		assert.Equal(t, address+" "+reason, want)
	}
}

func TestWhatNginxDidNotGetIsLeftOutForAWhile(t *testing.T) {
	now := time.Unix(0, 0)
	c := New(Options{IPv4: true, Try: func(string) error { return nil }, Now: func() time.Time { return now }})
	assert.Equal(t, c.Failed("0.0.0.0:80", "lost"), true)
	assert.Equal(t, c.Failed("0.0.0.0:80", "lost"), false)
	st := c.Choose([]byte(ports))
	assert.Equal(t, st.Reason(), "not open: 0.0.0.0:80 (http): lost")
	now = now.Add(patience)
	assert.Equal(t, len(c.Choose([]byte(ports)).Open), 4)
}
