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

package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"istio.io/istio/pilot/cmd/pilot-discovery/app"
	"istio.io/istio/pkg/test/util/assert"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/bootstrap"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/filemode"
)

// freeAddress gives an address that nobody listens on at the moment.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	assert.NoError(t, err)
	assert.NoError(t, l.Close())
	return l.Addr().String()
}

// start starts the whole of it on a directory of files; "" is a port that stays closed.
func start(t *testing.T, dir, httpAddr, grpcAddr string) {
	t.Helper()
	state := t.TempDir()
	discovery, _, err := app.NewRootCommand().Find([]string{"discovery"})
	assert.NoError(t, err)
	assert.NoError(t, discovery.ParseFlags([]string{
		"--registries=", "--configDir=" + dir, "--httpAddr=" + httpAddr, "--httpsAddr=", "--grpcAddr=" + grpcAddr, "--secureGRPCAddr=", "--monitoringAddr=",
		"--meshConfig=" + filepath.Join(state, "none"), "--networksConfig=" + filepath.Join(state, "none"), "--shutdownDuration=1s",
	}))
	args, err := bootstrap.PilotArgs(discovery.Flags())
	assert.NoError(t, err)
	args.CtrlZOptions = nil
	instance, err := bootstrap.NewInstance(args, &filemode.Options{
		ConfigDir: dir, StateDir: state, SystemNamespace: args.Namespace,
	}, extensions...)
	assert.NoError(t, err)
	stop := make(chan struct{})
	assert.NoError(t, instance.Start(stop))
	t.Cleanup(func() {
		close(stop)
		instance.WaitUntilCompletion()
	})
}

// The whole of it starts on a directory of files, with its page beside upstream's.
func TestStarts(t *testing.T) {
	dir := t.TempDir()
	assert.NoError(t, os.WriteFile(filepath.Join(dir, "a.yaml"), []byte("apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n"), 0o600))
	addr := freeAddress(t)
	start(t, dir, addr, "")
	for path, want := range map[string]string{apisixPage: `"proxies"`, "/debug/filez": `"files": 1`, "/debug/syncz": "[]", "/ready": ""} {
		resp, err := http.Get("http://" + addr + path)
		assert.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		assert.NoError(t, err)
		assert.NoError(t, resp.Body.Close())
		if resp.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
			t.Errorf("%s: got %s %s", path, resp.Status, body)
		}
	}
}
