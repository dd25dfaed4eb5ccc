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

// Package config is the configuration of the sidecar's agent.
//
// What comes in are the flags of pilot-agent and the environment that Istio's injection gives a sidecar; what goes out
// is one Config: who this proxy is (the node of xDS), where istiod is and how to trust it, and which addresses and
// directory the agent uses. pilot-apisix/cmd/pilot-agent calls New, every other package of the agent reads the result.
//
// Names, defaults and order of precedence are those of Istio's pilot-agent
// (pilot/cmd/pilot-agent/{app,config,options}); what differs is said at the field that differs.
package config
