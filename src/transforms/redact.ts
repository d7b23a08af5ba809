/** redact: takes secrets and personal data out of records. */
import { z } from 'zod'
import { regex } from '../codec/pattern.ts'
import { BUILTIN_NAMES, builtinPattern, type RedactionPattern } from '../codec/redaction/builtin.ts'
import { customPattern, RedactedFields, Redactor } from '../codec/redaction/redactor.ts'
import type { Replacement } from '../codec/redaction/replacement.ts'
import { defineTransform } from '../component/define.ts'
import { eachBatch } from '../component/operator.ts'
import { fieldPath, problem, secret } from '../component/options.ts'

const customOption = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z_][\w-]*$/, 'a pattern’s name consists of letters, digits, _ and -')
      .describe('What the pattern is called in replacements and counters.')
      .meta({ examples: ['token'] }),
    regex: regex().describe(
      'What to look for, in RE2 syntax, which takes linear time: no look-around and no back-references. (?i) at the start ignores case.',
    ),
    group: z
      .union([z.int().nonnegative(), z.string().min(1)])
      .optional()
      .describe('Number or name of the group to replace. The whole match if absent.')
      .meta({ examples: [1, 'value'] }),
  })
  .superRefine(({ regex, group }, context) => {
    if (group === undefined) return
    const known =
      typeof group === 'number' ? group <= regex.groupCount : regex.groupNames.includes(group)
    if (known) return
    const has =
      regex.groupNames.length > 0
        ? `its named groups are ${regex.groupNames.join(', ')}`
        : `it has ${regex.groupCount} groups`
    context.addIssue({
      code: 'custom',
      path: ['group'],
      message: `the regex has no group ${JSON.stringify(group)}; ${has}`,
    })
  })

const template = z.string().transform((text, context): Replacement => {
  const unknown = /\{(?!name\})[^}]*\}?/.exec(text)
  if (unknown) {
    return problem(
      context,
      `"${unknown[0]}" is not known in a replacement; {name} stands for the pattern's name`,
      unknown.index,
      unknown[0].length,
    )
  }
  return { template: text }
})

const hash = z
  .strictObject({
    hash: secret().describe('Key of the hash. Without it nobody can try out what was hashed.'),
    length: z
      .int()
      .min(4)
      .max(64)
      .default(8)
      .describe('How many hexadecimal digits of the HMAC-SHA256 to show.'),
  })
  .transform((options): Replacement => options)

const mask = z
  .strictObject({
    keep_last: z
      .int()
      .min(0)
      .max(64)
      .describe(
        'How many characters at the end of a match stay readable; never more than half of it.',
      )
      .meta({ examples: [4] }),
    mask: z
      .string()
      .min(1)
      .max(8)
      .default('*')
      .describe('What takes the place of each of the other characters.'),
  })
  .transform(({ keep_last, mask }): Replacement => ({ keepLast: keep_last, mask }))

const options = z.strictObject({
  fields: z
    .array(fieldPath())
    .min(1)
    .optional()
    .describe(
      'Where to look: strings at these paths and everywhere below them. Every string of the record if absent; keys are never changed.',
    )
    .meta({ examples: [['data.message', 'data.http_target']] }),
  patterns: z
    .array(z.union([z.enum([...BUILTIN_NAMES, 'all']), customOption]))
    .min(1)
    .default(['all'])
    .describe(
      'What to look for: names of built-in patterns, `all` for every one of them, and expressions of your own.',
    )
    .meta({ examples: [['email', 'card', { name: 'token', regex: 'tok_[a-z0-9]+' }]] }),
  with: z
    .union([template, hash, mask])
    .prefault('<{name}>')
    .describe(
      'What takes the place of a match: text with {name} for the pattern, `{hash: KEY}` for a keyed hash such as <card:9f86d081>, or `{keep_last: 4}` for a mask.',
    )
    .meta({ examples: ['<{name}>', { keep_last: 4 }] }),
  numbers: z
    .boolean()
    .default(true)
    .describe('Whether JSON numbers whose digits are those of a card are replaced, by a string.'),
})

function readPatterns(entries: z.output<typeof options>['patterns']): RedactionPattern[] {
  const patterns = new Map<string, RedactionPattern>()
  for (const entry of entries) {
    if (typeof entry === 'string') {
      const names = entry === 'all' ? BUILTIN_NAMES : [entry]
      for (const name of names) patterns.set(`built-in ${name}`, builtinPattern(name))
    } else {
      patterns.set(`own ${patterns.size}`, customPattern(entry.name, entry.regex, entry.group))
    }
  }
  return [...patterns.values()]
}

export const redact = defineTransform({
  name: 'redact',
  summary: 'Replaces secrets and personal data within the strings of a record.',
  description: [
    'Looks into every string, or those at `fields`, and replaces what matches; all else keeps its exact bytes. Order is kept and no event is lost. Escapes in the JSON hide nothing.',
    '',
    'Built-in: `email` (also with %40), `card` (13 to 19 digits, with blanks or hyphens, check digit right, not starting with 0 or 1), `ipv4`, `ipv6` (not 0.0.0.0, :: and other networks without a host), `iban` (country, length and check digits right), `bearer` (credentials of Bearer and Basic), `aws_access_key`, `aws_secret_key` (40 characters that look drawn at random), `jwt`, `private_key` (PEM, also when cut off).',
    '',
    'Where matches overlap, the one that starts first wins, then the longest; all of the overlap is replaced. If an expression cannot be carried through on a value, the whole value is replaced and `redaction_failed` is counted. `redactions_total` counts by pattern. Keys are not changed, and a secret that is spread over several values is not found.',
  ].join('\n'),
  options,
  examples: [
    {
      title: 'Everything that is known, everywhere',
      yaml: 'type: redact\npatterns: [all]',
    },
    {
      title: 'Some fields, with a pattern of your own',
      yaml: "type: redact\nfields: [data.message, data.http_target]\npatterns: [email, card, { name: token, regex: 'tok_[a-z0-9]+' }]",
    },
    {
      title: 'The last four digits of a card stay',
      yaml: 'type: redact\npatterns: [card]\nwith: { keep_last: 4 }',
    },
  ],
  create(options, context) {
    const redactor = new Redactor(readPatterns(options.patterns), options.with, {
      numbers: options.numbers,
    })
    const where = options.fields && new RedactedFields(options.fields)
    return eachBatch(batch => {
      const redacted = redactor.redactBatch(batch, where)
      for (const [pattern, count] of redactor.takeCounts()) {
        context.meters.add('redactions_total', count, { pattern })
      }
      const failures = redactor.takeFailures()
      if (failures > 0) context.meters.error('redaction_failed', failures)
      return redacted
    })
  },
})
