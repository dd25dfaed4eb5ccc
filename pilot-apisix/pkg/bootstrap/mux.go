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

package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"reflect"

	istiobootstrap "istio.io/istio/pilot/pkg/bootstrap"
	"istio.io/istio/pilot/pkg/features"
	istioxds "istio.io/istio/pilot/pkg/xds"
	v3 "istio.io/istio/pilot/pkg/xds/v3"
	"istio.io/istio/pkg/log"
	"istio.io/istio/pkg/security"
	"istio.io/istio/pkg/spiffe"
)

var scope = log.RegisterScope("bootstrap", "Start of the control plane")

// AddDebugHandler adds a debug page to a server that has been made and not started: on the monitoring and the HTTP port,
// under upstream's rules of who may read debug pages, and over xDS for `istioctl x internal-debug`. path begins with
// "/debug/". Where upstream serves no debug pages (ENABLE_DEBUG_ON_HTTP=false) neither is this one.
func AddDebugHandler(s *istiobootstrap.Server, path string, h http.HandlerFunc) error {
	if !features.EnableDebugOnHTTP {
		return nil
	}
	muxes, err := debugMuxes(s)
	if err != nil {
		return fmt.Errorf("debug page %s: %w", path, err)
	}
	guarded := allowAuthenticatedOrLocalhost(s.XDSServer, h)
	for _, mux := range muxes {
		mux.HandleFunc(path, guarded)
	}
	if gen, ok := s.XDSServer.Generators[v3.DebugType].(*istioxds.DebugGen); ok && gen.DebugMux != nil {
		gen.DebugMux.HandleFunc(path, h)
	}
	return nil
}

// debugMuxes gives the muxes that upstream serves debug pages on. They are private; see the package's documentation.
func debugMuxes(s *istiobootstrap.Server) ([]*http.ServeMux, error) {
	var out []*http.ServeMux
	for _, name := range []string{"monitoringMux", "httpMux"} {
		field := reflect.ValueOf(s).Elem().FieldByName(name)
		if !field.IsValid() || field.Type() != reflect.TypeFor[*http.ServeMux]() {
			return nil, fmt.Errorf("this version of Istio has no *http.ServeMux named %s in its server", name)
		}
		mux := (*http.ServeMux)(field.UnsafePointer())
		// With no monitoring address both are the same; in tests there may be none.
		if mux != nil && (len(out) == 0 || out[0] != mux) {
			out = append(out, mux)
		}
	}
	return out, nil
}

// allowAuthenticatedOrLocalhost is upstream's rule for its debug pages (pilot/pkg/xds/debug.go), made of the same
// exported parts: callers on the same host are let in, others must authenticate as they do for xDS, and those who are not
// of the control plane's namespace see only what AuthorizeDebugRequest lists.
func allowAuthenticatedOrLocalhost(s *istioxds.DiscoveryServer, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		if fromLocalhost(req) {
			next(w, req)
			return
		}
		ids, err := authenticate(s, req)
		if err != nil {
			scope.Errorf("debug page %s: %v", req.URL.Path, err)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if features.EnableDebugEndpointAuth {
			if !s.AuthorizeDebugRequest(ids, req) {
				scope.Warnf("debug page %s: not for %v", req.URL.Path, ids)
				w.WriteHeader(http.StatusForbidden)
				return
			}
			req = req.WithContext(context.WithValue(req.Context(), istioxds.CallerNamespaceKey{}, namespaceOf(ids)))
		}
		next(w, req)
	}
}

func fromLocalhost(req *http.Request) bool {
	host, _, err := net.SplitHostPort(req.RemoteAddr)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

func authenticate(s *istioxds.DiscoveryServer, req *http.Request) ([]string, error) {
	errs := []error{errors.New("not authenticated")}
	for _, authn := range s.Authenticators {
		caller, err := authn.Authenticate(security.AuthContext{Request: req})
		if err == nil && caller != nil && caller.Identities != nil {
			return caller.Identities, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", authn.AuthenticatorType(), err))
	}
	return nil, errors.Join(errs...)
}

func namespaceOf(identities []string) string {
	for _, id := range identities {
		if parsed, err := spiffe.ParseIdentity(id); err == nil {
			return parsed.Namespace
		}
	}
	return ""
}
