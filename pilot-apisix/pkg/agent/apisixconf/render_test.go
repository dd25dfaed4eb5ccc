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

package apisixconf

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"istio.io/istio/pkg/test/util/assert"
)

func minimal() Options {
	return Options{Gateway: "127.0.0.1:15022", Listen: []string{"127.0.0.1:15001"}}
}

// TestGolden compares with testdata/<name>.golden.yaml; REFRESH_GOLDEN=true writes them anew.
func TestGolden(t *testing.T) {
	for name, o := range map[string]Options{
		"minimal": minimal(),
		"sidecar": {
			Gateway:           "127.0.0.1:15022",
			Plugins:           []string{"mesh-peer", "mesh-split", "traffic-split"},
			StreamPlugins:     []string{"mesh-peer", "mesh-split"},
			Capture:           DefaultCapture(true, true),
			Identity:          goldenIdentity,
			Roots:             "sha256",
			Mirror:            goldenDir + "/logs/mesh_mirror.sock",
			StreamOrigination: goldenDir + "/logs/mesh_tls.sock",
			Workers:           1,
			ExtraLuaPath:      "/usr/local/share/pilot-apisix/lua/?.lua",
			LuaModuleHook:     "apisix.mesh.hook",
		},
		"full": {
			Gateway:       "[::1]:15022",
			Listen:        []string{"0.0.0.0:15001", "[::]:15006"},
			Stream:        []string{"127.0.0.1:15003"},
			Plugins:       []string{"traffic-split", "prometheus", "mesh-retry", "proxy-rewrite", "prometheus"},
			InboundPorts:  []int{15006},
			RetryClasses:  []string{"429_502", "5xx_404_409", "503"},
			StreamPlugins: []string{"limit-conn"},
			LuaModuleHook: "apisix.mesh.hook",
			Identity:      goldenIdentity,
			Roots:         "1",
			Mirror:        goldenDir + "/logs/mesh_mirror.sock",
			Control:       "127.0.0.1:9090",
			Prometheus:    "127.0.0.1:9091",
			User:          "istio-proxy",
			Workers:       2,
			ErrorLog:      "/dev/stderr",
			AccessLog:     "/dev/stdout",
			ErrorLogLevel: "error",
			ExtraLuaPath:  "/usr/share/mesh/?.lua;/usr/share/mesh/?/init.lua",
		},
		"router": {
			Gateway: "127.0.0.1:15022", Router: true,
			Listen: []string{"127.0.0.1:15080", "0.0.0.0:8080"}, TLS: []string{"0.0.0.0:8443", "[::]:8443"},
			Stream: []string{"0.0.0.0:3306"}, StreamTLS: []string{"127.0.0.1:6380"},
			Identity: goldenIdentity, Roots: "1", LuaModuleHook: "apisix.mesh.hook",
		},
		"draining": {Gateway: "127.0.0.1:15022", Listen: []string{"127.0.0.1:15001"}, CloseConnections: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Render(o)
			assert.NoError(t, err)
			file := filepath.Join("testdata", name+".golden.yaml")
			if os.Getenv("REFRESH_GOLDEN") == "true" {
				assert.NoError(t, os.WriteFile(file, got, 0o600))
			}
			want, err := os.ReadFile(file)
			assert.NoError(t, err)
			assert.Equal(t, string(got), string(want))
			var parsed map[string]any
			assert.NoError(t, yaml.UnmarshalStrict(got, &parsed))
		})
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Options)
		want   string
	}{
		{"no gateway", func(o *Options) { o.Gateway = "" }, "Gateway"},
		{"gateway for everybody", func(o *Options) { o.Gateway = "10.0.0.1:1" }, "loopback"},
		{"gateway on a socket", func(o *Options) { o.Gateway = "unix:///x" }, "Gateway"},
		{"nowhere to listen", func(o *Options) { o.Listen = nil }, "Listen"},
		{"a name to listen on", func(o *Options) { o.Listen = []string{"localhost:80"} }, "Listen"},
		{"no port", func(o *Options) { o.Listen = []string{"127.0.0.1"} }, "Listen"},
		{"port 0", func(o *Options) { o.Listen = []string{"127.0.0.1:0"} }, "65535"},
		{"a port too high", func(o *Options) { o.Stream = []string{"127.0.0.1:65536"} }, "Stream"},
		{"control for everybody", func(o *Options) { o.Control = "0.0.0.0:9090" }, "Control"},
		{"metrics for everybody", func(o *Options) { o.Plugins, o.Prometheus = []string{"prometheus"}, "0.0.0.0:9091" }, "Prometheus"},
		{"metrics without the plugin", func(o *Options) { o.Prometheus = "127.0.0.1:9091" }, "Plugins"},
		{"a plugin that is none", func(o *Options) { o.Plugins = []string{"a\nb"} }, "Plugins"},
		{"a stream plugin that is none", func(o *Options) { o.StreamPlugins = []string{"../x"} }, "StreamPlugins"},
		{"a directive in a file name", func(o *Options) { o.ErrorLog = "x; load_module y" }, "ErrorLog"},
		{"a variable in a file name", func(o *Options) { o.AccessLog = "${{SECRET}}" }, "AccessLog"},
		{"a user that is none", func(o *Options) { o.User = "root;" }, "User"},
		{"an unknown level", func(o *Options) { o.ErrorLogLevel = "loud" }, "ErrorLogLevel"},
		{"a quote in a path", func(o *Options) { o.ExtraLuaPath = `x";` }, "ExtraLuaPath"},
		{"a hook that is no module", func(o *Options) { o.LuaModuleHook = "a;b" }, "LuaModuleHook"},
		{"a class of retries with a directive", func(o *Options) { o.RetryClasses = []string{"503 504; x"} }, "RetryClasses"},
		{"a class of a status that is none", func(o *Options) { o.RetryClasses = []string{"5xx_499"} }, "RetryClasses"},
		{"an inbound port too high", func(o *Options) { o.InboundPorts = []int{70000} }, "InboundPorts"},
		{"a gateway that captures", func(o *Options) { o.Router, o.Capture = true, DefaultCapture(true, false) }, "Router"},
		{"workers", func(o *Options) { o.Workers = -1 }, "Workers"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := minimal()
			tt.change(&o)
			_, err := Render(o)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v does not say %q", err, tt.want)
			}
		})
	}
}
