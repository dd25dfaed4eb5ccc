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

package filemode

import (
	"istio.io/istio/pkg/monitoring"
)

var (
	stateLabel = monitoring.CreateLabel("state")

	configFiles = monitoring.NewGauge(
		"pilot_apisix_config_files",
		"Number of files in the configuration directory, by state: accepted, or refused because of a mistake in them.",
	)
	filesAccepted = configFiles.With(stateLabel.Value("accepted"))
	filesRefused  = configFiles.With(stateLabel.Value("refused"))

	configRefusals = monitoring.NewSum(
		"pilot_apisix_config_file_refusals_total",
		"Number of times that a new content of a configuration file was refused.",
	)
	configReloads = monitoring.NewSum(
		"pilot_apisix_config_reloads_total",
		"Number of times that a change of the configuration directory changed what is served.",
	)
)
