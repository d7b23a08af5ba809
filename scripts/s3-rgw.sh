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
# shellcheck source=scripts/test-server.sh
. "$(dirname "$0")/test-server.sh"

ACCESS_KEY=scopelinetest
SECRET_KEY=scopeline-test-secret

install() {
  require "radosgw ceph-mon ceph-osd ceph-common" \
    radosgw radosgw-admin ceph-mon ceph-osd ceph monmaptool
}

begin() {
  local fsid osd port v2 v1 C=$D/ceph.conf
  mkdir -p "$D"/{run,mon,osd,rgw}
  : >"$D/keyring"
  fsid=$(cat /proc/sys/kernel/random/uuid)
  osd=$(cat /proc/sys/kernel/random/uuid)
  read -r port v2 v1 < <(free_ports 3)
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
  wait_for 90 "the gateway" listens "$port"
  radosgw-admin -c "$C" -n client.rgw user create --uid=scope --display-name=scope \
    --access-key="$ACCESS_KEY" --secret="$SECRET_KEY" >"$D/log/user.out" 2>&1 ||
    { cat "$D/log/user.out" >&2; return 1; }
  printf '%s\n' "S3_ENDPOINT=http://127.0.0.1:$port" "S3_ACCESS_KEY=$ACCESS_KEY" \
    "S3_SECRET_KEY=$SECRET_KEY" "S3_REGION=us-east-1" >"$D/endpoint"
}

main "$@"
