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

package ingest

import (
	"strconv"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// mirrors reads where copies of a rule's requests go (MirrorPercent, MirrorPercentByPolicy): all of them where no share is
// given.
func (r *routeBuilder) mirrors(route *ir.Route, rule *networking.HTTPRoute, src ir.Source) {
	add := func(d *networking.Destination, share float64, at ir.Source) {
		if share > 0 {
			key, _ := r.find(d, at, fidelity.UnknownMirror)
			route.Mirrors = append(route.Mirrors, ir.Mirror{Cluster: r.want(key), Percentage: share})
		}
	}
	if rule.Mirror != nil {
		share := 100.0
		//nolint:staticcheck // mirrorPercent is deprecated, and still honoured by Istio
		if rule.MirrorPercentage != nil {
			share = percentage(rule.MirrorPercentage)
		} else if rule.MirrorPercent != nil {
			share = float64(min(rule.MirrorPercent.GetValue(), 100))
		}
		add(rule.Mirror, share, src.At("mirror"))
	}
	for i, m := range rule.Mirrors {
		share := 100.0
		if m.Percentage != nil {
			share = percentage(m.Percentage)
		}
		if m.Destination != nil {
			add(m.Destination, share, src.At("mirrors["+strconv.Itoa(i)+"].destination"))
		}
	}
}
