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

package etcdapi

import (
	"context"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestListen(t *testing.T) {
	for _, tt := range []struct {
		addr string
		err  string // part of the error
	}{
		{addr: "127.0.0.1:0"},
		{addr: "127.8.8.8:0"},
		{addr: "localhost:0"},
		{addr: "[::1]:0"},
		{addr: "0.0.0.0:0", err: "is not loopback"},
		{addr: "[::]:0", err: "is not loopback"},
		{addr: ":0", err: "is not loopback"},
		{addr: "192.0.2.1:0", err: "is not loopback"},
		{addr: "[fe80::1%lo]:0", err: "is not loopback"},
		{addr: "localhost.example.com:0", err: "is not loopback"},
		{addr: "127.0.0.1", err: "neither HOST:PORT nor unix:///PATH"},
		{addr: "", err: "neither HOST:PORT nor unix:///PATH"},
		{addr: "unix://relative/path", err: "is not absolute"},
		{addr: "unix://", err: "is not absolute"},
		{addr: "unix:///nonexistent/dir/s", err: "no such file"},
	} {
		t.Run(tt.addr, func(t *testing.T) {
			l, err := Listen(tt.addr)
			if err == nil {
				defer l.Close()
			}
			switch {
			case tt.err != "":
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
			case err != nil && strings.HasPrefix(tt.addr, "[::1]"):
				t.Skipf("no IPv6 here: %v", err)
			case err != nil:
				t.Error(err)
			case !l.Addr().(*net.TCPAddr).IP.IsLoopback():
				t.Errorf("listens on %v", l.Addr())
			}
		})
	}
}

func TestListenUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "etcd.sock")
	s := mustStore(t, StoreOptions{})
	rev := s.Apply([]Op{put("/apisix/routes/r", "1")})
	g := serveStore(t, s, "unix://"+path, HandlerOptions{})

	info, err := os.Stat(path)
	if err != nil || info.Mode() != fs.ModeSocket|socketMode {
		t.Errorf("socket: %v %v", info, err)
	}
	unix := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	res, err := unix.Get("http://agent/version")
	if err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("GET /version: %v %v", res, err)
	} else {
		res.Body.Close()
	}
	w, _ := watchFrom(t, path, rev)
	diff(t, "events", []string{"PUT /apisix/routes/r=1"}, eventStrings(w.mustMessage(t)))

	if _, err := Listen("unix://" + path); err == nil || !strings.Contains(err.Error(), "another process serves") {
		t.Errorf("second listener: %v", err)
	}
	w.close()
	unix.CloseIdleConnections()
	g.stop()

	// What a killed process leaves behind is replaced.
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	again, err := Listen("unix://" + path)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()

	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen("unix://" + path); err == nil || !strings.Contains(err.Error(), "is not a unix socket") {
		t.Errorf("a file is in the way: %v", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the file is gone: %v", err)
	}
}
