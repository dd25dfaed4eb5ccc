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

// Package lua runs the Lua plugins of pilot-apisix/lua in a real APISIX, on routes that are written by hand, and looks at what
// clients and backends get. Without an APISIX it is skipped. It does without the translator, so that a plugin is tested
// against its contract rather than against who calls it.
package lua
