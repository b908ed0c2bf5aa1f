#!/usr/bin/env bash
# Builds the two demonstration images as OCI layouts: `debian-minbase` (one layer) and `app` (five
# layers: the same base, Python and its file list, pip packages, npm packages, an upgrade that
# removes files again). Some packages are old on purpose, so that there are vulnerabilities to find.
#
# usage: build.sh OUT_DIR
# needs: root, and Debian's debootstrap and gzip; python3 with pip; npm; cargo. The network is used
#        only by debootstrap, pip and npm, each with its own configuration.
# makes: OUT_DIR/oci/{debian-minbase,app}, and OUT_DIR/roots with the unpacked folders. Each step
#        leaves OUT_DIR/done/STEP behind and is skipped next time; remove that file to repeat it.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
suite=bookworm

die() { echo "build.sh: $*" >&2; exit 1; }

[ $# -eq 1 ] || die "usage: build.sh OUT_DIR"
[ "$(id -u)" -eq 0 ] || die "debootstrap needs root"
for tool in debootstrap npm python3 cargo; do
  command -v "$tool" >/dev/null || die "$tool is not installed"
done
python3 -m pip --version >/dev/null || die "python3 has no pip"

mkdir -p "$1"
out=$(cd "$1" && pwd)
roots=$out/roots
mkdir -p "$roots" "$out/debs" "$out/oci" "$out/done"

# step NAME COMMAND…: runs the command once; its output goes to a log, shown only when it fails.
step() {
  local name=$1 started=$SECONDS
  shift
  if [ -e "$out/done/$name" ]; then echo "$name: already done"; return; fi
  if ! "$@" >"$out/$name.log" 2>&1; then
    tail -n 30 "$out/$name.log" >&2
    die "step $name failed; its whole log is $out/$name.log"
  fi
  touch "$out/done/$name"
  echo "$name: $((SECONDS - started)) s"
}

bootstrap() { # ROOT [EXTRA_PACKAGES]
  rm -rf "$1"
  debootstrap --variant=minbase --cache-dir="$out/debs" ${2:+--include="$2"} "$suite" "$1"
  # What debootstrap leaves behind is no part of an image.
  rm -rf "$1"/var/cache/apt/archives/*.deb "$1"/var/lib/apt/lists/* "$1"/var/log/bootstrap.log
  find "$1/dev" -mindepth 1 -delete
}

pip_layer() { # a folder that holds only what pip installed, where Debian's Python looks for it
  rm -rf "$roots/pip"
  local site=$roots/pip/usr/local/lib/python3.11/dist-packages
  mkdir -p "$site"
  # A wheel made for the image's Python, whatever Python runs this script; nothing is compiled.
  python3 -m pip install --quiet --no-compile --only-binary=:all: --python-version 3.11 \
    --implementation cp --target "$site" --requirement "$here/requirements.txt"
}

npm_layer() {
  rm -rf "$roots/npm"
  mkdir -p "$roots/npm/srv/app"
  cp "$here/package.json" "$roots/npm/srv/app/package.json"
  # Install scripts of strangers are not run: the files alone are what is wanted.
  (cd "$roots/npm/srv/app" && npm install --ignore-scripts --no-audit --no-fund --loglevel=error)
}

upgrade_layer() { # the pip folder with one package replaced by a newer one
  rm -rf "$roots/pip-upgraded"
  cp -a "$roots/pip" "$roots/pip-upgraded"
  local site=$roots/pip-upgraded/usr/local/lib/python3.11/dist-packages
  rm -rf "$site"/jinja2 "$site"/[Jj]inja2-*.dist-info
  python3 -m pip install --quiet --no-compile --no-deps --only-binary=:all: \
    --python-version 3.11 --implementation cp --target "$site" "Jinja2==3.1.6"
}

image() { # NAME MKIMAGE_OPTIONS…
  local folder=$out/oci/$1
  shift
  rm -rf "$folder"
  "$mkimage" "$folder" "$@"
}

count() { # WHAT MINIMUM FIND_ARGUMENTS…
  local what=$1 minimum=$2 found
  shift 2
  found=$(find "$@" | wc -l)
  [ "$found" -ge "$minimum" ] || die "only $found $what, at least $minimum wanted"
  echo "$what: $found"
}

step base bootstrap "$roots/minbase"
step python bootstrap "$roots/python" python3,ca-certificates
step pip pip_layer
step npm npm_layer
step upgrade upgrade_layer

count "pip packages" 50 "$roots/pip" -name '*.dist-info' -type d
count "npm packages" 200 "$roots/npm/srv/app/node_modules" -name package.json \
  -regex '.*/node_modules/\(@[^/]*/\)?[^/]*/package.json'

cargo build --quiet --locked --manifest-path "$here/../Cargo.toml" --bin mkimage
target=$(cargo metadata --no-deps --format-version 1 --manifest-path "$here/../Cargo.toml" |
  python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
mkimage=$target/debug/mkimage

step image-minbase image debian-minbase --layer "$roots/minbase" --cmd /bin/bash
step image-app image app \
  --layer "$roots/minbase" \
  --diff "$roots/minbase" "$roots/python" \
  --layer "$roots/pip" \
  --layer "$roots/npm" \
  --diff "$roots/pip" "$roots/pip-upgraded" \
  --env PATH=/usr/local/bin:/usr/bin:/bin --expose 8080/tcp --user root --cmd /usr/bin/python3
echo "images: $out/oci/debian-minbase $out/oci/app"
