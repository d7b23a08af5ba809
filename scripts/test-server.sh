# What the scripts that run a real server for tests have in common; sourced, not run. Their state lies
# below one directory $D: pids/ (one file per process), log/, and `endpoint` once the server is ready.

say() { printf '%s\n' "$*" >&2; }

# require PACKAGES PROGRAM…: installs Debian packages unless all programs are there. Status 3 if it can't.
require() {
  local packages=$1 program missing=
  shift
  for program in "$@"; do command -v "$program" >/dev/null || missing=$program; done
  if [ -z "$missing" ]; then return 0; fi
  if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    say "$missing is missing: run as root: apt-get install --no-install-recommends $packages"
    return 3
  fi
  # shellcheck disable=SC2086
  apt_install $packages || { apt-get update >&2 && apt_install $packages; } ||
    { say "apt-get could not install: $packages"; return 3; }
}

apt_install() {
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    -o DPkg::Lock::Timeout=300 "$@" >&2
}

# free_ports COUNT: ports that are free at this moment, found by binding them all at once.
free_ports() {
  node -e '
    const net = require("node:net")
    const open = () => new Promise(done => { const s = net.createServer().listen(0, "127.0.0.1", () => done(s)) })
    Promise.all(Array.from({ length: Number(process.argv[1]) }, open)).then(list => {
      console.log(list.map(s => s.address().port).join(" "))
      for (const s of list) s.close()
    })' "$1"
}

# wait_for SECONDS WHAT COMMAND…: polls until the command succeeds, or one of our processes has died.
wait_for() {
  local seconds=$1 what=$2 file
  shift 2
  local end=$((SECONDS + seconds))
  until "$@" >/dev/null 2>&1; do
    for file in "$D"/pids/*; do
      kill -0 "$(cat "$file")" 2>/dev/null ||
        { say "$(basename "$file") ended while waiting for $what:"
          tail -n 5 "$D/log/$(basename "$file").out" >&2
          return 1; }
    done
    if [ "$SECONDS" -ge "$end" ]; then say "$what did not come within $seconds s; see $D/log"; return 1; fi
    sleep 0.3
  done
}

listens() { bash -c "exec 3<>/dev/tcp/127.0.0.1/$1" 2>/dev/null; }

# spawn NAME COMMAND…: in a session of its own, so that no terminal's Ctrl-C reaches it.
spawn() {
  local name=$1
  shift
  setsid "$@" >"$D/log/$name.out" 2>&1 </dev/null &
  echo $! >"$D/pids/$name"
}

# stop DIR: ends the processes, newest first, and deletes the directory. Harmless when there is nothing.
stop() {
  [ -d "$1/pids" ] || return 0
  local D name pid
  D=$(cd "$1" && pwd)
  for name in $(ls -t "$D/pids"); do
    pid=$(cat "$D/pids/$name")
    # Only what is still the program that was started: a pid may have been given to another.
    grep -qa "$D" "/proc/$pid/cmdline" 2>/dev/null || continue
    kill -TERM "$pid" 2>/dev/null || true
    for _ in $(seq 20); do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.1
    done
    # spawn made it the leader of a process group: its workers go with it.
    kill -KILL -- "-$pid" 2>/dev/null || true
  done
  rm -rf "$D"
}

# main NAME ARGUMENTS…: the three verbs. The script defines install and begin (with D set).
main() {
  case "${1-}" in
    install) install ;;
    start)
      [ $# = 2 ] || { say "usage: $0 start DIR"; exit 2; }
      if [ -e "$2/endpoint" ]; then cat "$2/endpoint"; return 0; fi
      install
      mkdir -p "$2"
      D=$(cd "$2" && pwd)
      # A trap and not "begin || stop": that would switch off "set -e" inside of begin.
      trap 'status=$?; [ "$status" = 0 ] || stop "$D"; exit "$status"' EXIT
      chmod 700 "$D"
      mkdir -p "$D/pids" "$D/log"
      begin
      cat "$D/endpoint"
      ;;
    stop)
      [ $# = 2 ] || { say "usage: $0 stop DIR"; exit 2; }
      stop "$2"
      ;;
    *) say "usage: $0 install | start DIR | stop DIR"; exit 2 ;;
  esac
}
