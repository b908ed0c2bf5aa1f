#!/usr/bin/env bash
# End to end on this machine: a node, a registry that asks for a password, a tiny image, a small
# feed mirror (e2e/feeds), and the commands of the README. What is checked is what a user would see.
#
# env:   KEDGE, KEDGECTL, MKIMAGE   binaries to use; by default those of target/debug, built when
#                                   they are missing
# needs: docker-registry, skopeo, jq, curl, htpasswd (apache2-utils)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=../benchmarks/lib.sh
source benchmarks/lib.sh
need cargo docker-registry skopeo jq curl htpasswd

# The tests of the workspace build the same binaries with the same features: nothing is built again.
debug=$(target_dir)/debug
KEDGE=${KEDGE:-$debug/kedge}
KEDGECTL=${KEDGECTL:-$debug/kedgectl}
MKIMAGE=${MKIMAGE:-$debug/mkimage}
if [ ! -x "$KEDGE" ] || [ ! -x "$KEDGECTL" ] || [ ! -x "$MKIMAGE" ]; then
  cargo build --workspace --bins --locked --quiet
fi

work=$(mktemp -d)
port=$(free_port)
node_pid=
cleanup() {
  local status=$?
  [ -z "$node_pid" ] || stop_process "$node_pid" KILL
  [ ! -e "$work/registry/pid" ] || benchmarks/images/registry.sh stop "$port" "$work/registry"
  if [ "$status" -ne 0 ]; then
    echo "--- the node's log, last lines"
    tail -n 30 "$work"/node*.log 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap cleanup EXIT

# A word that must never be seen again once it is stored.
canary=Canary-$RANDOM$RANDOM-$RANDOM$RANDOM
export KEDGE_ADMIN_PASSWORD=Admin-$RANDOM$RANDOM-$RANDOM$RANDOM
export KEDGE_FEEDS_MIRROR=$PWD/.ci/e2e/feeds
export XDG_CONFIG_HOME=$work/config XDG_CACHE_HOME=$work/cache KEDGE_PROGRESS=plain NO_COLOR=1
reference=127.0.0.1:$port/team/app:1

passed=0
# run NAME EXIT_CODE COMMAND…: the command must end with that code; its output is kept in $out.
out=$work/out
run() {
  local name=$1 wanted=$2 status=0
  shift 2
  "$@" >"$out" 2>"$work/err" || status=$?
  if [ "$status" -ne "$wanted" ]; then
    cat "$out" "$work/err" >&2
    die "$name: exit code $status, wanted $wanted: $*"
  fi
  passed=$((passed + 1))
  echo "ok: $name"
}

# says TEXT…: the last output has each of the texts.
says() {
  local text
  for text in "$@"; do
    if ! grep -qF -- "$text" "$out" "$work/err"; then
      cat "$out" "$work/err" >&2
      die "the output lacks: $text"
    fi
  done
}

says_not() { # TEXT
  if grep -qF -- "$1" "$out" "$work/err"; then
    cat "$out" "$work/err" >&2
    die "the output has: $1"
  fi
}

wait_for_feeds() {
  for _ in $(seq 300); do
    if api GET "/v2/events?event_type=system.feeds.sync.completed" |
      jq -e '.results | length > 0' >/dev/null; then return; fi
    sleep 0.2
  done
  die "no feed was synchronised within a minute"
}

export KEDGE_REGISTRY_USER=puller KEDGE_REGISTRY_PASSWORD=$canary
"$MKIMAGE" "$work/image" --layer .ci/e2e/root --cmd /bin/sh --expose 22/tcp >/dev/null
benchmarks/images/registry.sh start "$port" "$work/registry"
benchmarks/images/registry.sh push "$port" "$work/image" team/app:1
unset KEDGE_REGISTRY_USER KEDGE_REGISTRY_PASSWORD

start_node "$KEDGE" "$work/data" "$work/node.log"
wait_for_feeds

# The README's five commands.
run "login" 0 "$KEDGECTL" login "$node_url" --username admin --password-stdin \
  <<<"$KEDGE_ADMIN_PASSWORD"
run "registry add" 0 "$KEDGECTL" registry add "127.0.0.1:$port" --username puller \
  --password-stdin --secure-connection=false <<<"$canary"
says "127.0.0.1:$port"
run "image add" 0 "$KEDGECTL" image add "$reference" --wait
run "image vuln" 0 "$KEDGECTL" image vuln "$reference"
says libkedge-demo1 CVE-2026-990001 2.3-1+deb12u2 kedge-demo-web 990003 1.5.0
says_not CVE-2026-990002
says_not kedge-demo-data
run "image check" 0 "$KEDGECTL" image check "$reference" --detail
says "evaluation fail" CVE-2026-990001
run "image check as a gate" 2 "$KEDGECTL" image check "$reference" --gate

# The same image without a server gives the same document.
run "image sbom" 0 "$KEDGECTL" image sbom "$reference" -o "kedge-json=$work/node-sbom.json"
export KEDGE_REGISTRY_AUTH_USERNAME=puller KEDGE_REGISTRY_AUTH_PASSWORD=$canary
run "sbom generate" 0 "$KEDGECTL" sbom generate "registry:$reference" \
  -o "kedge-json=$work/local-sbom.json"
unset KEDGE_REGISTRY_AUTH_USERNAME KEDGE_REGISTRY_AUTH_PASSWORD
cmp "$work/node-sbom.json" "$work/local-sbom.json" || die "node and local SBOM differ"

# What goes wrong says so, with the documented exit codes.
run "an unknown image" 3 "$KEDGECTL" image get "127.0.0.1:$port/team/none:1"
run "a wrong password" 4 env KEDGE_URL="$node_url" KEDGE_USERNAME=admin KEDGE_PASSWORD=wrong-one \
  "$KEDGECTL" image list
run "a wrong flag" 64 "$KEDGECTL" image list --no-such-flag
run "a registry that is not there" 1 "$KEDGECTL" registry add "127.0.0.1:$(free_port)" \
  --secure-connection=false
says "cannot be reached"
run "a node that is not there" 6 "$KEDGECTL" image list --url "http://127.0.0.1:$(free_port)"

# SIGTERM ends the node cleanly, and what was acknowledged is there afterwards.
kill -TERM "$node_pid"
wait "$node_pid" || die "the node ended with status $? on SIGTERM"
start_node "$KEDGE" "$work/data" "$work/node-again.log"
export KEDGE_URL=$node_url KEDGE_USERNAME=admin KEDGE_PASSWORD=$KEDGE_ADMIN_PASSWORD
run "the image after a restart" 0 "$KEDGECTL" image get "$reference"
run "a second node on the same folder" 1 "$KEDGE" up --data-dir "$work/data" --listen 127.0.0.1:0

# Plain or in base64, as it would stand in an authorization header.
for secret in "$canary" "$KEDGE_ADMIN_PASSWORD" "$(printf 'puller:%s' "$canary" | base64 -w0)"; do
  if grep -rqF -- "$secret" "$work/data" "$work"/node*.log; then
    die "a password stands in the data folder or the log"
  fi
done
stop_process "$node_pid" TERM
node_pid=
echo "end to end: $passed commands as expected"
