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

// Package dns answers the workload's DNS queries for names of the mesh, and passes the others on.
//
// What comes in are name tables from istiod (it is the ads.Handler of the type NameTable) and, when Istio's rules redirect
// port 53 (istio-iptables --redirect-dns), the workload's queries on port 15053, UDP and TCP; what goes out are answers
// from the table, or those of the name servers in /etc/resolv.conf. The server is Istio's own (istio.io/istio/pkg/dns/client);
// pilot-apisix/pkg/agent runs it when ISTIO_META_DNS_CAPTURE asks for it.
//
// istiod sends the whole table each time, as one resource without a name. Names that it says are gone mean nothing here. A table
// that cannot be read is refused and the last good one stays. It is kept on disk too: a restarted agent answers at once, with or
// without istiod. Before there has been a table every query fails, so that no name of the mesh is looked up outside of it, and
// the proxy is not ready.
package dns
