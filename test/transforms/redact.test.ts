import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { from } from 'rxjs'
import t from 'tap'
import type { Outcome } from '../../src/batch/lease.ts'
import { linearRegex, PatternError } from '../../src/codec/pattern.ts'
import {
  allBuiltinPatterns,
  BUILTIN_NAMES,
  type BuiltinName,
  builtinPattern,
} from '../../src/codec/redaction/builtin.ts'
import { customPattern, Redactor } from '../../src/codec/redaction/redactor.ts'
import { redact } from '../../src/transforms/redact.ts'
import { batchOf, collect, testContext } from '../context.ts'

// Made of pieces, so that nobody who scans this repository for secrets stops here.
const AWS_ID = `AKIA${'IOSFODNN7EXAMPLE'}`
const AWS_KEY = `wJalrXUtnFEMI/K7MDENG/${'bPxRfiCYEXAMPLEKEY'}`
const JWT = `eyJhbGciOiJIUzI1NiJ9.${'eyJzdWIiOiIxMjM0In0'}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1g`
const PEM = `-----BEGIN RSA ${'PRIVATE KEY'}-----\nMIIEpAIBAAKCAQEA\n-----END RSA ${'PRIVATE KEY'}-----`

/** For each pattern: texts and what becomes of them. `=` stands for "stays as it is". */
const CORPUS: Record<BuiltinName, [text: string, expected: string][]> = {
  email: [
    ['jane@example.com', '<email>'],
    ['from "Jane" <jane.doe+tag@mail.example.co.uk>, ok', 'from "Jane" <<email>>, ok'],
    ['write to jane@example.com.', 'write to <email>.'],
    ['write to jane@example.com. Now', 'write to <email>. Now'],
    ['GET /s?mail=jane%40example.com&x=1', 'GET /s?mail=<email>&x=1'],
    ["it's 'jane@example.com'", "it's '<email>'"],
    ['a@b.co,c@d.org', '<email>,<email>'],
    ['jörg@müller.de', '<email>'],
    ['jane@xn--mller-kva.xn--p1ai', '<email>'],
    ['user@localhost', '='],
    ['react@18.2.0', '='],
    ['@decorator', '='],
    ['a@', '='],
    ['a@b..com', '='],
    ['50%4000', '='],
  ],
  card: [
    ['4111111111111111', '<card>'],
    ['4111 1111 1111 1111', '<card>'],
    ['paid with 4111-1111-1111-1111.', 'paid with <card>.'],
    ['378282246310005', '<card>'],
    ['3782 822463 10005', '<card>'],
    ['30569309025904', '<card>'],
    ['6011111111111117 5555555555554444', '<card> <card>'],
    ['2223003122003222', '<card>'],
    ['4222222222222', '<card>'],
    ['1 4111 1111 1111 1111 2025', '1 <card> 2025'],
    ['4111 1111 1111 1111 123', '<card> 123'],
    ['card=4111111111111111&cvc=123', 'card=<card>&cvc=123'],
    ['pan_4111111111111111', 'pan_<card>'],
    ['4111111111111112', '='],
    ['1234567890123456', '='],
    ['1795223823063', '='],
    ['1795223823063128900', '='],
    ['0.4111111111111111', '='],
    ['41111111111111111111111111', '='],
    ['411111111111', '='],
    ['d4111111111111111e', '='],
    ['4111  1111  1111  1111', '='],
  ],
  ipv4: [
    ['127.0.0.1', '<ipv4>'],
    ['from 10.1.2.3:8080 to 192.168.0.255.', 'from <ipv4>:8080 to <ipv4>.'],
    ['http://10.0.0.1/x', 'http://<ipv4>/x'],
    ['10.0.0.1-10.0.0.9', '<ipv4>-<ipv4>'],
    ['[10.0.0.1]', '[<ipv4>]'],
    ['version 1.2.3', '='],
    ['v1.2.3.4', '='],
    ['1.2.3.4.5', '='],
    ['256.1.1.1', '='],
    ['1.2.3.400', '='],
    ['Chrome/120.0.0.0 Safari/537.36', '='],
    ['Edg/91.0.864.59', '='],
    ['0.0.0.0', '='],
    ['1795223823.0631289', '='],
    ['1.3.6.1.4.1.311', '='],
  ],
  ipv6: [
    ['2001:db8::1', '<ipv6>'],
    ['[2001:db8::1]:443', '[<ipv6>]:443'],
    ['from fe80::1ff:fe23:4567:890a, then', 'from <ipv6>, then'],
    ['2001:0db8:0000:0000:0000:ff00:0042:8329', '<ipv6>'],
    ['::ffff:10.0.0.1', '<ipv6>'],
    ['0:0:0:0:0:ffff:10.0.0.1', '<ipv6>'],
    ['::1', '<ipv6>'],
    ['it is 2001:db8::1.', 'it is <ipv6>.'],
    ['2001:db8::', '<ipv6>'],
    ['fe80::1%eth0', '<ipv6>%eth0'],
    ['0::/', '='],
    ['::', '='],
    ['std::string', '='],
    ['dead::beef', '='],
    ['12:30:45', '='],
    ['00:1a:2b:3c:4d:5e', '='],
    ['a::b::1', '='],
    ['https://x:443', '='],
  ],
  iban: [
    ['DE89370400440532013000', '<iban>'],
    ['DE89 3704 0044 0532 0130 00 AND MORE', '<iban> AND MORE'],
    ['GB82-WEST-1234-5698-7654-32', '<iban>'],
    ['iban:FR1420041010050500013M02606.', 'iban:<iban>.'],
    ['NO9386011117947', '<iban>'],
    ['DE89370400440532013001', '='],
    ['DE8937040044053201300', '='],
    ['DE893704004405320130000', '='],
    ['XX89370400440532013000', '='],
    ['UTF16 AB12 CD34', '='],
  ],
  bearer: [
    ['Authorization: Bearer abc123def456', 'Authorization: Bearer <bearer>'],
    ['bearer%20sometoken9', 'bearer%20<bearer>'],
    [`Bearer ${JWT}`, 'Bearer <bearer>'],
    ['Basic dXNlcjpwYXNzd29yZA==', 'Basic <bearer>'],
    ['BEARER\tabcdefghijklmnopqrstuvwxyz', 'BEARER\t<bearer>'],
    ['basic information', '='],
    ['bearer authentication', '='],
    ['Bearer x', '='],
    ['forbearer abc123def456', '='],
  ],
  aws_access_key: [
    [AWS_ID, '<aws_access_key>'],
    [`key=${AWS_ID}&x`, 'key=<aws_access_key>&x'],
    [AWS_ID.replace('AKIA', 'ASIA'), '<aws_access_key>'],
    [`${AWS_ID}X`, '='],
    [`X${AWS_ID}`, '='],
    [AWS_ID.toLowerCase(), '='],
  ],
  aws_secret_key: [
    [AWS_KEY, '<aws_secret_key>'],
    [`AWS_SECRET_ACCESS_KEY=${AWS_KEY}`, 'AWS_SECRET_ACCESS_KEY=<aws_secret_key>'],
    ['da39a3ee5e6b4b0d3255bfef95601890afd80709', '='],
    ['DA39A3EE5E6B4B0D3255BFEF95601890AFD80709', '='],
    [`${AWS_KEY}A`, '='],
    ['/usr/local/lib/node1/Modules/aaaaaaaaaaa', '='],
    ['A1a'.padEnd(40, 'a'), '='],
  ],
  jwt: [
    [JWT, '<jwt>'],
    [`token=${JWT}; Path=/`, 'token=<jwt>; Path=/'],
    [`${JWT}.seg4.seg5`, '<jwt>'],
    [JWT.slice(0, JWT.lastIndexOf('.') + 1), '<jwt>'],
    ['eyJhbGciOiJIUzI1NiJ9', '='],
    ['eyJ.eyJ.x', '='],
    ['heyJude.wasGreat.song', '='],
  ],
  private_key: [
    [PEM, '<private_key>'],
    [`a ${PEM}\n${PEM} b`, 'a <private_key>\n<private_key> b'],
    [PEM.slice(0, 50), '<private_key>'],
    [PEM.replaceAll('RSA ', ''), '<private_key>'],
    [PEM.replaceAll('RSA', 'OPENSSH'), '<private_key>'],
    [PEM.replaceAll('PRIVATE', 'PUBLIC'), '='],
    ['PRIVATE KEY', '='],
  ],
}

