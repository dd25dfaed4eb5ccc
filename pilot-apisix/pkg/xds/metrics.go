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

package xds

import "istio.io/istio/pkg/monitoring"

var (
	codeTag   = monitoring.CreateLabel("code")
	resultTag = monitoring.CreateLabel("result")

	viewRequests = monitoring.NewSum(
		"pilot_apisix_view_requests_total",
		"Number of times a proxy needed its view, by whether it was computed already (hit) or not (miss).",
	)
	viewHits   = viewRequests.With(resultTag.Value("hit"))
	viewMisses = viewRequests.With(resultTag.Value("miss"))

	generationTime = monitoring.NewDistribution(
		"pilot_apisix_generation_seconds",
		"Time in seconds to compute and marshal the APISIX resources of one group of proxies.",
		[]float64{.0001, .0003, .001, .003, .01, .03, .1, .3, 1, 3},
	)

	generationErrors = monitoring.NewSum(
		"pilot_apisix_generation_errors_total",
		"Number of computations that ended with an error; the proxies concerned kept their last good configuration.",
	)

	generatorPanics = monitoring.NewSum(
		"pilot_apisix_generator_panics_total",
		"Number of panics caught in the APISIX generator; the proxies concerned kept their last good configuration.",
	)

	invalidResources = monitoring.NewSum(
		"pilot_apisix_invalid_resources_total",
		"Number of resources left out of a view because APISIX could not have read them.",
	)

	groupsInUse = monitoring.NewGauge(
		"pilot_apisix_groups",
		"Number of groups of proxies that get the same APISIX resources.",
	)

	viewsInUse = monitoring.NewGauge(
		"pilot_apisix_views",
		"Number of views in memory, of all groups, the old ones that some proxy still has included.",
	)

	resourceBytes = monitoring.NewGauge(
		"pilot_apisix_resource_bytes",
		"Bytes of distinct marshalled APISIX resources in memory.",
	)

	diagnosticsByCode = monitoring.NewGauge(
		"pilot_apisix_diagnostics",
		"Number of diagnostics in the current views, by code.",
	)

	resourcesSent = monitoring.NewSum(
		"pilot_apisix_resources_sent_total",
		"Number of APISIX resources sent to proxies because they were new or changed.",
	)

	resourcesRemoved = monitoring.NewSum(
		"pilot_apisix_resources_removed_total",
		"Number of APISIX resources that proxies were told to remove.",
	)

	bytesSent = monitoring.NewSum(
		"pilot_apisix_sent_bytes_total",
		"Bytes of APISIX resources sent to proxies, before compression.",
	)
)
