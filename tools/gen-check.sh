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

# Fails when `make gen` changes a file: what is generated was edited by hand, or its source changed without it. It
# compares the tree with itself, so that it also tells the truth in a tree that has changes of its own.

set -euo pipefail
cd "$(dirname "$0")/.."

snapshot() {
  git ls-files --cached --others --exclude-standard -z | sort -zu | xargs -0 sha256sum 2>/dev/null || true
}

before=$(snapshot)
"${MAKE:-make}" --no-print-directory gen
if ! diff <(echo "$before") <(snapshot) >&2; then
  echo 'generated files are stale: run "make gen" and commit what it changes' >&2
  exit 1
fi
echo 'generated files are up to date'
