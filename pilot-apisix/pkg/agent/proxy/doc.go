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

// Package proxy is APISIX's life in a sidecar: it is started, started again when it ends, given another configuration without a connection
// lost, and drained.
//
// What comes in is an installation and whatever may change config.yaml: the resources that istiod sent, of which it takes the plugins that they
// use, and the roots of the mesh. What goes out is a running APISIX, and what its error log says. pilot-apisix/pkg/agent calls it.
//
// An agent that is killed leaves APISIX running. The next one finds it by its directory and takes it over.
package proxy
