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

// Package listeners finds out which ports a gateway's APISIX can open.
//
// What comes in is the metadata of the plugin mesh-listeners, which the control plane makes of Gateways, and what nginx says of ports that it did not
// get; what goes out are addresses for config.yaml, and the ports that are left out, each with the reason. pilot-apisix/pkg/agent calls it.
//
// nginx takes a configuration as a whole: one port that it cannot bind keeps it from all others. So each port is tried before, in the way of nginx:
// with SO_REUSEPORT, which lets the running APISIX have its own. A port that is lost nevertheless, because somebody was quicker, is named in nginx's
// error log, and left out for a while.
package listeners
