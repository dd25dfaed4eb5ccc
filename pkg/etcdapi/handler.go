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
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

const (
	// maxBodyBytes bounds a request's body; APISIX's are below 1 KiB.
	maxBodyBytes = 64 << 10
	// bodyTimeout bounds the time in which a body has to arrive.
	bodyTimeout = 10 * time.Second

	defaultPrefix       = "/apisix"
	defaultVersion      = "3.5.0"
	defaultLoadWindow   = 2 * time.Minute
	defaultWriteTimeout = 30 * time.Second
	// defaultProgress is etcd's own interval.
	defaultProgress = 10 * time.Minute
)

// HandlerOptions configures a Handler. The zero value serves APISIX's defaults without a password.
type HandlerOptions struct {
	// Prefix is APISIX's deployment.etcd.prefix ("": /apisix).
	Prefix string
	// Username and Password are APISIX's deployment.etcd.user and password. When either is set, every range and watch
	// needs a token from /v3/auth/authenticate.
	Username, Password string
	// Version is the version that GET /version names ("": 3.5.0). APISIX refuses to start below 3.4.0.
	Version string
	// LoadWindow is how long after a full load a worker may still start from it (0: 2 minutes). It has to be longer than
	// APISIX's apisix.worker_startup_time_threshold, which is 60 s unless it is set.
	LoadWindow time.Duration
	// WriteTimeout bounds each write: a client that does not read for so long is disconnected (0: 30 s).
	WriteTimeout time.Duration
	// ProgressInterval is how often a quiet stream that asked for progress_notify is told its revision (0: 10 minutes).
	ProgressInterval time.Duration
	// Logf, if set, gets a line for what an operator should know: a watch that was canceled, a refused password or
	// write. It is called from the requests' goroutines.
	Logf func(format string, args ...any)
}

// Handler serves the gateway over store. The streams end when their request's context does, so that a server whose
// BaseContext is canceled can shut down gracefully; Serve does that.
func Handler(store *Store, opts HandlerOptions) http.Handler {
	h := &handler{
		store: store, prefix: strings.TrimRight(opts.Prefix, "/"), auth: newAuthenticator(opts.Username, opts.Password),
		writeTimeout: opts.WriteTimeout, progress: opts.ProgressInterval, logf: opts.Logf,
	}
	if h.prefix == "" {
		h.prefix = defaultPrefix
	}
	if h.writeTimeout <= 0 {
		h.writeTimeout = defaultWriteTimeout
	}
	if h.progress <= 0 {
		h.progress = defaultProgress
	}
	if h.logf == nil {
		h.logf = func(string, ...any) {}
	}
	window := opts.LoadWindow
	if window <= 0 {
		window = defaultLoadWindow
	}
	h.loads = loadLog{window: window, now: time.Now}
	version := opts.Version
	if version == "" {
		version = defaultVersion
	}
	// Two strings cannot fail to be encoded.
	h.version, _ = json.Marshal(struct {
		Server  string `json:"etcdserver"`
		Cluster string `json:"etcdcluster"`
	}{version, version})
	return h
}

type handler struct {
	store        *Store
	prefix       string
	auth         authenticator
	version      []byte
	writeTimeout time.Duration
	progress     time.Duration
	logf         func(format string, args ...any)
	loads        loadLog
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method, serve := http.MethodPost, h.refuse
	switch r.URL.Path {
	case "/version":
		method, serve = http.MethodGet, h.serveVersion
	case "/v3/kv/range":
		serve = h.serveRange
	case "/v3/watch":
		serve = h.serveWatch
	case "/v3/auth/authenticate":
		serve = h.serveAuthenticate
	default:
		if !isEtcdMethod(r.URL.Path) {
			http.NotFound(w, r)
			return
		}
	}
	if r.Method != method {
		w.Header().Set("Allow", method)
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	serve(w, r)
}

// isEtcdMethod reports whether path belongs to one of the services of etcd's gateway.
func isEtcdMethod(path string) bool {
	rest, ok := strings.CutPrefix(path, "/v3/")
	service, _, found := strings.Cut(rest, "/")
	if !ok || !found {
		return false
	}
	switch service {
	case "kv", "lease", "auth", "cluster", "maintenance", "election", "lock":
		return true
	}
	return false
}

func (h *handler) serveVersion(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, h.version)
}

// refuse answers the methods that write, and those that administer etcd. It is no 5xx, which lua-resty-etcd would count
// against the endpoint's health. The text in "error" is the one that APISIX knows (core/etcd.lua, get_format).
func (h *handler) refuse(w http.ResponseWriter, r *http.Request) {
	h.logf("etcd gateway: refused %s from %s: the configuration is read-only here", r.URL.Path, r.RemoteAddr)
	writeStatus(w, status{
		grpc: codePermissionDenied, text: "etcdserver: permission denied",
		detail: "etcdserver: permission denied: this gateway is read-only, change the mesh's configuration instead",
	})
}

// The gRPC codes that the gateway answers with.
const (
	codeInvalidArgument    = 3
	codePermissionDenied   = 7
	codeFailedPrecondition = 9
	codeOutOfRange         = 11
	codeUnauthenticated    = 16
)

// status is an error in grpc-gateway's form.
type status struct {
	grpc         int
	text, detail string // detail is text if it is empty
}

// httpStatus maps the code as etcd's gateway does.
func (s status) httpStatus() int {
	switch s.grpc {
	case codePermissionDenied:
		return http.StatusForbidden
	case codeFailedPrecondition:
		return http.StatusPreconditionFailed
	case codeUnauthenticated:
		return http.StatusUnauthorized
	}
	return http.StatusBadRequest
}

func writeStatus(w http.ResponseWriter, s status) {
	if s.detail == "" {
		s.detail = s.text
	}
	// Strings and an int cannot fail to be encoded.
	body, _ := json.Marshal(struct {
		Error   string `json:"error"`
		Message string `json:"message"`
		Code    int    `json:"code"`
	}{s.text, s.detail, s.grpc})
	writeJSON(w, s.httpStatus(), body)
}

// writeJSON writes a whole answer. An error can only be a client that has gone.
func writeJSON(w http.ResponseWriter, code int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(body)
}
