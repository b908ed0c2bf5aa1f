#!/usr/bin/env bash
# All checks of a change, in the order in which they are likely to fail. What a developer runs
# before handing a change in, and what .ci/run runs after it has installed what is missing.
#
# usage: check.sh [STEP]…   all steps by default: format tests failpoints end-to-end lints docs deny
# env:   CI_BUDGET_S        the whole run should take less; only a warning (2400)
#        DENY=1             install cargo-deny when it is missing (costs minutes)
#
# Every step runs even when one before it failed; the exit status is 0 only if all passed.
# Two sets of artefacts are built: tests and the end-to-end run share the first (their binaries are
# the same files), lints and documentation share the second, because `cargo check` and `cargo build`
# cannot use each other's.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

budget_s=${CI_BUDGET_S:-2400}
export CARGO_TERM_PROGRESS_WHEN=never
# A fresh clone is built once: what incremental builds write is only time and disk. A developer's
# artefacts would have to be built anew with it off.
[ "${CI:-false}" = false ] || export CARGO_INCREMENTAL=0
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

have() { # COMMAND…: all of them are installed
  local tool
  for tool in "$@"; do command -v "$tool" >/dev/null || return 1; done
}

headline() { printf '\n=== %s\n' "$*"; }
# What was not checked is said where it cannot be overlooked, and again at the end.
skipped=()
skip() {
  skipped+=("$*")
  printf '!!! SKIPPED: %s\n' "$*"
}

check_format() { cargo fmt --all --check; }

check_tests() {
  cargo test --workspace --locked --no-fail-fast --quiet 2>&1 | tee "$logs/tests"
}

# The whole workspace is named so that dependencies keep the features of the step before, and only
# the crate with the fail points is built again.
check_failpoints() {
  cargo test --workspace --locked --quiet --features kedge-storage/failpoints \
    --test failpoints 2>&1 | tee "$logs/failpoints"
}

check_end_to_end() { .ci/e2e.sh; }

check_lints() {
  cargo clippy --workspace --all-targets --locked --quiet --keep-going -- -D warnings
  if have shellcheck; then
    shellcheck -x -P SCRIPTDIR .ci/run .ci/*.sh benchmarks/*.sh benchmarks/images/*.sh
  fi
}

check_docs() { RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet --keep-going; }

check_deny() {
  cargo deny --workspace --locked --log-level error check bans licenses sources
  if timeout 120 cargo deny fetch db >"$logs/deny-fetch" 2>&1; then
    cargo deny --workspace --locked --log-level error check advisories
  else
    touch "$logs/no-advisories"
  fi
}

failed=()
durations=()
# A step runs in a shell of its own, so that a failing command ends the step and not the run.
step() { # NAME FUNCTION
  local started=$SECONDS status=0
  headline "$1"
  set +e
  (
    set -e
    "$2"
  )
  status=$?
  set -e
  local result=ok
  if [ "$status" -ne 0 ]; then
    result=FAILED
    failed+=("$1")
  fi
  durations+=("$(printf '%-12s %5d s  %s' "$1" $((SECONDS - started)) "$result")")
  echo "--- $1: $result after $((SECONDS - started)) s"
}

run_step() { # NAME
  case $1 in
    format) step format check_format ;;
    tests) step tests check_tests ;;
    failpoints) step failpoints check_failpoints ;;
    end-to-end)
      if have docker-registry skopeo jq curl htpasswd; then
        step end-to-end check_end_to_end
      else
        skip "end-to-end: needs docker-registry skopeo jq curl apache2-utils (.ci/run installs them)"
      fi
      ;;
    lints)
      have shellcheck || skip "lints of shell scripts: shellcheck is not installed"
      step lints check_lints
      ;;
    docs) step docs check_docs ;;
    deny)
      if ! cargo deny --version >/dev/null 2>&1 && [ "${DENY:-0}" = 1 ]; then
        headline "installing cargo-deny"
        cargo install cargo-deny --locked --quiet
      fi
      if cargo deny --version >/dev/null 2>&1; then
        step deny check_deny
        if [ -e "$logs/no-advisories" ]; then
          skip "advisories of dependencies: the RustSec database cannot be fetched from here"
        fi
      else
        skip "licences, bans and advisories of dependencies: cargo-deny is not installed (DENY=1)"
      fi
      ;;
    *)
      echo "check.sh: no step $1" >&2
      exit 64
      ;;
  esac
}

# Sums the closing lines of the test binaries.
count_tests() {
  cat "$logs/tests" "$logs/failpoints" 2>/dev/null | awk '
    /^test result:/ { for (i = 1; i <= NF; i++) {
      if ($i ~ /^passed/) passed += $(i - 1)
      if ($i ~ /^failed/) failed += $(i - 1)
      if ($i ~ /^ignored/) ignored += $(i - 1) } }
    END { printf "tests: %d passed, %d failed, %d skipped\n", passed, failed, ignored }'
}

steps=("$@")
[ $# -gt 0 ] || steps=(format tests failpoints end-to-end lints docs deny)
for name in "${steps[@]}"; do run_step "$name"; done

headline "summary ($SECONDS s of $budget_s s)"
printf '%s\n' "${durations[@]}"
for what in "${skipped[@]}"; do echo "!!! SKIPPED: $what"; done
[ "$SECONDS" -le "$budget_s" ] || echo "!!! over the budget of $budget_s s: make something faster"
if [ -e "$logs/tests" ]; then count_tests; fi
if [ ${#failed[@]} -gt 0 ]; then
  echo "FAILED: ${failed[*]}"
  exit 1
fi
echo "all checks passed"
