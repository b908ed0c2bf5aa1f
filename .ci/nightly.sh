#!/usr/bin/env bash
# What takes too long for every change: many more generated cases, many kills, the benchmarks, and
# dependencies against today's advisories. Every part runs, whatever the others did.
#
# usage: nightly.sh [CORPUS_DIR]   where the demonstration images are or will be built; a temporary
#                                  folder by default, and then they are built anew (root, network)
# env:   CASES=20000               generated cases for each property
#        ROUNDS=200                kills in the middle of an analysis
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

corpus=${1:-}
if [ -z "$corpus" ]; then
  corpus=$(mktemp -d)
  trap 'rm -rf "$corpus"' EXIT
fi

failed=()
part() { # NAME COMMAND…
  local name=$1 started=$SECONDS status=0
  shift
  printf '\n=== %s: %s\n' "$name" "$*"
  "$@" || status=$?
  [ "$status" -eq 0 ] || failed+=("$name")
  echo "--- $name: status $status after $((SECONDS - started)) s"
}

# Optimised, so that the cases fit into a night; overflow checks stay on.
part properties env PROPTEST_CASES="${CASES:-20000}" CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS=true \
  CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=true cargo test --workspace --release --locked --quiet
part failpoints cargo test --workspace --release --locked --quiet \
  --features kedge-storage/failpoints --test failpoints
part dependencies env DENY=1 .ci/check.sh deny
part images benchmarks/images/build.sh "$corpus"
part kill benchmarks/kill.sh "$corpus/oci/app" "${ROUNDS:-200}"
part sbom benchmarks/sbom.sh "$corpus" 10

if [ ${#failed[@]} -gt 0 ]; then
  echo "FAILED: ${failed[*]}"
  exit 1
fi
echo "all parts passed"
