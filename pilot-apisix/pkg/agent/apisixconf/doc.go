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

// Package apisixconf writes the config.yaml with which a stock APISIX becomes this sidecar's proxy: it reads from the
// agent's gateway in the role data_plane, listens where it is told to, loads no plugin but those it is given, and has the
// variable on which the control plane's routes match a service's port.
//
// What comes in are Options; what goes out is the text of the file. Whoever starts APISIX calls it. It starts nothing
// itself.
//
// # The port of a request
//
// Two ports of one host are two services, so every route of the control plane matches on the variable
// original_dst_port. In a sidecar that captures traffic it is the port that the application connected to (SO_ORIGINAL_DST,
// which APISIX's nginx module knows as $connection_original_dst). Without capture, as on a host where applications are
// told to use the sidecar as their proxy, it is the port in the Host header, or 80.
//
// What is sent to the workload comes through listeners of its own, among Options.InboundPorts. There the port is in the variable
// inbound_port, and original_dst_port is empty.
//
// A gateway (Options.Router) has the port of the listener in original_dst_port, and never an inbound_port.
//
// # TCP
//
// With the hook of our Lua pack, stream routes are matched with the address, port and TLS server name that a client meant. The
// connections to a workload come from 127.0.0.6 or ::6, which Istio's rules do not capture.
//
// # Retries
//
// nginx's own retries are reduced to those of Istio's default policy that it can tell: a connection that fails, not a
// request that times out. A route that asks for other ones has the plugin mesh-retry; with it among Plugins there is a
// location for each kind of retry.
package apisixconf
