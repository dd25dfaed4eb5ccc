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
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

// Options are what differs between sidecars. Addresses are host:port with an IP address.
type Options struct {
	// Gateway is where the agent serves APISIX's configuration, on loopback.
	Gateway string
	// Listen are the addresses for HTTP, at least one with those of Capture.
	Listen []string
	// Stream are the addresses for TCP; without any, APISIX's stream subsystem is off.
	Stream []string
	// TLS and StreamTLS are the addresses for the mesh's mutual TLS, for HTTP and for TCP.
	TLS, StreamTLS []string
	// Capture takes captured connections and adds to the addresses; none when nil.
	Capture *Capture
	// Router is true for a gateway: what is meant is the port of the listener, TLS and StreamTLS end TLS with the certificates that the control plane
	// sends, and nobody is believed whom he says to forward for. It has neither Capture nor InboundPorts.
	Router bool
	// CloseConnections ends every connection of a client with the response on its way: the proxy is about to end.
	CloseConnections bool
	// Identity is the directory with the workload's CertChainFile, KeyFile and RootCertFile; there is no mutual TLS when empty. RootCertFile must be
	// there when nginx starts.
	Identity string
	// Roots stands for the content of RootCertFile, so that another one is another configuration.
	Roots string
	// Mirror is the path of a unix socket for copies of requests that must be secured; such are not made when empty. LuaModuleHook must be set then.
	Mirror string
	// StreamOrigination is the path of another one, which nginx needs to have for TLS to servers of TCP that the mesh does not secure; there is none
	// when empty. LuaModuleHook must be set then.
	StreamOrigination string
	// InboundPorts are the ports of those of the addresses, for HTTP and for TCP, that take what is sent to the workload. The
	// others take what the workload sends.
	InboundPorts []int
	// Plugins and StreamPlugins are the only ones that APISIX loads, in any order: it runs them by their own priority.
	Plugins       []string
	StreamPlugins []string
	// RetryClasses are the classes of retries (apisix.RetryClass) that resources ask for, in any order.
	RetryClasses []string
	// Control is the address of the control API (GET /v1/schema …), on loopback; off when empty.
	Control string
	// Prometheus is the address of APISIX's metrics, on loopback; off when empty. The plugin prometheus must be among
	// Plugins then.
	Prometheus string
	// User is whom nginx's workers run as when it is started by root; nginx's own default when empty.
	User string
	// Workers is the number of nginx's worker processes; one per core when 0.
	Workers int
	// ErrorLog and AccessLog are files; logs/error.log when empty, and no access log when empty.
	ErrorLog, AccessLog string
	// ErrorLogLevel is nginx's: debug, info, notice, warn, error, crit, alert, emerg; warn when empty.
	ErrorLogLevel string
	// ExtraLuaPath finds Lua modules beside APISIX's own, such as "/usr/share/lua/?.lua"; none when empty.
	ExtraLuaPath string
	// LuaModuleHook is the module that APISIX loads first; none when empty. The one of our Lua pack routes TCP.
	LuaModuleHook string
}

var (
	// pluginName is what APISIX's own plugins are called like.
	pluginName = regexp.MustCompile(`^[a-z0-9_-]+$`)
	// word is text that is safe inside of a directive of nginx.conf, into which APISIX copies it as it is.
	word       = regexp.MustCompile(`^[a-zA-Z0-9_./?*:%=+@,-]+$`)
	luaPath    = regexp.MustCompile(`^[a-zA-Z0-9_./?*:%=+@,;-]+$`)
	userName   = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9_.-]*$`)
	moduleName = regexp.MustCompile(`^[a-zA-Z0-9_]+(\.[a-zA-Z0-9_]+)*$`)
	logLevel   = regexp.MustCompile(`^(debug|info|notice|warn|error|crit|alert|emerg)$`)
)

// endpoint is a parsed address.
type endpoint struct {
	host string
	port int
}

func parseAddress(field, address string, loopback bool) (endpoint, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return endpoint{}, fmt.Errorf("%s %q: not host:port: %w", field, address, err)
	}
	ip := net.ParseIP(host)
	if ip == nil {
		return endpoint{}, fmt.Errorf("%s %q: the host is not an IP address", field, address)
	}
	if loopback && !ip.IsLoopback() {
		return endpoint{}, fmt.Errorf("%s %q: not a loopback address, such as 127.0.0.1:%s", field, address, text)
	}
	port, err := strconv.Atoi(text)
	if err != nil || port < 1 || port > 65535 {
		return endpoint{}, fmt.Errorf("%s %q: the port is not within 1 and 65535", field, address)
	}
	return endpoint{ip.String(), port}, nil
}

// nginx is the address in the form of nginx's listen directive.
func (e endpoint) nginx() string {
	return net.JoinHostPort(e.host, strconv.Itoa(e.port))
}

// ip is the host as APISIX copies it in front of ":<port>".
func (e endpoint) ip() string {
	if net.ParseIP(e.host).To4() == nil {
		return "[" + e.host + "]"
	}
	return e.host
}

func (o *Options) validate() error {
	if len(o.Listen) == 0 {
		return errors.New("no address in Listen: APISIX needs one")
	}
	for _, f := range []struct {
		field string
		names []string
	}{{"Plugins", o.Plugins}, {"StreamPlugins", o.StreamPlugins}} {
		for _, name := range f.names {
			if !pluginName.MatchString(name) {
				return fmt.Errorf("%s: %q is not the name of a plugin", f.field, name)
			}
		}
	}
	for _, f := range []struct {
		field, value string
		allowed      *regexp.Regexp
	}{
		{"User", o.User, userName},
		{"ErrorLog", o.ErrorLog, word},
		{"AccessLog", o.AccessLog, word},
		{"ErrorLogLevel", o.ErrorLogLevel, logLevel},
		{"ExtraLuaPath", o.ExtraLuaPath, luaPath},
		{"LuaModuleHook", o.LuaModuleHook, moduleName},
		{"Identity", o.Identity, word},
		{"Roots", o.Roots, word},
		{"Mirror", o.Mirror, word},
		{"StreamOrigination", o.StreamOrigination, word},
	} {
		if f.value != "" && !f.allowed.MatchString(f.value) {
			return fmt.Errorf("%s %q: nginx.conf cannot hold this", f.field, f.value)
		}
	}
	for _, class := range o.RetryClasses {
		if _, ok := apisix.RetryClassStatuses(class); !ok {
			return fmt.Errorf("RetryClasses: %q is not the name of a class", class)
		}
	}
	for _, port := range o.InboundPorts {
		if port < 1 || port > 65535 {
			return fmt.Errorf("InboundPorts: %d is not within 1 and 65535", port)
		}
	}
	if o.Router && (o.Capture != nil || len(o.InboundPorts) > 0) {
		return errors.New("a gateway (Router) captures nothing, and has no InboundPorts")
	}
	if o.Workers < 0 {
		return fmt.Errorf("%d Workers: it must be 0 for one per core, or more", o.Workers)
	}
	return nil
}

// streams says that there is TCP.
func (o *Options) streams() bool {
	return len(o.Stream) > 0 || len(o.StreamTLS) > 0 || o.Capture != nil
}
