#!/usr/bin/env bash
# A registry of Debian's docker-registry on loopback, for demonstrations and tests.
#
# usage: registry.sh start PORT DIR            serve on 127.0.0.1:PORT, state in DIR; waits until up
#        registry.sh push PORT LAYOUT NAME:TAG copy an OCI layout into it
#        registry.sh stop PORT DIR             end the one that `start` started
# env:   KEDGE_REGISTRY_USER, KEDGE_REGISTRY_PASSWORD: when both are set, basic authentication is
#        asked for (needs python3 with bcrypt, or htpasswd of apache2-utils).
set -euo pipefail

die() { echo "registry.sh: $*" >&2; exit 1; }
usage() { die "usage: registry.sh start|stop PORT DIR | push PORT LAYOUT NAME:TAG"; }

user=${KEDGE_REGISTRY_USER:-}
password=${KEDGE_REGISTRY_PASSWORD:-}

# Prints one htpasswd line; docker-registry knows bcrypt only.
credentials() {
  if command -v htpasswd >/dev/null; then
    htpasswd -nbB -C 4 "$user" "$password"
  else
    KEDGE_REGISTRY_USER=$user KEDGE_REGISTRY_PASSWORD=$password python3 -c '
import os, bcrypt
hashed = bcrypt.hashpw(os.environ["KEDGE_REGISTRY_PASSWORD"].encode(), bcrypt.gensalt(4))
print(os.environ["KEDGE_REGISTRY_USER"] + ":" + hashed.decode())' ||
      die "basic authentication needs htpasswd (apache2-utils) or python3 with bcrypt"
  fi
}

configure() { # PORT DIR
  cat <<YAML
version: 0.1
log:
  level: warn
  accesslog: {disabled: true}
storage:
  filesystem: {rootdirectory: $2/data}
  delete: {enabled: true}
http:
  addr: 127.0.0.1:$1
YAML
  if [ -n "$user" ] && [ -n "$password" ]; then
    credentials >"$2/htpasswd"
    printf 'auth:\n  htpasswd: {realm: kedge, path: %s}\n' "$2/htpasswd"
  fi
}

answers() { # PORT: true when something speaks HTTP there, with or without authentication
  curl --silent --output /dev/null --max-time 2 "http://127.0.0.1:$1/v2/"
}

start() {
  local port=$1 folder
  command -v docker-registry >/dev/null || die "docker-registry is not installed"
  command -v curl >/dev/null || die "curl is not installed"
  mkdir -p "$2/data"
  folder=$(cd "$2" && pwd)
  if answers "$port"; then die "port $port is in use"; fi
  configure "$port" "$folder" >"$folder/config.yml"
  nohup docker-registry serve "$folder/config.yml" </dev/null >"$folder/log" 2>&1 &
  echo $! >"$folder/pid"
  for _ in $(seq 100); do
    if answers "$port"; then return; fi
    kill -0 "$(cat "$folder/pid")" 2>/dev/null || break
    sleep 0.1
  done
  tail -n 20 "$folder/log" >&2
  die "docker-registry did not come up on port $port"
}

stop() {
  local folder=$2 pid
  [ -e "$folder/pid" ] || die "no registry was started in $folder"
  pid=$(cat "$folder/pid")
  rm "$folder/pid"
  # The number may have been given to another process since: end only a registry of this folder.
  if grep -qzF "$folder/config.yml" "/proc/$pid/cmdline" 2>/dev/null; then kill "$pid"; fi
}

push() {
  command -v skopeo >/dev/null || die "skopeo is not installed"
  local to=()
  if [ -n "$user" ] && [ -n "$password" ]; then to=(--dest-creds "$user:$password"); fi
  skopeo --insecure-policy copy --quiet --dest-tls-verify=false "${to[@]}" \
    "oci:$2:latest" "docker://127.0.0.1:$1/$3"
}

[ $# -ge 1 ] || usage
verb=$1
shift
case $verb in
  start) [ $# -eq 2 ] || usage; start "$1" "$2" ;;
  stop) [ $# -eq 2 ] || usage; stop "$1" "$(cd "$2" && pwd)" ;;
  push) [ $# -eq 3 ] || usage; push "$1" "$2" "$3" ;;
  *) usage ;;
esac
