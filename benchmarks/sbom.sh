#!/usr/bin/env bash
# Measures `kedgectl sbom generate` on an image in a registry on loopback against the floor: the
# same layers inflated and hashed once, and nothing else (src/bin/floor.rs).
#
# usage: sbom.sh CORPUS_DIR [RUNS]     CORPUS_DIR is what images/build.sh made; 5 runs by default
# env:   KEDGECTL=PATH                 measure this binary instead of building a release one
#        KEDGECTL_ARGS='…'             more arguments for `sbom generate`
# needs: cargo, curl, docker-registry, jq, skopeo, GNU time
# makes: results/DATE-sbom.md. Every run is a new process with an empty cache; the two programs take
#        turns, so that a machine whose speed drifts is unfair to neither.
# The $ in single quotes below are awk's.
# shellcheck disable=SC2016
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if [ $# -lt 1 ] || [ $# -gt 2 ]; then die "usage: sbom.sh CORPUS_DIR [RUNS]"; fi
corpus=$(cd "$1" && pwd)
runs=${2:-5}
[[ $runs =~ ^[1-9][0-9]*$ ]] || die "RUNS is a number from 1"
need cargo curl docker-registry jq skopeo /usr/bin/time
read -r -a more_arguments <<<"${KEDGECTL_ARGS:-}"

target=$(target_dir)
cargo build --quiet --release --locked --manifest-path "$repo/Cargo.toml" --package kedge-benchmarks
if [ -z "${KEDGECTL:-}" ]; then
  cargo build --quiet --release --locked --manifest-path "$repo/Cargo.toml" --package kedgectl
  KEDGECTL=$target/release/kedgectl
fi

work=$(mktemp -d)
port=$(free_port)
cleanup() {
  [ ! -e "$work/registry/pid" ] || "$benchmarks/images/registry.sh" stop "$port" "$work/registry"
  rm -rf "$work"
}
trap cleanup EXIT
"$benchmarks/images/registry.sh" start "$port" "$work/registry"

# measure FILE COMMAND…: appends "wall user sys peak_KiB" of one run to FILE.
measure() {
  local file=$1
  shift
  if ! /usr/bin/time -a -o "$file" -f '%e %U %S %M' "$@" >"$work/out" 2>"$work/err"; then
    tail -n 20 "$work/err" >&2
    die "failed: $*"
  fi
}

# column FILE EXPRESSION: median, smallest and largest of an expression over the runs.
column() {
  awk "{ print $2 }" "$1" | sort -n | awk '{ v[NR] = $1 } END {
    m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
    printf "%.2f (%.2f–%.2f)", m, v[1], v[NR] }'
}

row() { # LABEL FILE
  printf '| %s | %s | %s | %s |\n' "$1" "$(column "$2" '$1')" "$(column "$2" '$2 + $3')" \
    "$(column "$2" '$4 / 1024')"
}

ratio() { # LEFT RIGHT EXPRESSION
  paste -d' ' <(awk "{ print $3 }" "$1") <(awk "{ print $3 }" "$2") |
    awk '{ print ($2 > 0 ? $1 / $2 : 0) }' >"$work/ratio"
  column "$work/ratio" '$1'
}

result=$benchmarks/results/$(date -u +%F)-sbom.md
mkdir -p "$benchmarks/results"
{
  echo "# SBOM of an image from a registry on loopback, cold, against the floor"
  echo
  echo "$(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)," \
    "kernel $(uname -r), load before $(cut -d' ' -f1-3 /proc/loadavg)."
  echo "kedgectl $("$KEDGECTL" --version | awk '{ print $NF }'), $(rustc --version), $runs runs each," \
    "in turns; median (smallest–largest). Made by \`benchmarks/sbom.sh\`."
} >"$result"

for image in "$corpus"/oci/*/; do
  name=$(basename "$image")
  reference=127.0.0.1:$port/bench/$name:1
  "$benchmarks/images/registry.sh" push "$port" "${image%/}" "bench/$name:1"
  for run in $(seq "$runs"); do
    # The files were just read by the other program either way: both find them in memory.
    measure "$work/$name.floor" "$target/release/floor" "${image%/}"
    measure "$work/$name.kedgectl" env XDG_CACHE_HOME="$work/cache-$name-$run" \
      XDG_CONFIG_HOME="$work/config" "$KEDGECTL" sbom generate "registry:$reference" \
      "${more_arguments[@]}"
  done
  jq -e . "$work/out" >/dev/null || die "kedgectl printed no JSON for $name"
  {
    echo
    echo "## $name"
    echo
    echo "| | wall s | CPU s | peak RSS MiB |"
    echo "|---|---|---|---|"
    row "floor" "$work/$name.floor"
    row "kedgectl sbom generate" "$work/$name.kedgectl"
    printf '| ratio, run by run | %s | %s | %s |\n' \
      "$(ratio "$work/$name.kedgectl" "$work/$name.floor" '$1')" \
      "$(ratio "$work/$name.kedgectl" "$work/$name.floor" '$2 + $3')" \
      "$(ratio "$work/$name.kedgectl" "$work/$name.floor" '$4')"
    echo
    echo "$(jq '[.. | objects | select(has("purl"))] | length' "$work/out") packages with a purl" \
      "in $(stat -c %s "$work/out") bytes of SBOM; $("$target/release/floor" "${image%/}")."
  } >>"$result"
done
cat "$result"
