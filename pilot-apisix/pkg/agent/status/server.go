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

package status

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	istiolog "istio.io/istio/pkg/log"
)

var log = istiolog.RegisterScope("agentstatus", "readiness, metrics and admin page of the APISIX agent")

// readHeaderTimeout bounds how long a client may keep a connection without asking anything.
const readHeaderTimeout = 5 * time.Second

type server struct {
	source Source
}

// Readiness is the server for the kubelet.
func Readiness(source Source) *http.Server {
	s := &server{source: source}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz/ready", s.ready)
	return newServer(mux)
}

// Admin is the server for people. It must listen on loopback only.
func Admin(source Source, profiling bool) *http.Server {
	s := &server{source: source}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /ready", s.ready)
	mux.HandleFunc("GET /status", s.status)
	mux.HandleFunc("GET /config_dump", s.configDump)
	mux.Handle("GET /stats/prometheus", metrics())
	if profiling {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return newServer(localOnly(mux))
}

func newServer(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: readHeaderTimeout}
}

// localOnly refuses requests that a page of another site made with a name which it lets point to 127.0.0.1.
func localOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if host != "localhost" && !net.ParseIP(host).IsLoopback() {
			http.Error(w, "the admin page answers to localhost only", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *server) ready(w http.ResponseWriter, _ *http.Request) {
	if err := s.source.Ready(); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write([]byte("ready\n"))
}

func (s *server) status(w http.ResponseWriter, _ *http.Request) {
	b, err := json.MarshalIndent(s.source.Status(), "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(b, '\n'))
}
