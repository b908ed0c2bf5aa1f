#!/usr/bin/env bash
# Ends a node with kill -9 at a random moment of an analysis, again and again, and checks after each
# restart that the analysis finishes once, that nothing acknowledged is missing, and that the data
# folder does not grow without bound.
#
# usage: kill.sh LAYOUT_DIR [ROUNDS]   LAYOUT_DIR is an OCI layout (images/build.sh); 20 rounds
# env:   KEDGE=PATH                    use this binary instead of building a release one
#        KEDGE_FEEDS_MIRROR=DIR        feed mirror folder for the node; an empty one by default
#        GROWTH_MIB_MAX                largest growth of the data folder over all rounds (64)
#        SEED                          seed of the random moments; printed, so that a run can be
#                                      repeated as far as timing allows
# needs: cargo, curl, docker-registry, jq, skopeo
# makes: results/DATE-kill.md, when everything held
# exit:  0 only if every check held and at least half of the kills hit a running analysis.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if [ $# -lt 1 ] || [ $# -gt 2 ]; then die "usage: kill.sh LAYOUT_DIR [ROUNDS]"; fi
layout=$(cd "$1" && pwd)
rounds=${2:-20}
growth_mib_max=${GROWTH_MIB_MAX:-64}
seed=${SEED:-$RANDOM}
RANDOM=$seed
# A lease of a dead worker runs out after 15 s, a retry waits a little more, then the analysis runs.
finish_patience_s=180
need cargo curl docker-registry jq skopeo

if [ -z "${KEDGE:-}" ]; then
  cargo build --quiet --release --locked --manifest-path "$repo/Cargo.toml" --package kedge
  KEDGE=$(target_dir)/release/kedge
fi

work=$(mktemp -d)
data=$work/data
port=$(free_port)
node_pid=
cleanup() {
  local status=$?
  [ -z "$node_pid" ] || stop_process "$node_pid" KILL
  [ ! -e "$work/registry/pid" ] || "$benchmarks/images/registry.sh" stop "$port" "$work/registry"
  if [ "$status" -eq 0 ]; then rm -rf "$work"; else echo "kept for a look: $work" >&2; fi
}
trap cleanup EXIT

export KEDGE_ADMIN_PASSWORD="kill-$RANDOM-$RANDOM-$RANDOM"
mkdir -p "$work/feeds"
export KEDGE_FEEDS_MIRROR=${KEDGE_FEEDS_MIRROR:-$work/feeds}
reference=127.0.0.1:$port/kill/image:1

up() { # a cold start: cached layer results would make the analysis too short to be hit
  rm -rf "$data/cache"
  start_node "$KEDGE" "$data" "$work/node-$1.log"
}

add_image() { # FORCE: prints the image's digest
  api POST "/v2/images?force=$1" \
    "$(jq -n --arg it "$reference" '{source: {tag: {pull_string: $it}}}')" | jq -er .image_digest
}

jobs_of() { api GET "/kedge/v1/jobs?kind=analyze&subject=$1&limit=1000"; }

# Waits until the newest analysis of the image is over; prints the job.
finished() { # DIGEST
  local job state deadline=$((SECONDS + finish_patience_s))
  while [ $SECONDS -lt $deadline ]; do
    job=$(jobs_of "$1" | jq -c '.jobs | max_by(.created_at)') || return 1
    state=$(jq -r .state <<<"$job")
    case $state in
      done) echo "$job"; return ;;
      parked | cancelled) echo "the analysis is $state: $job" >&2; return 1 ;;
    esac
    sleep 0.2
  done
  echo "the analysis is not over after $finish_patience_s s: $job" >&2
  return 1
}

completed_count() { # DIGEST
  api GET "/v2/events?event_type=user.image.analysis.completed&resource_id=$1&limit=1000" |
    jq '.results | length'
}

sbom_hash() { # DIGEST: of the packages, whatever the time of the document
  api GET "/v2/images/$1/sboms/native-json" |
    jq -S '[.. | objects | select(has("purl")) | .purl] | sort' | sha256sum | cut -d' ' -f1
}

say() { tee -a "$work/report"; }

size_kib() { du -sk "$data" | cut -f1; }

expect() { # WHAT WANTED FOUND
  [ "$2" = "$3" ] || die "round $round: $1: wanted $2, found $3 (node log: $work/node-$round.log)"
}

