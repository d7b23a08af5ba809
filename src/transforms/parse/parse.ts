/** parse: takes a string of a record apart into fields. */
import { z } from 'zod'
import type { Batch } from '../../batch/batch.ts'
import { regex } from '../../codec/pattern.ts'
import type { Context } from '../../component/context.ts'
import { defineTransform } from '../../component/define.ts'
import { eachBatch } from '../../component/operator.ts'
import { fieldPath } from '../../component/options.ts'
import { type Edit, editLine } from '../../record/edit.ts'
import { decodeString, isStringAt, valueTextAt } from '../../record/json-text.ts'
import { formatPath } from '../../record/path.ts'
import { parseCommonLog } from './common-log.ts'
import { jsonText, type Parsed } from './format.ts'
import { parseJson } from './json.ts'
import { parseLogfmt } from './logfmt.ts'
import { parseSyslog } from './syslog.ts'
import { timeTold } from './time.ts'

const options = z
  .strictObject({
    field: fieldPath()
      .describe('The string to take apart.')
      .meta({ examples: ['message'] }),
    format: z
      .enum(['json', 'regex', 'logfmt', 'syslog', 'common_log'])
      .describe(
        'What the string holds: a JSON object, what `regex` describes, logfmt (key=value pairs), a syslog message (RFC 5424 or 3164), or a line of a web server (common or combined log format).',
      )
      .meta({ examples: ['json'] }),
    regex: regex()
      .optional()
      .describe(
        'For `format: regex`, an expression in RE2 syntax whose named groups, as in (?<name>…), become fields.',
      )
      .meta({ examples: ['^(?<level>[A-Z]+) (?<text>.*)$'] }),
    into: fieldPath()
      .optional()
      .describe(
        'The object that takes the fields; it replaces what is there. If absent, the fields are merged into the record at its top level and replace those of the same name.',
      )
      .meta({ examples: ['data.parsed'] }),
    time: z
      .string()
      .min(1)
      .optional()
      .describe(
        'Which of the fields that were found tells the `_time` of the event: as RFC 3339, as web servers write it (10/Oct/2000:13:55:36 -0700), or as seconds or milliseconds since 1970.',
      )
      .meta({ examples: ['timestamp'] }),
    numbers: z
      .boolean()
      .default(false)
      .describe('For regex and logfmt, whether values that read as numbers become numbers.'),
    keep_source: z
      .boolean()
      .default(true)
      .describe('Whether the string stays in the record once it has been taken apart.'),
    on_error: z
      .enum(['keep', 'reject', 'discard'])
      .default('keep')
      .describe(
        'What becomes of an event whose string cannot be read: it goes on as it is, it goes to the rejects with the reason, or it ends here.',
      ),
  })
  .superRefine((options, context) => {
    if (options.format === 'regex' && !options.regex) {
      context.addIssue({
        code: 'custom',
        path: ['format'],
        message: 'format "regex" needs the option regex',
      })
    }
    if (options.format !== 'regex' && options.regex) {
      context.addIssue({
        code: 'custom',
        path: ['regex'],
        message: `regex is not used with format "${options.format}"; write format: regex`,
      })
    }
    if (options.regex && options.regex.groupNames.length === 0) {
      context.addIssue({
        code: 'custom',
        path: ['regex'],
        message: 'the regex has no named group, so there would be no field; write (?<name>…)',
      })
    }
  })

type Options = z.output<typeof options>

/** The function that reads one string. */
function reader({ format, regex, numbers }: Options): (text: string) => Parsed {
  switch (format) {
    case 'json':
      return parseJson
    case 'logfmt':
      return text => parseLogfmt(text, numbers)
    case 'syslog':
      return parseSyslog
    case 'common_log':
      return parseCommonLog
    case 'regex':
      return text => {
        const match = regex?.exec(text)
        if (!match) return 'the regex does not match'
        const members = new Map<string, string>()
        for (const [name, value] of Object.entries(match.groups)) {
          members.set(name, jsonText(value, numbers))
        }
        return members
      }
  }
}

/** The edits that put the members, and the time that they tell, into the record. */
function editsFor(
  members: ReadonlyMap<string, string>,
  time: string | undefined,
  options: Options,
): Edit[] {
  const { field, into, keep_source } = options
  const edits: Edit[] = keep_source ? [] : [{ op: 'remove', path: field }]
  if (into) {
    const inside = [...members].map(([name, text]) => `${JSON.stringify(name)}:${text}`)
    edits.push({ op: 'put', path: into, text: `{${inside.join(',')}}` })
  } else {
    for (const [name, text] of members) edits.push({ op: 'put', path: [name], text })
  }
  if (time !== undefined) edits.push({ op: 'put', path: ['_time'], text: time })
  return edits
}

