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
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/lua"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

const header = `# Written by pilot-agent for this sidecar; the next start writes it again.
`

// httpSnippet finds the port of a request. nginx evaluates a map when somebody asks for it.
const httpSnippet = `# The port that a request was sent to: as captured, else as the Host header has it, else 80. Where the kernel follows
# connections, one that was made to this listener itself has it for its original destination.
map $http_host $host_header_port {
    "~:(?<host_port>\d+)$" $host_port;
    default 80;
}
map $server_port $ipv6_original_dst {
    default "";
}
map "$connection_original_dst$ipv6_original_dst $server_addr:$server_port" $requested_port {
    "~^(?<own>\S+) \k<own>$" $host_header_port;
    "~^\[(?<own6>\S+)\](?<own6_port>:\d+) \k<own6>\k<own6_port>$" $host_header_port;
    "~:(?<dst_port>\d+) " $dst_port;
    default $host_header_port;
}
`

// routerSnippet is that for a gateway: what its clients mean is the port that they came to.
const routerSnippet = `map $server_port $requested_port {
    default $server_port;
}
`

// ipv6Snippet fills in what APISIX's nginx module knows of IPv4 only ($connection_original_dst).
const ipv6Snippet = `set_by_lua_block $ipv6_original_dst { return require("apisix.mesh.http_dst").ipv6() }
`

// directions splits the port of a request into those of the two directions, by the listener.
func directions(inbound []int) string {
	var b strings.Builder
	for _, m := range []struct{ variable, here, elsewhere string }{
		{apisix.VarOriginalDstPort, `""`, "$requested_port"},
		{apisix.VarInboundPort, "$requested_port", `""`},
	} {
		fmt.Fprintf(&b, "map $server_port $%s {\n", m.variable)
		for _, port := range inbound {
			fmt.Fprintf(&b, "    %d %s;\n", port, m.here)
		}
		fmt.Fprintf(&b, "    default %s;\n}\n", m.elsewhere)
	}
	return b.String()
}

// sourceSnippet gives connections to the workload another source, so that they are not captured on their way: Istio's rules
// leave 127.0.0.6 and ::6 alone. The plugin mesh-original-dst sets the variable.
const sourceSnippet = `map $server_port $upstream_source {
    default "";
}
proxy_bind $upstream_source;
`

// streamSnippet has what Envoy does with connections: it waits without end for the ClientHello of a client whose destination
// goes by its server name, one side may say that it has said everything while the other one goes on, and an endpoint that does
// not answer is not replaced by another one.
const streamSnippet = `preread_timeout 1d;
proxy_half_close on;
proxy_next_upstream off;
`

// serverSnippet limits nginx's retries to connections that fail. The number of tries is the upstream's "retries".
const serverSnippet = `proxy_next_upstream error;
proxy_next_upstream_tries 0;
grpc_next_upstream error;
grpc_next_upstream_tries 0;
`

type object = map[string]any

