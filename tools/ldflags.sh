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

# Prints the linker flags of a release build: stripped, and stamped with the version in Istio's own variables, so that
# `pilot-discovery version`, `istioctl version` and every User-Agent tell what runs. VERSION overrides tools/version.sh.

set -euo pipefail
cd "$(dirname "$0")/.."

# 12 digits in every clone; git would choose their number by its size, and the same commit would not make the same bytes.
describe=$(git describe --tags --always --abbrev=12 --dirty 2>/dev/null || echo unknown)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
status=Clean
case "$describe" in
*-dirty) status=Modified ;;
unknown) status=Unknown ;;
esac

version=$(tools/version.sh)
pkg=istio.io/istio/pkg/version
printf -- '-s -w'
printf -- ' -X %s' \
  "$pkg.buildVersion=$version" \
  "$pkg.buildGitRevision=$revision" \
  "$pkg.buildStatus=$status" \
  "$pkg.buildTag=$describe" \
  "$pkg.buildHub=${HUB:-unknown}" \
  "$pkg.buildOS=$("${GO:-go}" env GOOS)" \
  "$pkg.buildArch=$("${GO:-go}" env GOARCH)"