class Parser {
  readonly #options: Options
  readonly #context: Context
  readonly #read: (text: string) => Parsed
  readonly #name: string

  constructor(options: Options, context: Context) {
    this.#options = options
    this.#context = context
    this.#read = reader(options)
    this.#name = formatPath(options.field)
  }

  batch(batch: Batch): Batch | undefined {
    const { meters } = this.#context
    const { field, on_error } = this.#options
    const texts = new Array<string | undefined>(batch.count)
    const rows: number[] = []
    let failed = 0
    let skipped = 0
    for (let row = 0; row < batch.count; row++) {
      const text = batch.text(row)
      const source = valueTextAt(text, field)
      if (source === undefined || !isStringAt(source, 0)) {
        skipped++
        rows.push(row)
        continue
      }
      const parsed = this.#parse(decodeString(source, 0, source.length))
      if (typeof parsed !== 'string') {
        texts[row] = editLine(text, editsFor(parsed, this.#time(parsed), this.#options))
        rows.push(row)
        continue
      }
      failed++
      if (on_error === 'keep') rows.push(row)
      else if (on_error === 'reject') this.#reject(batch, row, parsed)
    }
    if (skipped > 0) meters.add('skipped_total', skipped)
    if (failed > 0) {
      meters.error('parse_failed', failed)
      if (on_error === 'discard') meters.discarded('parse_failed', failed, true)
    }
    if (rows.length === 0) {
      batch.release(on_error === 'reject' ? 'dropped' : 'discarded')
      return undefined
    }
    const edited = batch.replace(texts)
    return rows.length < batch.count ? edited.select(rows) : edited
  }

  #parse(text: string): Parsed {
    try {
      return this.#read(text)
    } catch {
      // A value of many megabytes can be more than the expressions of a format have room for.
      return 'it is too long to be read'
    }
  }

  /** The time that the fields tell; undefined where none is wanted or none can be read. */
  #time(members: ReadonlyMap<string, string>): string | undefined {
    const { time } = this.#options
    if (time === undefined) return undefined
    const told = timeTold(members.get(time) ?? 'null')
    if (told === undefined) this.#context.meters.error('time_not_read')
    return told
  }

  #reject(batch: Batch, row: number, why: string): void {
    this.#context.reject({
      reason: 'parse_failed',
      explanation: `The field ${this.#name} cannot be read as ${this.#options.format}: ${why}.`,
      bytes: Buffer.from(batch.line(row)),
      origin: batch.origin,
    })
  }
}

export const parse = defineTransform({
  name: 'parse',
  summary: 'Takes a string of a record apart into fields.',
  description: `Fields from \`json\` keep their exact bytes. From \`syslog\` come facility and severity (by name), version, timestamp,
hostname, appname, procid, msgid, structured_data and message; from \`common_log\` host, identity, user, timestamp, method,
path, protocol, status, size, referrer, agent and forwarded_for (where the line ends with it, as nginx's \`main\` format
does); what a line leaves out as \`-\` is left out. Timestamps stay as they were written; \`time: timestamp\` makes one the
\`_time\` of the event. A time that cannot be read (the older syslog form has no year and no zone) leaves \`_time\` as it
was and is counted as the error \`time_not_read\`. An event without the string passes unchanged and is counted in \`skipped_total\`; one whose string cannot be
read is counted as the error \`parse_failed\`, and \`on_error\` says what becomes of it. Order is kept.`,
  options,
  examples: [
    {
      title: 'JSON that a program logged as text',
      yaml: 'type: parse\nfield: data.message\nformat: json\ninto: data.log\nkeep_source: false',
    },
    {
      title: 'A format of your own',
      yaml: "type: parse\nfield: message\nformat: regex\nregex: '^(?<level>[A-Z]+) took (?<ms>[0-9]+) ms$'\nnumbers: true",
    },
    {
      title: 'Access logs of nginx, with what cannot be read put aside',
      yaml: 'type: parse\nfield: message\nformat: common_log\ninto: request\ntime: timestamp\non_error: reject',
    },
  ],
  create(options, context) {
    const parser = new Parser(options, context)
    return eachBatch(batch => parser.batch(batch))
  },
})
