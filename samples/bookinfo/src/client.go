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
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// forwarded are the headers of a request that go along with the calls it causes: the user, by whom rules route, and
// what the tracers of the mesh use to join spans.
var forwarded = []string{
	"end-user",
	"user-agent",
	"x-request-id",
	// W3C Trace Context
	"traceparent",
	"tracestate",
	// B3, in both of its forms
	"x-b3-traceid",
	"x-b3-spanid",
	"x-b3-parentspanid",
	"x-b3-sampled",
	"x-b3-flags",
	"b3",
	// Apache SkyWalking
	"sw8",
}

// client calls other services.
type client struct {
	http *http.Client
}

// newClient reads where calls go. The URL of a call, and so its Host header, names the service in any case; only the
// address that is dialed differs, as it does behind iptables.
func newClient(o options) (*client, error) {
	outbound := strings.TrimSuffix(strings.TrimPrefix(o.outbound, "http://"), "/")
	if outbound != "" {
		if _, _, err := net.SplitHostPort(outbound); err != nil {
			return nil, fmt.Errorf("--outbound=%s: want HOST:PORT or http://HOST:PORT: %w", o.outbound, err)
		}
	}
	for name, addr := range o.resolve {
		for _, hp := range []string{name, addr} {
			if _, _, err := net.SplitHostPort(hp); err != nil {
				return nil, fmt.Errorf("--resolve=%s=%s: want NAME:PORT=HOST:PORT: %w", name, addr, err)
			}
		}
	}
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	return &client{http: &http.Client{
		Timeout: o.timeout,
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				if to, ok := o.resolve[addr]; ok {
					addr = to
				}
				if outbound != "" {
					addr = outbound
				}
				return dialer.DialContext(ctx, network, addr)
			},
			MaxIdleConnsPerHost: 64,
			IdleConnTimeout:     90 * time.Second,
		},
	}}, nil
}

// statusError is an answer other than 200.
type statusError struct {
	url  string
	code int
}

func (e *statusError) Error() string {
	return fmt.Sprintf("%s answered %d %s", e.url, e.code, http.StatusText(e.code))
}

// get calls url for the request r and reads the JSON answer into out. It returns the name of the workload that
// answered, when there was an answer that names one. The error is a *statusError when the answer was not 200.
func (c *client) get(r *http.Request, url string, out any) (servedBy string, err error) {
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	for _, name := range forwarded {
		if v := r.Header.Values(name); len(v) > 0 {
			req.Header[http.CanonicalHeaderKey(name)] = v
		}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	servedBy = resp.Header.Get(servedByHeader)
	// A body that was read to its end leaves the connection to the next call.
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return servedBy, fmt.Errorf("%s: %w", url, err)
	}
	if resp.StatusCode != http.StatusOK {
		return servedBy, &statusError{url: url, code: resp.StatusCode}
	}
	if err := json.Unmarshal(body, out); err != nil {
		return servedBy, fmt.Errorf("%s: %w", url, err)
	}
	return servedBy, nil
}

// statusOf is the status that a service answers with when a call it depends on ended with err: the same one, if there
// was an answer.
func statusOf(err error) int {
	if se, ok := errors.AsType[*statusError](err); ok {
		return se.code
	}
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		return http.StatusGatewayTimeout
	}
	return http.StatusBadGateway
}