// Render is the text of config.yaml. The same options give the same text. An error names the field of Options.
func Render(o Options) ([]byte, error) {
	if c := o.Capture; c != nil {
		if err := c.validate(); err != nil {
			return nil, err
		}
		c.expand(&o)
	}
	if err := o.validate(); err != nil {
		return nil, err
	}
	gateway, err := parseAddress("Gateway", o.Gateway, true)
	if err != nil {
		return nil, err
	}
	settings := object{
		"enable_admin": false,
		// The control plane sends what is secret over mTLS, and nothing encrypted with APISIX's well-known keys.
		"data_encryption": object{"enable_encrypt_fields": false},
		"router":          object{"http": "radixtree_host_uri"},
		"proxy_mode":      "http",
		"enable_control":  o.Control != "",
	}
	if !o.Router {
		// The clients are those of the workload: what they say of whom they forward for stays.
		settings["trusted_addresses"] = []string{"0.0.0.0/0", "::/0"}
	}
	if err := setListeners(settings, &o); err != nil {
		return nil, err
	}
	if o.Control != "" {
		control, err := parseAddress("Control", o.Control, true)
		if err != nil {
			return nil, err
		}
		settings["control"] = object{"ip": control.ip(), "port": control.port}
	}
	if o.ExtraLuaPath != "" {
		settings["extra_lua_path"] = o.ExtraLuaPath
	}
	if o.LuaModuleHook != "" {
		settings["lua_module_hook"] = o.LuaModuleHook
	}
	mesh, err := meshAttributes(&o)
	if err != nil {
		return nil, err
	}
	prometheus, err := prometheusAttributes(&o)
	if err != nil {
		return nil, err
	}
	body, err := yaml.Marshal(object{
		"apisix": settings,
		"deployment": object{
			"role":            "data_plane",
			"role_data_plane": object{"config_provider": "etcd"},
			"etcd": object{
				"host":   []string{"http://" + gateway.nginx()},
				"prefix": "/apisix",
				// How long APISIX waits, in seconds, before it tries a restarted agent again. Its default is 10.
				"health_check_timeout": 1,
			},
		},
		"nginx_config": nginxConfig(&o),
		"plugin_attr": object{
			"prometheus": prometheus,
			"mesh":       mesh,
		},
		"plugins":        names(o.Plugins),
		"stream_plugins": names(o.StreamPlugins),
	})
	if err != nil {
		return nil, err
	}
	return append([]byte(header), body...), nil
}

func setListeners(settings object, o *Options) error {
	listen := make([]object, 0, len(o.Listen))
	for _, address := range o.Listen {
		e, err := parseAddress("Listen", address, false)
		if err != nil {
			return err
		}
		listen = append(listen, object{"ip": e.ip(), "port": e.port})
	}
	settings["node_listen"] = listen
	if err := setTLS(settings, o); err != nil {
		return err
	}
	if !o.streams() {
		return nil
	}
	tcp := make([]object, 0, len(o.Stream)+len(o.StreamTLS))
	for _, f := range []struct {
		field     string
		addresses []string
		tls       bool
	}{{"Stream", o.Stream, false}, {"StreamTLS", o.StreamTLS, true}} {
		for _, address := range f.addresses {
			e, err := parseAddress(f.field, address, false)
			if err != nil {
				return err
			}
			listener := object{"addr": e.nginx()}
			if f.tls {
				listener["tls"] = true
			}
			tcp = append(tcp, listener)
		}
	}
	settings["proxy_mode"] = "http&stream"
	settings["stream_proxy"] = object{"tcp": tcp}
	return nil
}

func setTLS(settings object, o *Options) error {
	ssl := object{"enable": len(o.TLS) > 0, "fallback_sni": fallbackSNI}
	if o.Router {
		ssl["fallback_sni"] = anySNI
	}
	listen := make([]object, 0, len(o.TLS))
	for _, address := range o.TLS {
		e, err := parseAddress("TLS", address, false)
		if err != nil {
			return err
		}
		listen = append(listen, object{"ip": e.ip(), "port": e.port})
	}
	if len(listen) > 0 {
		ssl["listen"] = listen
	}
	if o.Identity != "" {
		// What our Lua sends by itself, such as a mirrored request, is checked in the same way.
		ssl["ssl_trusted_certificate"] = filepath.Join(o.Identity, RootCertFile)
	}
	settings["ssl"] = ssl
	return nil
}

// meshAttributes are what our Lua reads.
func meshAttributes(o *Options) (object, error) {
	var tls []int
	for _, address := range slices.Concat(o.TLS, o.StreamTLS) {
		e, err := parseAddress("TLS", address, false)
		if err != nil {
			return nil, err
		}
		tls = append(tls, e.port)
	}
	out := object{"inbound_ports": ports(o.InboundPorts), "tls_ports": ports(tls)}
	if slices.Contains(o.Plugins, retryPlugin) {
		out["retry_classes"] = retryClasses(o)
	}
	if o.Router {
		// None is the mesh's.
		out["router"], out["tls_ports"] = true, ports(nil)
	}
	if o.Capture != nil {
		out["capture"] = o.Capture.attributes()
	}
	if o.Identity != "" {
		out["identity"], out["roots"] = o.Identity, o.Roots
	}
	if o.Mirror != "" {
		out["mirror"] = o.Mirror
	}
	return out, nil
}

