#!/usr/bin/env bash
# A second real S3 server for tests: OpenStack Swift with its s3api, one replica on one node, from
# Debian packages, all of its state below one directory. Other code and other quirks than Ceph's.
#
#   scripts/s3-swift.sh install       bring the Debian packages (as root)
#   scripts/s3-swift.sh start DIR     start; prints NAME=value lines: endpoint, keys, region
#   scripts/s3-swift.sh stop DIR      stop and delete DIR; harmless when there is nothing
#
# Exit status: 0 done, 1 failed, 2 usage, 3 the packages are missing and can't be installed here.
set -euo pipefail
# shellcheck source=scripts/test-server.sh
. "$(dirname "$0")/test-server.sh"

SECRET_KEY=scopeline-test-secret

install() {
  require "swift-proxy swift-account swift-container swift-object memcached" \
    swift-proxy-server swift-account-server swift-container-server swift-object-server \
    swift-ring-builder memcached
}

begin() {
  local proxy account container object cache type port user
  user=$(id -un)
  read -r proxy account container object cache < <(free_ports 5)
  mkdir -p "$D"/{node/disk,recon,etc}
  # Hashes of names; any two will do for a server that lives for one test.
  printf '[swift-hash]\nswift_hash_path_prefix = a\nswift_hash_path_suffix = b\n' >"$D/etc/swift.conf"
  for type in account container object; do
    port=${!type}
    (
      cd "$D/etc"
      swift-ring-builder "$type.builder" create 4 1 1
      swift-ring-builder "$type.builder" add "r1z1-127.0.0.1:$port/disk" 1
      swift-ring-builder "$type.builder" rebalance
    ) >"$D/log/ring-$type.out" 2>&1
    cat >"$D/etc/$type.conf" <<CONF
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $port
user = $user
swift_dir = $D/etc
devices = $D/node
mount_check = false
workers = 1
fallocate_reserve = 0
[pipeline:main]
pipeline = $type-server
[app:$type-server]
use = egg:swift#$type
recon_cache_path = $D/recon
CONF
  done
  cat >"$D/etc/proxy.conf" <<CONF
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $proxy
user = $user
swift_dir = $D/etc
workers = 1
[pipeline:main]
pipeline = catch_errors proxy-logging cache listing_formats bulk s3api tempauth copy slo dlo proxy-logging proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:proxy-logging]
use = egg:swift#proxy_logging
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:$cache
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_scope_admin = $SECRET_KEY .admin .reseller_admin
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
CONF
  # The pid file's path is how stop knows the process for its own.
  spawn memcached memcached -u "$user" -l 127.0.0.1 -p "$cache" -m 32 -P "$D/memcached.pid"
  for type in account container object proxy; do
    SWIFT_CONF_DIR=$D/etc spawn "$type" "swift-$type-server" "$D/etc/$type.conf" --verbose
  done
  for port in "$cache" "$account" "$container" "$object" "$proxy"; do
    wait_for 60 "the server on port $port" listens "$port"
  done
  printf '%s\n' "S3_ENDPOINT=http://127.0.0.1:$proxy" "S3_ACCESS_KEY=scope:admin" \
    "S3_SECRET_KEY=$SECRET_KEY" "S3_REGION=us-east-1" >"$D/endpoint"
}

main "$@"
