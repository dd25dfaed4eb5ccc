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

package simulate

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// redirect is mesh-redirect: Envoy's RedirectEntry::newUri.
type redirect struct {
	nothing
	Code          int            `json:"code"`
	Scheme        string         `json:"scheme"`
	Authority     string         `json:"authority"`
	Port          int            `json:"port"`
	Path          string         `json:"path"`
	PrefixRewrite *prefixRewrite `json:"prefix_rewrite"`
}

// prefixRewrite replaces a prefix, or the whole path without one.
type prefixRewrite struct {
	Prefix  string `json:"prefix"`
	Rewrite string `json:"rewrite"`
}

func parseRedirect(raw json.RawMessage) (plugin, error) {
	r, err := decodeConf[redirect](raw)
	if err == nil && r.Path != "" && r.PrefixRewrite != nil {
		err = errors.New("path and prefix_rewrite exclude each other")
	}
	if err == nil && !slices.Contains([]int{301, 302, 303, 307, 308}, r.Code) {
		err = fmt.Errorf("%d is no code of a redirect", r.Code)
	}
	return &r, err
}

func (r *redirect) access(e *exchange) {
	e.routed = true
	answer := e.localReply(r.Code, "", -1)
	answer.Header.Set("Location", r.location(e))
	e.why.add("mesh-redirect answers %d", answer.Status)
	e.respond(answer)
}

func (r *redirect) location(e *exchange) string {
	// APISIX has put the connection's scheme there.
	scheme := e.now().headerVar("http_x_forwarded_proto").text
	if scheme != "http" && scheme != "https" {
		scheme = e.scheme
	}
	to, port := r.Scheme, ""
	if to == "" {
		to = scheme
	}
	if r.Port != 0 {
		port = ":" + strconv.Itoa(r.Port)
	}
	host := r.Authority
	if host == "" {
		host = redirectHost(e.httpHost, scheme, to, port)
	}
	return to + "://" + host + port + r.where(e)
}

// where is the path and the query.
func (r *redirect) where(e *exchange) string {
	if r.Path != "" {
		path := r.Path
		if !strings.HasPrefix(path, "/") {
			path = "/" + path
		}
		if strings.Contains(r.Path, "?") {
			return path
		}
		_, query := splitTarget(e.raw)
		return path + query
	}
	path, query := e.originalPath()
	if p := r.PrefixRewrite; p != nil && p.Rewrite != "" {
		path, query, _ = e.rewrittenPath(p.Prefix, p.Rewrite)
	}
	return safePath(path) + query
}

// redirectHost is the request's host without a port that would no longer fit.
func redirectHost(host, from, to, port string) string {
	i := strings.LastIndexByte(host, ':')
	if strings.HasPrefix(host, "[") {
		if i = strings.LastIndex(host, "]:"); i >= 0 {
			i++
		}
	}
	if i < 0 {
		return host
	}
	old := host[i:]
	if port != "" || to != from && (from == "https" && old == ":443" || from == "http" && old == ":80") {
		return host[:i]
	}
	return host
}
