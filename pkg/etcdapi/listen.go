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
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	unixScheme = "unix://"
	// socketMode lets the owner and the group of the socket connect: APISIX's workers run as another user than the agent
	// in Istio's images, so the caller gives the socket, or its directory, to a group that both are in.
	socketMode = 0o660

	// idleTimeout is longer than the 60 s for which lua-resty-http keeps an idle connection: whoever closes first must be
	// the client, or its next request meets a closing connection and counts against the endpoint's health.
	idleTimeout       = 5 * time.Minute
	readHeaderTimeout = 10 * time.Second
	shutdownTimeout   = 2 * time.Second
	maxHeaderBytes    = 16 << 10
)

// Listen listens on a loopback address, HOST:PORT with an IP address or "localhost" (which is 127.0.0.1), or on a unix
// socket, unix:///PATH. Any other address is refused: what the gateway serves includes private keys. The socket of a
// process that is gone is replaced; one that still answers is an error.
func Listen(addr string) (net.Listener, error) {
	if path, ok := strings.CutPrefix(addr, unixScheme); ok {
		return listenUnix(path)
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("etcdapi: address %q is neither HOST:PORT nor unix:///PATH: %w", addr, err)
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("etcdapi: address %q is not loopback, and the gateway serves private keys: use 127.0.0.1:PORT, "+
			"[::1]:PORT or unix:///PATH", addr)
	}
	return net.Listen("tcp", net.JoinHostPort(host, port))
}

func listenUnix(path string) (net.Listener, error) {
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("etcdapi: the path of the unix socket %q is not absolute: write unix:///PATH", path)
	}
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("etcdapi: unix socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("etcdapi: %s exists and is not a unix socket: remove it or choose another path", path)
	default:
		if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
			_ = c.Close()
			return nil, fmt.Errorf("etcdapi: another process serves on the unix socket %s: stop it or choose another path", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("etcdapi: stale unix socket: %w", err)
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, socketMode); err != nil {
		return nil, errors.Join(fmt.Errorf("etcdapi: unix socket: %w", err), l.Close())
	}
	return l, nil
}

// Serve serves h on l until ctx is done, then ends the watch streams, waits up to two seconds for the other requests,
// closes what is left, and returns nil. It closes l. Any other end is an error.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	// Neither ReadTimeout nor WriteTimeout: both would end a watch. The handler sets deadlines for bodies and writes.
	srv := &http.Server{
		Handler:           h,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	select {
	case err := <-served:
		return errors.Join(fmt.Errorf("etcdapi: serving on %s: %w", l.Addr(), err), srv.Close())
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if srv.Shutdown(end) != nil {
		// What is left are connections on which no request came, or whose client does not read.
		_ = srv.Close()
	}
	return nil
}
