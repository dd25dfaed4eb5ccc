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
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os/signal"
	"syscall"
	"time"
)

// servedByHeader names the workload that answered. It is in every answer, the failed ones too.
const servedByHeader = "X-Bookinfo-Workload"

// shutdownGrace is how long requests that are under way may take after the signal to end.
const shutdownGrace = 10 * time.Second

// identity is what a workload says of itself.
type identity struct {
	service  string
	version  string
	workload string
}

func newIdentity(service string, o options) identity {
	id := identity{service: service, version: o.version, workload: o.name}
	if id.workload == "" {
		id.workload = service + "-" + o.version
	}
	return id
}

// wrap adds what all services have: the header with the workload's name, and /health.
func (id identity) wrap(h http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": id.service + " is healthy"})
	})
	mux.Handle("/", h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(servedByHeader, id.workload)
		mux.ServeHTTP(w, r)
	})
}

// serve answers on addr until ctx ends or the process is told to end, and then lets requests finish. It calls ready
// once, with the address it listens on.
func serve(ctx context.Context, addr string, h http.Handler, ready func(addr string)) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	ready(l.Addr().String())
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		return err
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// writeJSON answers with v. The values are the services' own and marshal always; what fails is the connection.
func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// failure is the body of an answer that is none.
type failure struct {
	Error string `json:"error"`
}
