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

# Checks the shell scripts: their syntax with bash, and the rest with shellcheck where it is installed.

set -euo pipefail
cd "$(dirname "$0")/.."

mapfile -t scripts < <(git grep -l --untracked -I -E '^#!.*\bbash$' -- . ':!*.md')
for script in "${scripts[@]}"; do
  bash -n "$script"
done
if ! command -v shellcheck >/dev/null; then
  echo "shellcheck is not installed: only the syntax of ${#scripts[@]} scripts was checked"
  exit 0
fi
shellcheck "${scripts[@]}"
