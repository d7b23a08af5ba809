/** reduce: makes one record of many events, for each group and window of time. */
import { z } from 'zod'
import type { Batch } from '../../batch/batch.ts'
import { Fields } from '../../batch/columns.ts'
import { Grouping, groupNames } from '../../batch/grouping.ts'
import { timeIn } from '../../codec/event-time.ts'
import type { Cancel } from '../../component/context.ts'
import { defineTransform } from '../../component/define.ts'
import { type Holding, holding } from '../../component/operator.ts'
import { duration, fieldPath } from '../../component/options.ts'
import { aggregate } from './aggregate.ts'
import { Aggregates } from './aggregates.ts'
import { type Reduction, Window } from './window.ts'

/** Fields that reduce itself writes. */
const OWN_FIELDS = ['_time', 'window_seconds', 'overflow']

export const reduce = defineTransform({
  name: 'reduce',
  summary: 'Makes one record of many events, for each group and window of time.',
  description: `Windows follow each other without gap, aligned to whole multiples of \`every\`. At the end of a window, each
group gives one record: the group's fields, the aggregates, \`_time\` (the end of the window) and
\`window_seconds\`. A field in \`group_by\` is named by the last part of its path, or by the whole path as
written where two would get the same name; one that the events do not have is left out.

Aggregates are \`count()\`, \`count(condition)\`, \`sum(x)\`, \`min(x)\`, \`max(x)\`, \`mean(x)\`, \`first(x)\`, \`last(x)\`,
\`quantile(x, 0.99)\` and \`unique(x)\`, where \`x\` is a CEL expression. An event for which \`x\` has no fitting
value does not contribute; an aggregate that nothing contributed to is 0 for \`count\`, \`sum\` and \`unique\` and
left out otherwise. Quantiles are within 1 % of the true value (DDSketch); \`unique\` is exact up to 1024
values and within about 2 % beyond (HyperLogLog).

By default an event belongs to the window in which it arrives. With \`event_time\` it belongs to the one that
its \`_time\` falls into; that window ends when an event later than its end by \`lateness\` has come, or when
nothing has come for it for \`every\` plus \`lateness\`. What comes after that is discarded with the reason
\`late\`.

At most \`max_groups\` are held; with \`event_time\`, a window that finds no room ends the oldest one early.
Events of further groups are gathered in one record with \`overflow: true\` and
without group fields, and counted in \`overflow_events_total\`.

Events are acknowledged when the record of their window is; a source that can replay repeats what was in
open windows after a crash. Their bytes do not count against the source's buffer while they wait. When the
input ends, open windows are given out as they are.`,
  options: z
    .strictObject({
      every: duration().prefault('10s').describe('The length of a window.'),
      group_by: z
        .array(fieldPath())
        .default([])
        .describe('The fields whose values make up a group. All events are one group if empty.')
        .meta({ examples: [['proc', 'data.http_target']] }),
      emit: z
        .record(z.string().min(1), aggregate())
        .refine(emit => Object.keys(emit).length > 0, 'needs at least one aggregate')
        .describe('The aggregates, by the name of the field that they are written to.')
        .meta({ examples: [{ events: 'count()', p99: 'quantile(data.duration, 0.99)' }] }),
      event_time: z
        .boolean()
        .default(false)
        .describe('Whether windows go by the `_time` of events rather than by the clock.'),
      lateness: duration()
        .prefault('5s')
        .describe('With `event_time`, how long after the end of its window an event may come.'),
      max_groups: z
        .int()
        .min(1)
        .default(10_000)
        .describe('How many groups are held at most, over all open windows.'),
    })
    .superRefine(({ every, group_by, emit }, context) => {
      if (every < 1) {
        context.addIssue({ code: 'custom', message: 'must be at least 1ms', path: ['every'] })
      }
      const names = groupNames(group_by)
      for (const [i, name] of names.entries()) {
        if (OWN_FIELDS.includes(name) || names.indexOf(name) !== i) {
          const message = `the record would have "${name}" twice; rename the field before`
          context.addIssue({ code: 'custom', message, path: ['group_by', i] })
        }
      }
      for (const name of Object.keys(emit)) {
        if (OWN_FIELDS.includes(name) || names.includes(name)) {
          const message = `the record has a field "${name}" already; give the aggregate another name`
          context.addIssue({ code: 'custom', message, path: ['emit', name] })
        }
      }
    }),
  examples: [
    {
      title: 'Bytes received by each process',
      yaml: `type: reduce
every: 10s
group_by: [proc, source]
emit: { events: count(), bytes: sum(data.net_bytes_recv) }`,
    },
    {
      title: 'Request durations by the time of the request',
      yaml: `type: reduce
every: 1m
event_time: true
lateness: 10s
group_by: [data.http_target]
emit:
  requests: count()
  failed: count(data.http_status_code >= 500)
  p50: quantile(data.http_server_duration, 0.5)
  p99: quantile(data.http_server_duration, 0.99)
  clients: unique(data.http_client_ip)`,
    },
  ],
  create(options, context) {
    const { every, lateness, max_groups: limit } = options
    const { clock, meters } = context
    let groups = 0
    const grouping = new Grouping(options.group_by)
    const aggregates = new Aggregates(options.emit)
    const time = new Fields([['_time']])
    const all = Fields.union(grouping.fields, aggregates, ...(options.event_time ? [time] : []))
    const reduction: Reduction = {
      grouping,
      aggregates,
      every,
      hasRoom: () => groups < limit,
      grown: by => {
        groups += by
        meters.set('groups', groups)
      },
      overflowed: () => meters.add('overflow_events_total', 1),
    }

    function look(batch: Batch) {
      batch.columns(all)
      grouping.of(batch)
      aggregates.of(batch)
    }

    /** The end of the window that a time falls into, both in milliseconds since the epoch. */
    const endAfter = (ms: number) => (Math.floor(ms / every) + 1) * every

    /** Windows by arrival: one is open at a time. */
    function byClock(emit: (batch: Batch) => void): Holding {
      let open: Window | undefined
      let cancel: Cancel = () => {}
      let lastEnd: number | undefined

      function close() {
        cancel()
        const window = open
        open = undefined
        for (const batch of window?.close(context.id) ?? []) emit(batch)
      }

      function begin(): Window {
        const now = clock.now()
        let end = endAfter(now)
        // A timer may fire a little before the wall clock says so: no window comes twice.
        if (end === lastEnd) end += every
        lastEnd = end
        cancel = clock.after(end - now, close)
        return new Window(reduction, end)
      }

      return {
        next(batch) {
          open ??= begin()
          open.hold(batch.lease)
          look(batch)
          for (let row = 0; row < batch.count; row++) open.add(row)
          batch.release('discarded')
        },
        complete: close,
        close: () => {
          cancel()
          open?.abort()
        },
      }
    }

    /** Windows by the events' own time: several may be open. */
    function byEvent(emit: (batch: Batch) => void): Holding {
      const open = new Map<number, Window>()
      /** The latest time that was seen, in milliseconds since the epoch. */
      let latest = Number.NEGATIVE_INFINITY

      function closeWhere(due: (window: Window) => boolean) {
        const closing = [...open.values()].filter(due).sort((a, b) => a.end - b.end)
        for (const window of closing) {
          open.delete(window.end)
          for (const batch of window.close(context.id)) emit(batch)
        }
      }

      function begin(end: number): Window {
        // Events of ever other times must not fill the memory: the oldest window makes room.
        if (!reduction.hasRoom()) {
          const oldest = Math.min(...open.keys())
          closeWhere(window => window.end === oldest)
        }
        const window = new Window(reduction, end)
        open.set(end, window)
        return window
      }

      const cancel = clock.every(every, () => {
        const now = clock.monotonic()
        closeWhere(window => now - window.touched >= every + lateness)
      })

      return {
        next(batch) {
          const now = clock.now()
          const held = new Set<Window>()
          let late = 0
          look(batch)
          const [times] = batch.columns(time)
          for (let row = 0; row < batch.count; row++) {
            const seconds = timeIn(times?.value(row))
            const time = seconds === undefined ? now : seconds * 1000
            // A sender whose clock is ahead must not make everyone else late.
            if (time > latest && time <= now + every) latest = time
            const end = endAfter(time)
            if (end + lateness <= latest) {
              late++
              continue
            }
            const window = open.get(end) ?? begin(end)
            if (!held.has(window)) {
              held.add(window)
              window.hold(batch.lease)
              window.touched = clock.monotonic()
            }
            window.add(row)
          }
          if (late > 0) meters.discarded('late', late, false)
          batch.release('discarded')
          closeWhere(window => window.end + lateness <= latest)
        },
        complete: () => closeWhere(() => true),
        close: () => {
          cancel()
          for (const window of open.values()) window.abort()
        },
      }
    }

    return holding(options.event_time ? byEvent : byClock)
  },
})
