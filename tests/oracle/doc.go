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

// Package oracle checks pkg/apisix/simulate against a real APISIX: it makes random tables of routes and random requests, many
// of them near the edges, plays each request against both, and fails on every disagreement with the smallest table that still
// shows it. So it does with stream routes and connections: with TLS and without, over IPv4 and IPv6, to the workload and from it,
// and captured by iptables where it may have a network namespace of its own.
//
// A run is told by its seed, which is printed and can be set: ORACLE_SEED=7 ORACLE_TABLES=100 go test ./tests/oracle/. Without
// an APISIX (APISIX_HOME, PATH or /usr/local/apisix) it is skipped. `make oracle` runs 500 tables with 20 requests each, from
// another seed every time.
package oracle
