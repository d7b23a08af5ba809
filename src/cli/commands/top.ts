/** `scope top`: the components of a running edge with their rates, drawn again and again. */

import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import type { JsonObject } from '../../record/json.ts'
import { type MakeCommand, numberIn } from '../command.ts'
import { dataDirOf } from '../configuration.ts'
import { bodyOf, callEdge } from '../control.ts'
import type { Io } from '../io.ts'

export interface Row {
  readonly kind: string
  readonly id: string
  readonly type: string
  received: number
  receivedBytes: number
  sent: number
  discarded: number
  rejected: number
  errors: number
  buffered: number
  bufferLimit: number
  healthy: boolean
}

export const topCommand: MakeCommand = io =>
  new Command('top')
    .description('Show the rates of every component of a running edge.')
    .option('-c, --config <file>', 'the configuration of the edge that is meant')
    .option('-i, --interval <seconds>', 'time between two pictures', numberIn(0.1, 3600), 1)
    .option('-j, --json', 'one JSON object a component and picture, instead of a table')
    .option('-1, --once', 'one picture, after one interval, then end')
    .action(async options => {
      const dataDir = await dataDirOf(options.config, io)
      const interval: number = options.interval
      const look = async () =>
        rowsOf(JSON.parse(await bodyOf(await callEdge(io, { dataDir }, 'GET', '/api/metrics'))))
      let before = await look()
      do {
        await sleep(interval * 1000)
        const now = await look()
        if (options.json) for (const row of now.values()) io.out(`${JSON.stringify(row)}\n`)
        else draw(io, table(now, before, interval), options.once === true)
        before = now
      } while (!options.once)
    })

/** Gathers the edge's metrics by component, sources first. */
export function rowsOf(metrics: readonly JsonObject[]): Map<string, Row> {
  const rows = new Map<string, Row>()
  for (const metric of metrics) {
    const id = metric['component_id']
    if (typeof id !== 'string') continue
    let row = rows.get(id)
    if (!row) {
      const [kind, type] = [String(metric['component_kind']), String(metric['component_type'])]
      row = {
        kind,
        id,
        type,
        received: 0,
        receivedBytes: 0,
        sent: 0,
        discarded: 0,
        rejected: 0,
        errors: 0,
        buffered: 0,
        bufferLimit: 0,
        healthy: true,
      }
      rows.set(id, row)
    }
    const value = Number(metric['_value'])
    switch (metric['_metric']) {
      case 'component_received_events_total':
        row.received += value
        break
      case 'component_received_event_bytes_total':
        row.receivedBytes += value
        break
      case 'component_sent_events_total':
        row.sent += value
        break
      case 'component_discarded_events_total':
        row.discarded += value
        break
      case 'component_rejected_events_total':
        row.rejected += value
        break
      case 'component_errors_total':
        row.errors += value
        break
      case 'buffer_size_bytes':
        row.buffered = value
        break
      case 'buffer_max_size_bytes':
        row.bufferLimit = value
        break
      case 'component_healthy':
        row.healthy = value === 1
        break
    }
  }
  const order = ['source', 'transform', 'sink']
  return new Map([...rows].sort(([, a], [, b]) => order.indexOf(a.kind) - order.indexOf(b.kind)))
}

/** The table as lines of text: totals, and rates against the picture before. */
export function table(
  now: ReadonlyMap<string, Row>,
  before: ReadonlyMap<string, Row>,
  seconds: number,
): string[] {
  const head = [
    'COMPONENT',
    'TYPE',
    'IN/S',
    'MB/S',
    'OUT/S',
    'DISCARDED',
    'REJECTED',
    'ERRORS',
    'BUFFER',
    '',
  ]
  const cells = [...now.values()].map(row => {
    const last = before.get(row.id)
    const rate = (key: 'received' | 'receivedBytes' | 'sent') =>
      (row[key] - (last?.[key] ?? 0)) / seconds
    return [
      row.id,
      row.type,
      rate('received').toFixed(0),
      (rate('receivedBytes') / 1e6).toFixed(2),
      rate('sent').toFixed(0),
      String(row.discarded),
      String(row.rejected),
      String(row.errors),
      row.bufferLimit > 0 ? `${Math.round((100 * row.buffered) / row.bufferLimit)}%` : '',
      row.healthy ? '' : 'cannot deliver',
    ]
  })
  const widths = head.map((title, i) =>
    Math.max(title.length, ...cells.map(row => row[i]?.length ?? 0)),
  )
  return [head, ...cells].map(row =>
    row
      .map((cell, i) =>
        i < 2 || i === 9 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  )
}

/** Draws in place on a terminal, one picture after the other elsewhere. */
function draw(io: Io, lines: string[], once: boolean): void {
  const size = io.size()
  if (!size || once) {
    io.out(`${lines.join('\n')}\n${once ? '' : '\n'}`)
    return
  }
  // A terminal that does not know its size says 0.
  const { rows, columns } = { rows: size.rows || 24, columns: size.columns || 80 }
  const fitting = lines.slice(0, rows - 1).map(line => line.slice(0, columns))
  io.out(`\u001b[H${fitting.map(line => `${line}\u001b[K`).join('\n')}\n\u001b[J`)
}
