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

# Runs every native fuzz target of the module for a while: tools/fuzz.sh [FUZZTIME]. One target runs at a time, as go
# test demands; the first one that fails ends the run after all others had their turn.

set -euo pipefail
cd "$(dirname "$0")/.."

go="${GO:-go}"
fuzztime="${1:-30s}"
count=0
failed=()
binaries=$(mktemp -d)
trap 'rm -rf "$binaries"' EXIT

# Only packages that declare a target are asked: listing means linking a test binary.
mapfile -t dirs < <(git grep -l --untracked -E '^func Fuzz[A-Z]' -- '*_test.go' | xargs -r -n1 dirname | sort -u)
for dir in "${dirs[@]}"; do
  if ! listed=$("$go" test -run '^$' -list '^Fuzz' "./$dir"); then
    echo "$listed" >&2
    failed+=("$dir (does not build)")
    continue
  fi
  mapfile -t targets < <(grep '^Fuzz' <<<"$listed")
  # go test -fuzz compiles every dependency anew for coverage guidance. Where that means Istio's API and more, minutes of it, the
  # targets make their own sense of random seeds and run unguided, in the test binary that is in the build cache anyway.
  run=("$go" test "./$dir" -run '^$')
  flag=-
  if grep -q '^istio.io/istio/pkg/config/schema/collections$' <<<"$("$go" list -test -deps "./$dir")"; then
    "$go" test -c -o "$binaries/fuzz.test" "./$dir"
    run=("$binaries/fuzz.test" -test.run '^$' -test.fuzzcachedir "$binaries/cache")
    flag=-test.
  fi
  for target in "${targets[@]}"; do
    count=$((count + 1))
    echo "== fuzz $target in ./$dir for $fuzztime"
    log="$binaries/$target.log"
    if ! (if [[ $flag == -test. ]]; then cd "$dir"; fi; "${run[@]}" "${flag}fuzz" "^$target\$" "${flag}fuzztime" "$fuzztime") 2>&1 | tee "$log"; then
      # Go before 1.27 now and then reports the end of fuzztime itself as a failure (go.dev/issue/75804): nothing but this
      # message, and no input. A target that fails, panics or hangs names the input it did so with.
      if grep -qx '    context deadline exceeded' "$log" && ! grep -qiE 'failing input|panic|_test\.go:|hung|terminated' "$log"; then
        echo "== $target found nothing: time was up (go.dev/issue/75804)"
      else
        failed+=("$dir $target")
      fi
    fi
  done
done

echo "== $count fuzz targets, ${#failed[@]} failures"
if ((${#failed[@]})); then
  printf 'failed: %s\n' "${failed[@]}" >&2
  exit 1
fi
