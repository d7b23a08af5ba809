/** What is measured: each task with its variants (the edge, its peers, the floor) and when it is done. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = new URL('..', import.meta.url).pathname

export interface Place {
  readonly directory: string
  readonly inPort: number
  readonly outPort: number
  readonly out: string
}

export interface Variant {
  readonly name: string
  command(place: Place): { command: string[]; env?: Record<string, string> }
  /** Whether it listens on UDP or cannot be probed: then it gets a second to start. */
  readonly silent?: boolean
}

export interface Task {
  readonly name: string
  readonly title: string
  readonly input: 'tcp' | 'statsd'
  readonly output: 'tcp' | 'file' | 's3'
  /** How much of the input a piece of output stands for, in lines; done when all is there. */
  tally(text: string): number
  /** How many lines of the input must come out. */
  expected(lines: readonly string[]): number
  readonly variants: readonly Variant[]
}

const countLines = (text: string) => {
  let count = 0
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count++
  return count
}

function edge(config: string): Variant {
  return {
    name: 'scope edge',
    command: place => ({
      command: [join(ROOT, 'bin/scope'), 'edge', join(ROOT, 'bench/edge', config)],
      env: {
        BENCH_DIR: place.directory,
        BENCH_IN: String(place.inPort),
        BENCH_OUT: place.out,
        BENCH_OUT_PORT: String(place.outPort),
      },
    }),
  }
}

/** A configuration of a peer with its places filled in. */
function filled(file: string, place: Place): string {
  return readFileSync(join(ROOT, 'bench/peers', file), 'utf8')
    .replaceAll('@DIR@', place.directory)
    .replaceAll('@INPORT@', String(place.inPort))
    .replaceAll('@OUTPORT@', String(place.outPort))
    .replaceAll('@OUT@', place.out)
}

export type WriteConfig = (name: string, text: string) => string

function peers(file: { rsyslog?: string; syslogNg?: string }, write: WriteConfig): Variant[] {
  const variants: Variant[] = []
  const { rsyslog, syslogNg } = file
  if (rsyslog) {
    variants.push({
      name: 'rsyslog',
      command: place => ({
        command: [
          'rsyslogd',
          '-n',
          '-i',
          join(place.directory, 'rsyslog.pid'),
          '-f',
          write(rsyslog, filled(rsyslog, place)),
        ],
      }),
    })
  }
  if (syslogNg) {
    const root = join(ROOT, '.cache/syslog-ng')
    const modules = join(root, 'usr/lib/syslog-ng/3.38')
    variants.push({
      name: 'syslog-ng',
      command: place => ({
        command: [
          join(root, 'usr/sbin/syslog-ng'),
          '-F',
          '--no-caps',
          '-f',
          write(syslogNg, filled(syslogNg, place)),
          '-R',
          join(place.directory, 'persist'),
          '-c',
          join(place.directory, 'control'),
          '-p',
          join(place.directory, 'pid'),
          '--module-path',
          modules,
        ],
        env: { LD_LIBRARY_PATH: `${join(root, 'usr/lib/syslog-ng')}:${modules}` },
      }),
    })
  }
  return variants
}

/** Reads a socket and throws the bytes away; says how many lines there were when it has ended. */
const floor: Variant = {
  name: 'floor: node reads, throws away',
  command: place => ({
    command: [
      process.execPath,
      '-e',
      `const fs = require('fs')
       require('net').createServer(socket => {
         let lines = 0, bytes = 0
         socket.on('data', chunk => { bytes += chunk.length })
         socket.on('end', () => { if (bytes > 0) fs.writeFileSync(${JSON.stringify(place.out)}, '\\n') })
       }).listen(${place.inPort}, '127.0.0.1')`,
    ],
  }),
}

export function tasks(write: WriteConfig): Task[] {
  const all = (lines: readonly string[]) => lines.length
  return [
    {
      name: 'floor',
      title: 'the floor: TCP in, thrown away',
      input: 'tcp',
      output: 'file',
      tally: countLines,
      expected: () => 1,
      variants: [floor],
    },
    {
      name: 'relay',
      title: 'pass-through: TCP to TCP',
      input: 'tcp',
      output: 'tcp',
      tally: countLines,
      expected: all,
      variants: [
        edge('relay.yml'),
        ...peers({ rsyslog: 'rsyslog-relay.conf', syslogNg: 'syslog-ng-relay.conf' }, write),
      ],
    },
    {
      name: 'filter',
      title: 'filter: http and status >= 500, to a file',
      input: 'tcp',
      output: 'file',
      tally: countLines,
      expected: lines =>
        lines.filter(line => {
          const event = JSON.parse(line)
          return event.sourcetype === 'http' && event.data.http_status_code >= 500
        }).length,
      variants: [
        edge('filter.yml'),
        ...peers({ rsyslog: 'rsyslog-filter.conf', syslogNg: 'syslog-ng-filter.conf' }, write),
      ],
    },
    {
      name: 'redact',
      title: 'filter + redact: all but fs, e-mail and card out of data.message, to a file',
      input: 'tcp',
      output: 'file',
      tally: countLines,
      expected: lines => lines.filter(line => !line.includes('"sourcetype":"fs"')).length,
      variants: [edge('redact.yml'), ...peers({ syslogNg: 'syslog-ng-redact.conf' }, write)],
    },
    {
      name: 'reduce',
      title: 'reduce: count and sum by source and host, a second',
      input: 'tcp',
      output: 'file',
      tally: text =>
        [...text.matchAll(/"count":(\d+)/g)].reduce((sum, match) => sum + Number(match[1]), 0) +
        [...text.matchAll(/"[a-z.]+,web-\d+\.prod": ?(\d+)/g)].reduce(
          (sum, match) => sum + Number(match[1]),
          0,
        ),
      expected: all,
      variants: [edge('reduce.yml'), ...peers({ rsyslog: 'rsyslog-reduce.conf' }, write)],
    },
    {
      name: 'statsd',
      title: 'StatsD over UDP, aggregated a second (20 lines a datagram)',
      input: 'statsd',
      output: 'file',
      tally: countLines,
      expected: () => 0,
      variants: [{ ...edge('statsd.yml'), silent: true }],
    },
    {
      name: 's3',
      title: 'S3 out: gzip, 64 MiB objects, staged on disk with fdatasync',
      input: 'tcp',
      output: 's3',
      tally: countLines,
      expected: all,
      variants: [edge('s3.yml')],
    },
  ]
}
