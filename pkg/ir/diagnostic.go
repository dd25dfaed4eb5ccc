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

package ir

// Severity says what became of the part of the configuration that a diagnostic speaks of.
type Severity string

const (
	// Approximated parts are carried with a difference that the message names.
	Approximated Severity = "Approximated"
	// NotCarried parts have no effect on this proxy; what stands around them is carried.
	NotCarried Severity = "NotCarried"
	// Refused parts would have meant less security or another destination than on Envoy: the traffic that they
	// concern is refused.
	Refused Severity = "Refused"
)

// Diagnostic tells where the meaning of a configuration is not exactly the meaning it has on Envoy.
type Diagnostic struct {
	Severity Severity `json:"severity"`
	// Code is stable and CamelCase, such as "TimeoutStalledBody"; docs/reference/fidelity.md lists them all.
	Code string `json:"code"`
	// Source is the object and field that is concerned.
	Source Source `json:"source"`
	// Message says what happens instead, and what to do about it.
	Message string `json:"message"`
}

// String is one line for logs and terminals.
func (d Diagnostic) String() string {
	return string(d.Severity) + " " + d.Code + ": " + d.Source.String() + ": " + d.Message
}
