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
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	grpcstatus "google.golang.org/grpc/status"

	upstream "istio.io/istio/pilot/cmd/pilot-agent/status"
	"istio.io/istio/pkg/kube/apimirror"
)

const (
	// maxProbeBody bounds what is passed on of the application's answer, as the kubelet does.
	maxProbeBody = 10 << 10
	// defaultProbeTimeout is Kubernetes's default of timeoutSeconds.
	defaultProbeTimeout = time.Second
	// maxRedirects is the kubelet's.
	maxRedirects = 10
)

// timeoutOf is the probe's timeout. Injection always writes one.
func timeoutOf(p *upstream.Prober) time.Duration {
	if p.TimeoutSeconds <= 0 {
		return defaultProbeTimeout
	}
	return time.Duration(p.TimeoutSeconds) * time.Second
}

// probeClient asks as the kubelet does (pkg/probe/http): no certificate is verified, a redirect to another host is not
// followed.
func probeClient(p *probe) (*http.Client, error) {
	transport := &http.Transport{
		//nolint:gosec // The kubelet verifies no certificate either: it is a health check inside of the pod.
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: true},
		DialContext:         p.dialer.DialContext,
		DisableKeepAlives:   !upstream.ProbeKeepaliveConnections,
		TLSHandshakeTimeout: 10 * time.Second,
		IdleConnTimeout:     90 * time.Second,
	}
	if upstream.EnableHTTP2Probing {
		h2, err := http2.ConfigureTransports(transport)
		if err != nil {
			return nil, err
		}
		h2.ReadIdleTimeout, h2.PingTimeout = 30*time.Second, 15*time.Second
	}
	return &http.Client{
		Timeout:   p.dialer.Timeout,
		Transport: transport,
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if r.URL.Hostname() != via[0].URL.Hostname() {
				return http.ErrUseLastResponse
			}
			if len(via) >= maxRedirects {
				return fmt.Errorf("stopped after %d redirects", maxRedirects)
			}
			return nil
		},
	}, nil
}

// serveHTTPGet passes the kubelet's request on, and the application's answer back.
func (p *probe) serveHTTPGet(w http.ResponseWriter, r *http.Request, statusPort int) {
	request, err := p.request(r, statusPort)
	if err != nil {
		answer(w, r, err)
		return
	}
	response, err := p.client.Do(request)
	if err != nil {
		answer(w, r, err)
		return
	}
	defer func() {
		// What is left is read, so that the connection can be used again.
		_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxProbeBody))
		_ = response.Body.Close()
	}()
	if response.StatusCode >= http.StatusMultipleChoices && response.StatusCode < http.StatusBadRequest {
		// For the kubelet a redirect to elsewhere is a success.
		w.WriteHeader(http.StatusOK)
		return
	}
	w.WriteHeader(response.StatusCode)
	_, _ = io.Copy(w, io.LimitReader(response.Body, maxProbeBody))
}

func (p *probe) request(r *http.Request, statusPort int) (*http.Request, error) {
	path := p.HTTPGet.Path
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	scheme := "http"
	if p.HTTPGet.Scheme == apimirror.URISchemeHTTPS {
		scheme = "https"
	}
	u, err := url.Parse(scheme + "://" + p.address + path)
	if err != nil {
		return nil, fmt.Errorf("path %q of the probe's httpGet: %w", p.HTTPGet.Path, err)
	}
	request := (&http.Request{Method: http.MethodGet, URL: u, Header: r.Header.Clone(), Host: r.Host}).WithContext(r.Context())
	if host, port, err := net.SplitHostPort(r.Host); err == nil && port == strconv.Itoa(statusPort) {
		_, real, _ := net.SplitHostPort(p.address)
		request.Host = net.JoinHostPort(host, real)
	}
	return request, nil
}

// dialTCP is nil when somebody accepts connections.
func (p *probe) dialTCP(ctx context.Context) error {
	conn, err := p.dialer.DialContext(ctx, "tcp", p.address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// checkGRPC is nil when the application's health service (grpc.health.v1) says SERVING.
func (p *probe) checkGRPC(ctx context.Context, userAgent string) error {
	conn, err := grpc.NewClient("passthrough:///"+p.address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUserAgent(userAgent),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return p.dialer.DialContext(ctx, "tcp", address)
		}),
	)
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, p.dialer.Timeout)
	defer cancel()
	service := ""
	if p.GRPC.Service != nil {
		service = *p.GRPC.Service
	}
	response, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{Service: service})
	if grpcstatus.Code(err) == codes.Unimplemented {
		return errors.New("the application does not implement grpc.health.v1.Health")
	}
	if err != nil {
		return err
	}
	if s := response.GetStatus(); s != healthpb.HealthCheckResponse_SERVING {
		return fmt.Errorf("service %q is %s", service, s)
	}
	return nil
}
