/** The input of the benchmarks: seeded, AppScope-like events of about 490 bytes, the same at each run. */
import { closeSync, openSync, writeSync } from 'node:fs'

/** A small generator of pseudo-random numbers (xorshift), so that the input never changes. */
function randomOf(seed: number): (below: number) => number {
  let state = (seed * 2654435761) >>> 0 || 1
  return below => {
    state ^= state << 13
    state >>>= 0
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state % below
  }
}

const HOSTS = Array.from({ length: 40 }, (_, i) => `web-${String(i).padStart(2, '0')}.prod`)
const PROCS = ['nginx', 'node', 'java', 'python3', 'postgres', 'redis-server']
const STATUS = [200, 200, 200, 200, 200, 200, 201, 204, 301, 304, 400, 404, 404, 500, 503]
const PATHS = ['/api/v1/orders', '/healthz', '/static/app.3f2a91.js', '/login', '/cart/checkout']

/**
 * Writes a file of events: http 40 %, net 25 %, fs 25 %, console 10 %; one in two console messages
 * holds an e-mail address or a card number. The last line is an http event with status 503.
 */
export function writeEvents(path: string, count: number, seed = 1): void {
  const random = randomOf(seed)
  const file = openSync(path, 'w')
  let text = ''
  for (let i = 0; i < count; i++) {
    text += `${JSON.stringify(event(random, i, i === count - 1))}\n`
    if (text.length > 1 << 20 || i === count - 1) {
      writeSync(file, text)
      text = ''
    }
  }
  closeSync(file)
}

function event(random: (below: number) => number, i: number, last: boolean) {
  const proc = PROCS[random(PROCS.length)]
  const kind = last ? 0 : random(20)
  const head = (sourcetype: string, source: string) => ({
    sourcetype,
    _time: 1795223889 + i / 10_000,
    source,
    host: HOSTS[random(HOSTS.length)],
    proc,
    cmd: `/usr/bin/${proc} --config /etc/${proc}/${proc}.conf --workers ${random(16)}`,
    pid: 1000 + random(60_000),
  })
  const address = () => `10.${random(4)}.${random(256)}.${random(256)}`
  const pad = (length: number) => {
    let hex = ''
    while (hex.length < length) hex += random(0xffffffff).toString(16).padStart(8, '0')
    return hex.slice(0, length)
  }
  if (kind < 8) {
    return {
      ...head('http', 'http.resp'),
      data: {
        duration: random(3000),
        http_method: 'GET',
        http_target: `${PATHS[random(PATHS.length)]}?id=${random(1e6)}&trace=${pad(32)}`,
        http_status_code: last ? 503 : STATUS[random(STATUS.length)],
        http_flavor: '1.1',
        net_peer_ip: address(),
        net_peer_port: 1024 + random(60_000),
        http_response_content_length: random(100_000),
        http_user_agent: `Mozilla/5.0 (X11; Linux x86_64; rv:${100 + random(20)}.0) Gecko/20100101`,
      },
    }
  }
  if (kind < 13) {
    return {
      ...head('net', 'net.close'),
      data: {
        duration: random(90_000),
        net_transport: 'IP.TCP',
        net_peer_ip: address(),
        net_peer_port: 443,
        net_host_ip: address(),
        net_host_port: 1024 + random(60_000),
        net_bytes_sent: random(1e6),
        net_bytes_recv: random(1e6),
        net_close_reason: 'normal',
        net_protocol: `http ${pad(48)}`,
      },
    }
  }
  if (kind < 18) {
    return {
      ...head('fs', 'fs.close'),
      data: {
        duration: random(5000),
        file: `/srv/${proc}/data/${pad(2)}/${pad(32)}.bin`,
        file_read_bytes: random(1e6),
        file_read_ops: random(100),
        file_write_bytes: random(1e6),
        file_write_ops: random(100),
        proc_uid: 1000,
        proc_gid: 1000,
        file_owner: 'deploy',
      },
    }
  }
  const secret =
    random(2) === 0
      ? `user jo.${random(1000)}@example.com logged in from ${address()}`
      : `request done in ${random(5000)} us, nothing to see`
  return {
    ...head('console', 'stdout'),
    data: {
      message: `INFO ${pad(24)} ${secret}; session ${pad(32)}, ${pad(64)}, card 4111111111111111 ok`,
    },
  }
}

/** Datagrams of StatsD lines, about 1 KiB each: 20 lines of 60 different metrics. */
export function statsdDatagrams(count: number, seed = 1): Buffer[] {
  const random = randomOf(seed)
  return Array.from({ length: count }, () => {
    const lines = Array.from({ length: 20 }, () => {
      const kind = ['c', 'ms', 'g'][random(3)]
      return `app.requests.${random(60)}:${1 + random(100)}|${kind}|#env:prod,zone:${random(4)}`
    })
    return Buffer.from(lines.join('\n'))
  })
}
