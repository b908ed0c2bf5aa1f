# Shell functions that the benchmarks and the end-to-end test share; source it, do not run it.
# shellcheck shell=bash

benchmarks=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(dirname "$benchmarks")

die() { echo "${0##*/}: $*" >&2; exit 1; }

need() { # COMMAND…
  local tool
  for tool in "$@"; do
    command -v "$tool" >/dev/null || die "$tool is not installed"
  done
}

# Prints a loopback port that nobody listens on.
free_port() {
  local port
  for _ in $(seq 100); do
    port=$((20000 + RANDOM % 20000))
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then echo "$port"; return; fi
  done
  die "found no free port"
}

# Where cargo puts binaries.
target_dir() {
  cargo metadata --no-deps --format-version 1 --manifest-path "$repo/Cargo.toml" |
    jq -r .target_directory
}

# start_node BINARY DATA_DIR LOG_FILE: starts a node on a free port and waits until it says that it
# is ready. Sets node_pid and node_url. Give the password in KEDGE_ADMIN_PASSWORD.
start_node() {
  local binary=$1 data=$2 log=$3
  : >"$log"
  "$binary" up --data-dir "$data" --listen 127.0.0.1:0 </dev/null >>"$log" 2>&1 &
  node_pid=$!
  for _ in $(seq 600); do
    if grep -q '^ready$' "$log"; then
      # Read by the callers.
      # shellcheck disable=SC2034
      node_url=$(sed -n 's/^REST API *\(http:[^ ]*\)\/v2$/\1/p' "$log")
      return
    fi
    kill -0 "$node_pid" 2>/dev/null || break
    sleep 0.1
  done
  tail -n 40 "$log" >&2
  die "the node did not come up"
}

# stop_process PID SIGNAL: ends one process that this shell started, and reaps it.
stop_process() {
  kill -s "$2" "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}

# api METHOD PATH [BODY]: one request as the administrator; prints the body, fails on a status
# outside 2xx after printing what was answered.
api() {
  local answer status
  answer=$(curl --silent --show-error --max-time 60 --request "$1" \
    --user "admin:$KEDGE_ADMIN_PASSWORD" --header 'content-type: application/json' \
    ${3:+--data "$3"} --write-out '\n%{http_code}' "$node_url$2") || return 1
  status=${answer##*$'\n'}
  answer=${answer%$'\n'*}
  if [[ $status != 2* ]]; then
    echo "$1 $2 answered $status: $answer" >&2
    return 1
  fi
  printf '%s\n' "$answer"
}

# Seconds since the epoch, with fraction.
now() { printf '%s\n' "${EPOCHREALTIME/,/.}"; }

# calc EXPRESSION: arithmetic with fractions.
calc() { awk "BEGIN { printf \"%.3f\", $1 }"; }
