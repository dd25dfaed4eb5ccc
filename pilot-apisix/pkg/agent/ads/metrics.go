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

package ads

import "istio.io/istio/pkg/monitoring"

var (
	causeLabel = monitoring.CreateLabel("cause")
	// typeLabel is the last part of the type's URL.
	typeLabel = monitoring.CreateLabel("type")

	streams = monitoring.NewSum("apisix_xds_streams_total",
		"Streams that were opened to istiod.")
	failures = monitoring.NewSum("apisix_xds_failures_total",
		"Streams that ended or could not be opened, by cause.")
	connected = monitoring.NewGauge("apisix_xds_connected",
		"1 while there is a stream to istiod.")
	responses = monitoring.NewSum("apisix_xds_responses_total",
		"Responses of istiod.")
	responseBytes = monitoring.NewSum("apisix_xds_response_bytes_total",
		"Bytes of the resources in istiod's responses.")
	acks = monitoring.NewSum("apisix_xds_acks_total",
		"Responses that were accepted as a whole.")
	nacks = monitoring.NewSum("apisix_xds_nacks_total",
		"Responses of which at least one resource was refused.")
	rejected = monitoring.NewSum("apisix_xds_rejected_resources_total",
		"Resources that were refused.")
	applySeconds = monitoring.NewDistribution("apisix_xds_apply_seconds",
		"Time from a response's arrival until APISIX can read it.",
		[]float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .5, 1, 5})
)
