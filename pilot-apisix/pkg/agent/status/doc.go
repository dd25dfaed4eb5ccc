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

// Package status shows how the agent is doing: to the kubelet, to Prometheus and to people.
//
// What comes in is a Source, which pilot-apisix/pkg/agent implements, and what injection says of the application; what goes
// out are three HTTP servers:
//
//   - readiness, on all addresses, port 15021 as Envoy has it in an Istio sidecar: /healthz/ready;
//   - status, on all addresses, port 15020 as Istio's agent has it: /healthz/ready; /stats/prometheus and /metrics with the metrics
//     of the agent, the proxy and the application; the application's probes below /app-health/ and /app-lifecycle/; and for the
//     pod itself POST /drain, POST /quitquitquit and /debug/ndsz with the DNS proxy's table;
//   - admin, on loopback only, port 15000 as Envoy has it: a page for people at /, /status and /config_dump as JSON,
//     /ready, /stats/prometheus and /debug/pprof/.
//
// /config_dump shows every resource with its version and origin. Private keys, passwords and tokens are taken out of it.
//
// # Why not Istio's status server
//
// Formats, names, limits and the dialer are those of istio.io/istio/pilot/cmd/pilot-agent/status, and are taken from there. Its
// Server itself cannot be: one switch, NoEnvoy, turns off both its question to Envoy's admin page on every readiness probe and
// the proxy's metrics, so that it has either both or none; and it opens its port by itself, on all addresses, where a
// failure is only logged and a port that the system chose is never known.
package status
