#!/usr/bin/env bash
# Brings what a checkout lacks: npm packages, the builds, and for "test" and "bench" the Debian
# packages whose programs take part. Does nothing that is done already.
#   setup.sh          packages and build
#   setup.sh test     and what the tests talk to
#   setup.sh bench    and the peers of the benchmark
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }

debian() {
  local missing=()
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing Debian packages: ${missing[*]}"
    apt-get update -qq >/dev/null 2>&1 || true
    # Servers are started by the tests with their own files; the packages' own services stay off.
    if DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null 2>&1; then return; fi
  fi
  say "not installed: ${missing[*]}. Tests that need them are skipped; install them with: sudo apt-get install --no-install-recommends ${missing[*]}"
}

if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  say "installing npm packages"
  npm ci --no-audit --no-fund >/dev/null
  touch node_modules/.package-lock.json
fi
if [ ! -e dist/cli/main.js ] || [ -n "$(find src tsconfig.json package.json -newer dist/cli/main.js -print -quit)" ]; then
  say "building"
  npm run --silent build:ts
  touch dist/cli/main.js
fi
addon=build/Release/scopeline.node
if [ ! -e $addon ] || [ -n "$(find native/engine native/addon binding.gyp -newer $addon -print -quit)" ]; then
  if command -v g++ >/dev/null && command -v make >/dev/null && command -v python3 >/dev/null; then
    say "building the native engine"
    if npm run --silent build:native >/dev/null 2>&1; then touch $addon; else
      say "the native engine was not built (npm run build:native tells why); the edge runs on its JavaScript engine"
    fi
  else
    say "no g++, make and python3 to build the native engine; the edge runs on its JavaScript engine"
  fi
fi
library=build/libscope.so
if [ ! -e $library ] || [ -n "$(find native/wire native/capture native/report native/libscope native/Makefile -type f -newer $library -print -quit)" ]; then
  debian gcc make libyaml-dev libpcre2-dev
  say "building the library"
  if ! make --silent -C native libscope >/dev/null 2>&1; then
    say "the library was not built (make -C native libscope tells why); scope run does not work"
  else touch $library; fi
fi
case "${1:-}" in
  test)
    debian jq socat netcat-openbsd zstd openssl curl nginx-light redis-server collectd-core \
      radosgw ceph-mon ceph-osd ceph-common
    make --silent -C native/capture tests >/dev/null 2>&1 ||
      say "the programs that test the library were not built (make -C native/capture tests tells why)"
    ;;
  bench)
    debian jq socat rsyslog libivykis0 libnet1 libpcre3 libjson-c5
    # Debian will not have two syslog daemons installed at once; this one is only unpacked.
    if [ ! -x .cache/syslog-ng/usr/sbin/syslog-ng ]; then
      mkdir -p .cache/syslog-ng
      (cd .cache && apt-get download -qq syslog-ng-core >/dev/null 2>&1 && dpkg -x syslog-ng-core_*.deb syslog-ng && rm syslog-ng-core_*.deb) ||
        say "syslog-ng could not be had; the benchmark runs without it"
    fi
    ;;
esac
