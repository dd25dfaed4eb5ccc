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

package translate

import (
	"net/http"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

const (
	// fallbackPriority is below that of every route: a virtual host with one route leaves it at APISIX's default, 0.
	fallbackPriority = -1
	// catchAllPriority is below that: a virtual host for every host has a fallback of its own.
	catchAllPriority = -2
)

// notFound answers what no route of a virtual host takes. Envoy commits itself to one virtual host; APISIX would go on to
// wildcard hosts and to routes without a host.
func (t *translator) notFound(h *ir.VirtualHost, hosts []string, where []apisix.Expr) {
	t.exprs = append(t.exprs[:0], where...)
	t.add(&apisix.Route{
		ID:       routeID(h, 0),
		Hosts:    hosts,
		URI:      "/*",
		Vars:     t.exprs,
		Priority: fallbackPriority,
		Plugins:  []apisix.Plugin{respond(http.StatusNotFound)},
	}, h.Source)
}

// catchAll takes what no virtual host does.
func (t *translator) catchAll() {
	r := t.cfg.CatchAll
	route := apisix.Route{ID: r.Name, Name: r.Name, URI: "/*", Priority: catchAllPriority}
	t.action(&route, r, nil)
	t.add(&route, r.Source)
}

// respond answers every request with status and no body.
func respond(status int) apisix.Plugin {
	return &apisix.MeshDirectResponse{Status: status}
}