t.test('each built-in pattern finds what it should, and leaves what it should not', async t => {
  for (const name of BUILTIN_NAMES) {
    const redactor = new Redactor([builtinPattern(name)])
    for (const [text, outcome] of CORPUS[name]) {
      const expected = outcome === '=' ? text : outcome
      const line = redactor.redactLine(JSON.stringify({ a: [text] }))
      t.equal(JSON.parse(line).a[0], expected, `${name}: ${text}`)
    }
  }
})

t.test('no escape hides a secret from the search in the raw line', async t => {
  const escaped = (text: string) =>
    Array.from(text, char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')
  for (const name of BUILTIN_NAMES) {
    const redactor = new Redactor([builtinPattern(name)])
    for (const [text, outcome] of CORPUS[name]) {
      if (outcome === '=') continue
      const all = JSON.parse(redactor.redactLine(`{"a":"${escaped(text)}"}`))
      t.equal(all.a, outcome, `${name}: all escaped`)
      const slashes = JSON.stringify({ a: text }).replaceAll('/', '\\/')
      t.equal(JSON.parse(redactor.redactLine(slashes)).a, outcome, `${name}: slashes escaped`)
      const broken = JSON.parse(redactor.redactLine(JSON.stringify({ a: `\n${text}\n` })))
      // A key that was cut off reaches to the end of the value.
      const end = text === PEM.slice(0, 50) ? '' : '\n'
      t.equal(broken.a, `\n${outcome}${end}`, `${name}: between line breaks`)
    }
  }
})

t.test('what the search in the raw line lets pass holds nothing', async t => {
  const pieces = Object.values(CORPUS).flatMap(samples => samples.map(([text]) => text))
  const fragments = pieces.flatMap(text => [
    text,
    text.slice(0, text.length / 2),
    ' ',
    '"',
    '\\',
    ':',
  ])
  const careless = allBuiltinPatterns().map(pattern => ({ ...pattern, may: () => true }))
  const text = fc
    .array(fc.oneof(fc.constantFrom(...fragments), fc.string({ maxLength: 4 })), { maxLength: 6 })
    .map(parts => parts.join(''))
  fc.assert(
    fc.property(text, text, (a, b) => {
      const line = JSON.stringify({ a, nested: [{ b }] })
      const quick = new Redactor(allBuiltinPatterns()).redactLine(line)
      JSON.parse(quick)
      return quick === new Redactor(careless).redactLine(line)
    }),
    { numRuns: 3000 },
  )
  t.pass()
})

t.test('clean lines keep their exact bytes, and so does all around a secret', async t => {
  const redactor = new Redactor(allBuiltinPatterns())
  const clean = '{ "n":9007199254740993,"f":1.0, "s":"\\u0041\\/","k":"x","k":"y"}'
  t.equal(redactor.redactLine(clean), clean)
  const dirty = clean.replace('"x"', '"jane@example.com"')
  t.equal(redactor.redactLine(dirty), clean.replace('"x"', '"<email>"'))
  const sample = readFileSync(new URL('../samples/appscope-redis.ndjson', import.meta.url), 'utf8')
  for (const line of sample.trimEnd().split('\n')) {
    if (new Redactor([builtinPattern('ipv4')]).redactLine(line) === line) continue
    t.notMatch(redactor.redactLine(line), /\b(?:\d{1,3}\.){3}[1-9]\d{0,2}\b/)
  }
})

t.test('keys are left, duplicates are not', async t => {
  const redactor = new Redactor(allBuiltinPatterns())
  t.equal(
    redactor.redactLine('{"a@b.co":"a@b.co","x":"c@d.org","x":"e@f.org"}'),
    '{"a@b.co":"<email>","x":"<email>","x":"<email>"}',
  )
})

t.test('numbers that are cards are replaced by strings', async t => {
  const line =
    '{"a":4111111111111111,"b":[4111111111111111],"c":4111111111111112,"d":-1.5,"t":1795223823063}'
  t.equal(
    new Redactor([builtinPattern('card')]).redactLine(line),
    '{"a":"<card>","b":["<card>"],"c":4111111111111112,"d":-1.5,"t":1795223823063}',
  )
  t.equal(
    new Redactor([builtinPattern('card')], undefined, { numbers: false }).redactLine(line),
    line,
  )
  t.equal(new Redactor([builtinPattern('email')]).redactLine(line), line)
})

t.test(
  'where patterns overlap the leftmost wins, then the longest, and nothing is left',
  async t => {
    const patterns = [
      customPattern('short', linearRegex('abc')),
      customPattern('long', linearRegex('abcdef')),
      customPattern('later', linearRegex('efgh')),
    ]
    const redactor = new Redactor(patterns)
    t.equal(redactor.redactLine('{"a":"-abcdefgh-abc-"}'), '{"a":"-<long>-<short>-"}')
    t.same(
      [...redactor.takeCounts()],
      [
        ['long', 1],
        ['short', 1],
      ],
    )
    t.same([...redactor.takeCounts()], [])
  },
)

t.test('a group of a user’s expression can be replaced alone', async t => {
  const regex = linearRegex('password=(?<value>[^&]+)')
  for (const group of [1, 'value']) {
    const redactor = new Redactor([customPattern('password', regex, group)])
    t.equal(
      redactor.redactLine('{"q":"a=1&password=x&b=2"}'),
      '{"q":"a=1&password=<password>&b=2"}',
    )
  }
})

t.test('a pattern that fails masks the whole value', async t => {
  const throwing = {
    name: 'broken',
    may: () => true,
    find: () => {
      throw new Error('out of memory')
    },
  }
  const redactor = new Redactor([throwing], { keepLast: 4, mask: '*' })
  t.equal(redactor.redactLine('{"a":"secret value","n":1}'), '{"a":"<broken>","n":1}')
  t.equal(redactor.takeFailures(), 1)
  const givenUp = new Redactor([{ ...throwing, find: () => undefined }])
  t.equal(givenUp.redactLine('{"a":"secret value"}'), '{"a":"<broken>"}')
})

/** Texts of about 1 MiB on which careless expressions take quadratic time or more. */
const ADVERSARIAL = [
  '@',
  'a',
  'a@',
  'a.',
  '%40a',
  'a@b.',
  'a@b-.',
  '1',
  '4',
  '4 ',
  '4111 ',
  '4111111111111112 ',
  '1.',
  '1.1.1.',
  '255.255.255.2555.',
  ':',
  '1:',
  '::1',
  'f:f:f:f:f:f:f:',
  'A',
  'AA11 ',
  'DE89 3704 0044 0532 0130 0',
  'Bearer ',
  'bearer:',
  'basic +',
  'Basic abcdefgh',
  'AKIA',
  'AKIAAKIAAKIAAKIAAKI/',
  '/',
  'aA1/',
  'eyJ',
  'eyJ.',
  'eyJaaaaaa.',
  'eyJaaaaaaaa.aaaaaaaa ',
  '-----BEGIN PRIVATE KEY-----',
  '-----BEGIN ',
  '-----END PRIVATE KEY-----',
  '\\',
  '"',
  'é',
]

t.test('hostile values take time in proportion to their length', async t => {
  const redactor = new Redactor(allBuiltinPatterns())
  // No clock is read: what is quadratic here takes minutes and runs into the test's own time limit.
  for (const piece of ADVERSARIAL) {
    for (const end of ['', 'x', ' ']) {
      const value = piece.repeat(Math.ceil((1024 * 1024) / piece.length)) + end
      JSON.parse(redactor.redactLine(JSON.stringify({ a: value })))
    }
  }
  t.equal(redactor.takeFailures(), 0)
})

t.test('the transform counts by pattern and settles its lease once', async t => {
  const context = testContext()
  const outcomes: Outcome[] = []
  const options = redact.options.parse({
    fields: ['data.message', 'data.list'],
    patterns: ['email', 'card', { name: 'token', regex: 'tok_[a-z0-9]+' }],
  })
  const batch = batchOf(
    [
      '{"m":"a@b.co","data":{"message":"a@b.co, c@d.org tok_1x","n":1.0}}',
      '{"data":{"list":[{"x":"tok_2y"},4111111111111111]},"n":9007199254740993}',
      '{"clean":"tok_ "}',
    ],
    outcomes,
  )
  const { values } = collect(from([batch]).pipe(redact.create(options, context)))
  t.equal(
    values[0]?.toBuffer().toString(),
    `{"m":"a@b.co","data":{"message":"<email>, <email> <token>","n":1.0}}
{"data":{"list":[{"x":"<token>"},"<card>"]},"n":9007199254740993}
{"clean":"tok_ "}
`,
  )
  values[0]?.release('delivered')
  t.same(outcomes, ['delivered'])
  t.same(Object.fromEntries(context.totals), {
    'redactions_total{"pattern":"email"}': 2,
    'redactions_total{"pattern":"token"}': 2,
    'redactions_total{"pattern":"card"}': 1,
  })
  context.clean()
})

t.test('replacements: a template, a keyed hash, the last characters', async t => {
  const line = '{"a":"4111111111111111 jane@example.com"}'
  const run = (replacement: unknown) => {
    const context = testContext()
    const options = redact.options.parse({ patterns: ['all'], with: replacement })
    const { values } = collect(from([batchOf([line])]).pipe(redact.create(options, context)))
    context.clean()
    return values[0]?.text(0)
  }
  t.equal(run('[$& {name}/{name}]'), '{"a":"[$& card/card] [$& email/email]"}')
  t.equal(run(''), '{"a":" "}')
  const digest = (text: string) => createHmac('sha256', 'k').update(text).digest('hex')
  t.equal(
    run({ hash: 'k' }),
    `{"a":"<card:${digest('4111111111111111').slice(0, 8)}> <email:${digest('jane@example.com').slice(0, 8)}>"}`,
  )
  t.equal(run({ hash: 'k', length: 64 })?.includes(digest('4111111111111111')), true)
  t.equal(run({ keep_last: 4 }), '{"a":"************1111 ************.com"}')
  t.equal(run({ keep_last: 60, mask: '#' }), '{"a":"########11111111 ########mple.com"}')
})

t.test('redact says what is wrong with its options', async t => {
  const issue = (options: object) => redact.options.safeParse(options).error?.issues[0]
  t.match(JSON.stringify(issue({ patterns: [{ name: 'x', regex: 'a(?=b)' }] })), /looking ahead/)
  t.match(JSON.stringify(issue({ patterns: [{ name: 'x', regex: 'a', group: 1 }] })), /no group 1/)
  t.ok(issue({ patterns: ['e-mail'] }))
  t.match(JSON.stringify(issue({ with: '<{nmae}>' })), /\{name\} stands for/)
  t.ok(issue({ fields: [] }))
})

t.test('a user’s expression says where it is wrong and what to write instead', async t => {
  for (const [source, offset, words] of [
    ['a(?=b)', 1, /ahead or behind.*put the part you mean in a group/],
    ['(?<!a)b', 0, /ahead or behind/],
    ['(a)\\\\\\1', 5, /back to a group/],
    ['(?<n>a)\\k<n>', 7, /back to a group/],
    ['a(?>b)', 1, /atomic/],
    ['(a|(?R))', 3, /recursion/],
    ['[(?=]\\u0041', 5, /\\x\{263a\}/],
    ['x[a-', 1, /never closed/],
    ['(x)(y', 3, /never closed/],
    ['x)', 1, /closes nothing/],
    ['ab**', 2, /nested repetition.*\(\?:…\)/],
    ['a{1,2000}', 1, /1000 at most/],
    ['a\\', 1, /middle of an escape/],
    ['(?<n>a)(?<n>b)', 10, /two groups/],
  ] as const) {
    try {
      linearRegex(source)
      t.fail(source)
    } catch (error) {
      t.ok(error instanceof PatternError)
      t.match(error, { offset, message: words }, source)
    }
  }
})

t.test('a user’s expression runs in linear time and knows what it needs', async t => {
  for (const [source, literal] of [
    ['tok_[a-z0-9]+', 'tok_'],
    ['ab?c', 'a'],
    ['(abc)?d', 'd'],
    ['a}b{2,3}', 'a'],
    ['foo|bar', ''],
    ['(?i)abc', ''],
    ['a(?i:bc)', ''],
    ['x{0}y*z+', 'z'],
    ['\\Qab|c\\E', ''],
  ] as const) {
    t.equal(linearRegex(source).literal, literal, source)
  }
  t.equal(linearRegex('abc', 'i').literal, '')
  const regex = linearRegex('(?<y>a(b)?)c')
  t.match(regex.exec('xxabc'), {
    index: 2,
    end: 5,
    groups: { y: 'ab' },
    captures: ['abc', 'ab', 'b'],
  })
  t.same({ ...regex.exec('ac')?.groups }, { y: 'a' })
  t.equal(regex.exec('b'), undefined)
  t.equal(
    regex.replace('acabc', match => `<${match.groups['y']}>`),
    '<a><ab>',
  )
  t.equal(linearRegex('(a+)+$').test(`${'a'.repeat(1024 * 1024)}b`), false)
  const many = 'xab '.repeat(1 << 13)
  t.equal(
    linearRegex('x[a-z0-9]+').ranges(many)?.length,
    1 << 13,
    'many short matches are no matter',
  )
  t.equal(
    linearRegex('a.*b|a').ranges('a'.repeat(1024 * 1024)),
    undefined,
    'a search that reads to the end for each match is given up',
  )
})