func prometheusAttributes(o *Options) (object, error) {
	if o.Prometheus == "" {
		return object{"enable_export_server": false}, nil
	}
	if !slices.Contains(o.Plugins, "prometheus") {
		return nil, fmt.Errorf("address %q in Prometheus, and Plugins has no prometheus, which would serve it", o.Prometheus)
	}
	e, err := parseAddress("Prometheus", o.Prometheus, true)
	if err != nil {
		return nil, err
	}
	return object{"enable_export_server": true, "export_addr": object{"ip": e.ip(), "port": e.port}}, nil
}

func nginxConfig(o *Options) object {
	http := object{
		"enable_access_log": o.AccessLog != "",
		// Content types go through as they are. APISIX's default is to append charset=utf-8 to those of text without one.
		"charset": "off",
		// What the worker processes share of the endpoints of upstreams of the type "mesh".
		"custom_lua_shared_dict": object{lua.SharedDict: lua.SharedDictSize},
	}
	if o.AccessLog != "" {
		http["access_log"] = o.AccessLog
	}
	if o.CloseConnections {
		http["keepalive_timeout"] = "0s"
	}
	var workers any = "auto"
	if o.Workers > 0 {
		workers = o.Workers
	}
	server, location := serverSnippet, ""
	if o.Capture != nil && o.Capture.IPv6 {
		server += ipv6Snippet
	}
	if o.Identity != "" {
		server += verify("grpc", o.Identity, "$mesh_peer")
		location = verify("proxy", o.Identity, "$mesh_peer")
	}
	if slices.Contains(o.Plugins, retryPlugin) {
		server += retryLocations(retryClasses(o), "", location, "$upstream_scheme")
	}
	if o.LuaModuleHook != "" {
		server += originationLocations(o)
	}
	snippet := httpSnippet
	if o.Router {
		snippet = routerSnippet
	}
	snippet += peerSnippet + directions(ports(o.InboundPorts)) + sourceSnippet + "grpc_bind $upstream_source;\n"
	if o.Mirror != "" {
		snippet += mirrors(o.Mirror, o.Identity)
	}
	config := object{
		"http":                              http,
		"http_configuration_snippet":        snippet,
		"http_server_configuration_snippet": server,
		"worker_processes":                  workers,
	}
	if location != "" {
		config["http_server_location_configuration_snippet"] = location
	}
	if o.streams() {
		config["stream_configuration_snippet"] = streams(o)
	}
	if o.User != "" {
		config["user"] = o.User
	}
	if o.ErrorLog != "" {
		config["error_log"] = o.ErrorLog
	}
	if o.ErrorLogLevel != "" {
		config["error_log_level"] = o.ErrorLogLevel
	}
	return config
}

// streams is the configuration of the stream subsystem.
func streams(o *Options) string {
	out := sourceSnippet + streamSnippet + "lua_shared_dict " + lua.StreamSharedDict + " " + lua.SharedDictSize + ";\n"
	if o.Identity != "" {
		// APISIX's servers have a name of their own, which our Lua sets.
		out += verify("proxy", o.Identity, "")
	}
	if o.StreamOrigination != "" {
		out += streamOrigination(o.StreamOrigination, o.Identity)
	}
	if o.Capture != nil {
		out += o.Capture.server()
	}
	return out
}

// ports is sorted, each once, and a list even when it is empty.
func ports(in []int) []int {
	out := append([]int{}, in...)
	slices.Sort(out)
	return slices.Compact(out)
}

// names is sorted, each once, and a list even when it is empty: without one, APISIX would load its defaults.
func names(in []string) []string {
	out := append([]string{}, in...)
	slices.Sort(out)
	return slices.Compact(out)
}
