#!/usr/bin/env bash
# Copyright The pilot-apisix Authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

# Prints the version of what is built here.
#
# It starts with that of the Istio it is built on, because Istio reads a proxy's version as its own and decides by it what the
# proxy understands. VERSION overrides it.

set -euo pipefail
cd "$(dirname "$0")/.."

if [[ -z "${VERSION:-}" ]]; then
  istio=$("${GO:-go}" list -m -f '{{.Dir}}' istio.io/istio)
  VERSION="$(cat "$istio/VERSION")-apisix.$(git describe --tags --always --abbrev=12 --dirty 2>/dev/null || echo unknown)"
fi
echo "$VERSION"
