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

// Package apisixctl is the command line for people: it shows what a proxy's APISIX gets, without a cluster.
//
// What comes in are flags and files; what goes out is text on the terminal, or JSON and YAML for scripts.
// pilot-apisix/cmd/apisixctl calls it.
package apisixctl
