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

// Package instance runs a stock APISIX: it finds the installation, gives an instance a working directory of its own, and starts,
// reloads and stops it.
//
// What comes in is a directory and the text of a config.yaml (pilot-apisix/pkg/agent/apisixconf renders it); what goes out is
// a process. The agent
// (pilot-apisix/pkg/agent/proxy), the demo, and the tests that need real traffic call it.
package instance
