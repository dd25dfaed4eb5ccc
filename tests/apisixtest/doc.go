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

// Package apisixtest runs a real APISIX as a sidecar has it, with the mesh's plugins, for tests that change its resources at will.
//
// What goes in are the plugins to load, what comes out is an address and the store that APISIX follows. The tests in lua, oracle
// and traffic call it; without an APISIX they are skipped.
package apisixtest