check_acknowledged() {
  local name stored
  stored=$(api GET /v2/registries | jq -r '.[].registry') || die "round $round: no registries"
  for name in "${acknowledged[@]}"; do
    grep -qxF "$name" <<<"$stored" || die "round $round: the acknowledged registry $name is missing"
  done
  expect "images" 1 "$(api GET /v2/images | jq '.items | length')"
  expect "analysis status" analyzed "$(api GET "/v2/images/$digest" | jq -r .analysis_status)"
  expect "analysis jobs" "$analyses" "$(jobs_of "$digest" | jq '.jobs | length')"
  expect "analysis jobs not done" 0 \
    "$(jobs_of "$digest" | jq '[.jobs[] | select(.state != "done")] | length')"
  expect "completed analyses" "$analyses" "$(completed_count "$digest")"
  expect "packages of the SBOM" "$packages" "$(sbom_hash "$digest")"
}

"$benchmarks/images/registry.sh" start "$port" "$work/registry"
"$benchmarks/images/registry.sh" push "$port" "$layout" kill/image:1

round=0
acknowledged=("127.0.0.1:$port")
up 0
api POST /v2/registries "$(jq -n --arg it "127.0.0.1:$port" \
  '{registry: $it, registry_type: "docker_v2", registry_verify: false}')" >/dev/null
digest=$(add_image false)
analyses=1
finished "$digest" >/dev/null
packages=$(sbom_hash "$digest")
[ "$(api GET "/v2/images/$digest/sboms/native-json" | jq '[.. | .purl? // empty] | length')" -gt 0 ] ||
  die "the SBOM holds no package, so comparing it would prove nothing"
check_acknowledged
stop_process "$node_pid" TERM

# How long is an analysis as the rounds will see it: after a restart, with nothing cached? The
# shortest of three, because another load on the machine only makes it longer.
analysis_s=
for calibration in 1 2 3; do
  up "calibration-$calibration"
  started=$(now)
  expect "digest" "$digest" "$(add_image true)"
  analyses=$((analyses + 1))
  finished "$digest" >/dev/null
  took=$(calc "$(now) - $started")
  [ -n "$analysis_s" ] && [ "$(calc "$analysis_s <= $took")" = 1.000 ] || analysis_s=$took
  check_acknowledged
  stop_process "$node_pid" TERM
done
echo "seed $seed; an undisturbed analysis takes $analysis_s s; $(uname -m), $(nproc) cores" | say
up restarted

first_kib=0 hits=0
for round in $(seq "$rounds"); do
  registry=round-$round.example.com
  api POST "/v2/registries?validate=false" "$(jq -n --arg it "$registry" \
    '{registry: $it, registry_type: "docker_v2", registry_user: "u", registry_pass: "p-secret"}')" \
    >/dev/null
  acknowledged+=("$registry")
  # What the last round's analysis left in the cache would make this one too short to be hit; the
  # cache may go at any time.
  rm -rf "$data"/cache/[0-9a-f][0-9a-f]
  expect "digest" "$digest" "$(add_image true)"
  analyses=$((analyses + 1))
  # Not the last fifth: the time varies, and a kill after the end proves nothing.
  moment=$(calc "$analysis_s * 0.8 * $RANDOM / 32768")
  sleep "$moment"
  stop_process "$node_pid" KILL
  killed=$(now)
  up "$round"
  job=$(finished "$digest") || die "round $round: see $work/node-$round.log"
  recovered_s=$(calc "$(now) - $killed")
  attempts=$(jq .attempts <<<"$job")
  [ "$attempts" -le 1 ] || hits=$((hits + 1))
  check_acknowledged
  kib=$(size_kib)
  [ "$first_kib" -ne 0 ] || first_kib=$kib
  printf 'round %2d: killed after %6.3f s, attempts %d, done %6.1f s after the kill, data %6d KiB (log %d, state %d, blobs %d)\n' \
    "$round" "$moment" "$attempts" "$recovered_s" "$kib" \
    "$(du -sk "$data/log" | cut -f1)" "$(du -sk "$data/state" | cut -f1)" \
    "$(du -sk "$data/blobs" | cut -f1)" | say
  growth_mib=$(((kib - first_kib) / 1024))
  [ "$growth_mib" -le "$growth_mib_max" ] ||
    die "the data folder grew by $growth_mib MiB since round 1, at most $growth_mib_max allowed"
done
stop_process "$node_pid" TERM
node_pid=
[ $((hits * 2)) -ge "$rounds" ] ||
  die "only $hits of $rounds kills hit a running analysis: that proves too little"
echo "$rounds kills, $hits of them during the analysis; every analysis done once, nothing missing" | say
mkdir -p "$benchmarks/results"
{
  echo "# kill -9 at a random moment of an analysis"
  echo
  echo "Made by \`benchmarks/kill.sh\` on the image \`$(basename "$layout")\`, $("$KEDGE" --version)."
  echo "\"attempts 2\" means that the kill hit the running analysis, \"attempts 1\" that it came before"
  echo "or after. A node takes its own interrupted jobs back when it starts."
  echo
  echo '```text'
  cat "$work/report"
  echo '```'
} >"$benchmarks/results/$(date -u +%F)-kill.md"
