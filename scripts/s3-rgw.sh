#!/usr/bin/env bash
# A real S3 server for tests: Ceph's RADOS gateway on one node, from Debian packages, all of its
# state below one directory.
#
#   scripts/s3-rgw.sh install       bring the Debian packages (as root)
#   scripts/s3-rgw.sh start DIR     start; prints NAME=value lines: endpoint, keys, region
#   scripts/s3-rgw.sh stop DIR      stop and delete DIR; harmless when there is nothing
#
# Exit status: 0 done, 1 failed, 2 usage, 3 the packages are missing and can't be installed here.
set -euo pipefail

PACKAGES="radosgw ceph-mon ceph-osd ceph-common"
ACCESS_KEY=scopelinetest
SECRET_KEY=scopeline-test-secret

say() { printf '%s\n' "$*" >&2; }

installed() {
  local program
  for program in radosgw radosgw-admin ceph-mon ceph-osd ceph monmaptool; do
    command -v "$program" >/dev/null || return 1
  done
}

install_packages() {
  if installed; then return 0; fi
  if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    say "A Ceph gateway is needed: run as root: apt-get install --no-install-recommends $PACKAGES"
    return 3
  fi
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086
  apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 $PACKAGES >&2 ||
    { apt-get update >&2 &&
      apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 $PACKAGES >&2; } ||
    { say "apt-get could not install: $PACKAGES"; return 3; }
}

# Four free ports, found by binding them all at once.
free_ports() {
  node -e '
    const net = require("node:net")
    const open = () => new Promise(done => { const s = net.createServer().listen(0, "127.0.0.1", () => done(s)) })
    Promise.all([open(), open(), open()]).then(list => {
      console.log(list.map(s => s.address().port).join(" "))
      for (const s of list) s.close()
    })'
}

# wait_for SECONDS WHAT COMMAND…: polls until the command succeeds, or one of our processes has died.
wait_for() {
  local seconds=$1 what=$2 file
  shift 2
  local end=$((SECONDS + seconds))
  until "$@" >/dev/null 2>&1; do
    for file in "$D"/pids/*; do
      kill -0 "$(cat "$file")" 2>/dev/null ||
        { say "$(basename "$file") ended while waiting for $what:"; tail -n 5 "$D/log/$(basename "$file").out" >&2; return 1; }
    done
    if [ "$SECONDS" -ge "$end" ]; then say "$what did not come within $seconds s; see $D/log"; return 1; fi
    sleep 0.3
  done
}

# spawn NAME COMMAND…: in a session of its own, so that no terminal's Ctrl-C reaches it.
spawn() {
  local name=$1
  shift
  setsid "$@" >"$D/log/$name.out" 2>&1 </dev/null &
  echo $! >"$D/pids/$name"
}

start() {
  D=$1
  if [ -e "$D/endpoint" ]; then cat "$D/endpoint"; return 0; fi
  install_packages
  mkdir -p "$D"
  D=$(cd "$D" && pwd)
  mkdir -p "$D"/{run,log,mon,osd,rgw,pids}
  chmod 700 "$D"
  : >"$D/keyring"
  local fsid osd port v2 v1 C=$D/ceph.conf
  fsid=$(cat /proc/sys/kernel/random/uuid)
  osd=$(cat /proc/sys/kernel/random/uuid)
  read -r port v2 v1 < <(free_ports)
  cat >"$C" <<CONF
[global]
fsid = $fsid
mon_host = [v2:127.0.0.1:$v2,v1:127.0.0.1:$v1]
mon_initial_members = a
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
osd_pool_default_size = 1
osd_pool_default_min_size = 1
mon_allow_pool_size_one = true
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
osd_crush_chooseleaf_type = 0
mon_max_pg_per_osd = 1000
mon_data_avail_crit = 2
run_dir = $D/run
pid_file = $D/run/\$type.\$id.pid
log_file = $D/log/\$type.\$id.log
admin_socket = $D/run/\$type.\$id.asok
keyring = $D/keyring
[mon]
mon_data = $D/mon
[osd]
osd_data = $D/osd
osd_objectstore = bluestore
bluestore_block_size = 21474836480
bluestore_block_create = true
osd_memory_target = 1073741824
[client.rgw]
rgw_data = $D/rgw
rgw_frontends = beast endpoint=127.0.0.1:$port
# Without these two the gateway waits for ever when authentication is off.
ms_mon_client_mode = crc secure
ms_mon_service_mode = crc secure
CONF
  {
    monmaptool --create --fsid "$fsid" --addv a "[v2:127.0.0.1:$v2,v1:127.0.0.1:$v1]" "$D/monmap"
    ceph-mon -c "$C" -i a --mkfs --monmap "$D/monmap" --keyring /dev/null
  } >"$D/log/mkfs.out" 2>&1 || { cat "$D/log/mkfs.out" >&2; return 1; }
  spawn mon ceph-mon -c "$C" -i a -f
  wait_for 60 "the monitor" timeout 5 ceph -c "$C" --connect-timeout 3 status
  ceph -c "$C" osd new "$osd" 0 >"$D/log/osd-new.out" 2>&1
  ceph-osd -c "$C" -i 0 --mkfs --osd-uuid "$osd" >"$D/log/osd-mkfs.out" 2>&1
  spawn osd ceph-osd -c "$C" -i 0 -f
  wait_for 60 "the object store" sh -c "timeout 10 ceph -c '$C' osd stat | grep -q '1 up'"
  spawn rgw radosgw -c "$C" -n client.rgw -f
  wait_for 90 "the gateway" bash -c "exec 3<>/dev/tcp/127.0.0.1/$port"
  radosgw-admin -c "$C" -n client.rgw user create --uid=scope --display-name=scope \
    --access-key="$ACCESS_KEY" --secret="$SECRET_KEY" >"$D/log/user.out" 2>&1 ||
    { cat "$D/log/user.out" >&2; return 1; }
  printf '%s\n' "S3_ENDPOINT=http://127.0.0.1:$port" "S3_ACCESS_KEY=$ACCESS_KEY" \
    "S3_SECRET_KEY=$SECRET_KEY" "S3_REGION=us-east-1" >"$D/endpoint"
  cat "$D/endpoint"
}

stop() {
  local D=$1 name pid
  [ -d "$D/pids" ] || return 0
  D=$(cd "$D" && pwd)
  for name in rgw osd mon; do
    [ -e "$D/pids/$name" ] || continue
    pid=$(cat "$D/pids/$name")
    # Only what is still the program that was started: a pid may have been given to another.
    grep -qa "$D" "/proc/$pid/cmdline" 2>/dev/null || continue
    kill -TERM "$pid" 2>/dev/null || true
    for _ in $(seq 20); do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null || true
  done
  rm -rf "$D"
}

case "${1-}" in
  install) install_packages ;;
  start) [ $# = 2 ] || { say "usage: $0 start DIR"; exit 2; }
    # A trap and not "start || stop": that would switch off "set -e" inside of start.
    TARGET=$2
    trap 'status=$?; [ "$status" = 0 ] || stop "$TARGET"; exit "$status"' EXIT
    start "$2" ;;
  stop) [ $# = 2 ] || { say "usage: $0 stop DIR"; exit 2; }
    stop "$2" ;;
  *) say "usage: $0 install | start DIR | stop DIR"; exit 2 ;;
esac
