/** Made-up events in the shapes that scoped programs send; the same seed gives the same events. */
import type { JsonObject } from '../../record/json.ts'

export const SHAPES = ['http', 'fs', 'net', 'metric'] as const
export type Shape = (typeof SHAPES)[number]

/** Numbers from 0 up to 1. */
export type Random = () => number

const PROGRAMS = [
  { proc: 'nginx', cmd: 'nginx: worker process' },
  { proc: 'curl', cmd: '/usr/bin/curl -s http://localhost:8080/' },
  { proc: 'redis-server', cmd: 'redis-server 127.0.0.1:6379' },
  { proc: 'python3', cmd: 'python3 -m http.server 8000' },
] as const
const METHODS = ['GET', 'GET', 'GET', 'POST', 'PUT', 'DELETE'] as const
const STATUSES = [200, 200, 200, 200, 204, 301, 404, 500, 503] as const
const FILES = [
  '/etc/hosts',
  '/var/log/app.log',
  '/usr/share/zoneinfo/UTC',
  '/tmp/cache.bin',
] as const
const TEXTS: Readonly<Record<number, string>> = {
  200: 'OK',
  204: 'No Content',
  301: 'Moved Permanently',
  404: 'Not Found',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
}

/** A generator of numbers that always gives the same ones for a seed (mulberry32). */
export function seeded(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** One event of a shape; `time` in seconds since the epoch. */
export function shaped(shape: Shape, time: number, random: Random): JsonObject {
  const { proc, cmd } = pick(PROGRAMS, random)
  const sender = { host: 'generator', proc, cmd, pid: 1000 + whole(random, 50) }
  if (shape === 'metric') {
    return {
      _metric: pick(['fs.read', 'net.rx', 'http.server.duration', 'proc.cpu'], random),
      _metric_type: pick(['counter', 'gauge', 'timer'], random),
      _value: whole(random, 10_000),
      ...sender,
      unit: 'byte',
      _time: time,
    }
  }
  return {
    sourcetype: shape,
    _time: time,
    source: shape === 'http' ? 'http.resp' : `${shape}.close`,
    ...sender,
    data: DATA[shape](random),
  }
}

const DATA: Readonly<Record<Exclude<Shape, 'metric'>, (random: Random) => JsonObject>> = {
  http(random) {
    const status = pick(STATUSES, random)
    return {
      http_method: pick(METHODS, random),
      http_target: `/item/${whole(random, 1000)}`,
      http_scheme: 'http',
      http_flavor: '1.1',
      http_status_code: status,
      http_status_text: TEXTS[status] as string,
      http_server_duration: whole(random, 500),
      http_host: 'localhost:8080',
      http_user_agent: 'generator/1.0',
      http_response_content_length: whole(random, 65_536),
      net_transport: 'IP.TCP',
      net_peer_ip: `192.0.2.${1 + whole(random, 254)}`,
      net_peer_port: 1024 + whole(random, 60_000),
      net_host_ip: '192.0.2.1',
      net_host_port: 8080,
    }
  },
  fs(random) {
    return {
      file: pick(FILES, random),
      proc_uid: 1000,
      proc_gid: 1000,
      file_perms: 644,
      file_read_bytes: whole(random, 1_000_000),
      file_read_ops: whole(random, 1000),
      file_write_bytes: whole(random, 1_000_000),
      file_write_ops: whole(random, 1000),
      duration: whole(random, 1000),
      op: 'close',
    }
  },
  net(random) {
    return {
      net_transport: 'IP.TCP',
      net_peer_ip: `192.0.2.${1 + whole(random, 254)}`,
      net_peer_port: 1024 + whole(random, 60_000),
      net_host_ip: '192.0.2.1',
      net_host_port: 8080,
      net_bytes_sent: whole(random, 1_000_000),
      net_bytes_recv: whole(random, 1_000_000),
      net_protocol: 'http',
      duration: whole(random, 10_000),
      net_close_reason: 'normal',
    }
  },
}

function whole(random: Random, below: number): number {
  return Math.floor(random() * below)
}

function pick<T>(choices: readonly T[], random: Random): T {
  return choices[whole(random, choices.length)] as T
}
