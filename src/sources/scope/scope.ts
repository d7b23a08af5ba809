/** Source `scope`: events and metrics of scoped programs, in AppScope's NDJSON protocol. */
import { merge } from 'rxjs'
import { z } from 'zod'
import { allowanceFor } from '../../codec/line-buffer.ts'
import { maxLineBytes } from '../../codec/line-options.ts'
import { defineSource } from '../../component/define.ts'
import { address, size } from '../../component/options.ts'
import { connectionOptions, tlsOption } from '../../transport/connection-options.ts'
import { intake } from '../../transport/intake.ts'
import { listen, socketMode } from '../../transport/listen.ts'
import { ScopeDecoder } from './decoder.ts'

export const scope = defineSource({
  name: 'scope',
  summary: "Takes events and metrics of scoped programs, in AppScope's protocol.",
  description: `
Listens on unix, abstract unix and TCP sockets for programs that run under \`libscope\`, AppScope's or
ours. Each program opens a connection, tells in its first line who it is, and then sends one message a
line. An event of the edge is the *body* of an \`evt\` or \`metric\` message, byte for byte, so that
expressions read \`sourcetype == "http" && data.http_status_code >= 500\`; \`envelope: true\` keeps the
whole message.

| message | what becomes of it |
|---|---|
| process start | the event \`process.start\` (unless \`process_start: false\`), and facts that go along with the connection: host, proc, pid, cmd, uuid, … The token and the configuration in it are never kept. |
| \`evt\`, \`metric\` | an event: its body |
| \`info\` | an event \`scope.info\` with the text in \`data.message\` |
| \`resp\` | counted |
| \`payload\` | its raw bytes are skipped and counted, or become an event with \`payloads: record\` |

**Delivery, order, back-pressure** are as for \`tcp\`: at least once from the moment that the edge has read
it, in order within a connection; when the sinks are slow the edge stops reading, and the programs'
library then queues and at last drops, as AppScope does when its receiver is slow.

**What cannot be taken** is counted by reason and kept with the rejected input, and the connection goes
on: the reasons of \`tcp\`, and \`unknown_message\`, \`no_body\`, \`bad_payload\`. A payload or line that
the connection ended in is \`truncated\`.

Unix sockets get mode \`mode\`: with the default only programs of the same user can connect. Abstract names
(\`unix://@name\`) have no permissions: every user of the machine can connect, so set \`token\`. They need the
native addon. TLS is for TCP addresses alone.
`,
  options: z.strictObject({
    listen: z
      .union([address('unix', 'tcp'), z.array(address('unix', 'tcp')).min(1)])
      .prefault('unix:///run/scopeline/edge.sock')
      .describe('Address to listen on, or a list of them.')
      .meta({
        examples: [
          'unix:///run/scopeline/edge.sock',
          ['unix://@scopeline', 'tcp://127.0.0.1:9109'],
        ],
      }),
    mode: socketMode(),
    tls: tlsOption(),
    ...connectionOptions(),
    envelope: z
      .boolean()
      .default(false)
      .describe('Keeps whole messages, with `type`, `id` and `_channel`, not only their bodies.'),
    process_start: z
      .boolean()
      .default(true)
      .describe('Makes an event `process.start` of each process start.'),
    payloads: z
      .enum(['discard', 'record'])
      .default('discard')
      .describe(
        'What becomes of raw payloads. `record` makes an event of each, with its bytes in base64 in `data.payload`.',
      ),
    max_payload_bytes: size()
      .prefault('64KiB')
      .describe(
        'How many bytes of a payload are kept with `payloads: record`. Of a larger one the rest is skipped, and `data.payload_kept` says how many were kept.',
      ),
    max_line_bytes: maxLineBytes(),
  }),
  examples: [
    { title: 'Programs of this machine', yaml: 'type: scope' },
    {
      title: 'A unix socket for all users, and TCP for containers',
      yaml: [
        'type: scope',
        'listen: [unix:///run/scopeline/edge.sock, tcp://127.0.0.1:9109]',
        "mode: '0666'",
      ].join('\n'),
    },
    {
      title: 'TLS with the token that the programs are configured with',
      yaml: [
        'type: scope',
        'listen: tcp://0.0.0.0:10091',
        'token: ${SCOPE_TOKEN}',
        'tls:',
        '  cert: /etc/scopeline/server.pem',
        '  key: /etc/scopeline/server-key.pem',
      ].join('\n'),
    },
  ],
  listens: options => [options.listen].flat(),
  create(options, context) {
    const { tls, max_connections, mode } = options
    const connections = [options.listen].flat().map(where => {
      const secured = where.scheme === 'tcp' ? tls : undefined
      return listen(where, { tls: secured, max_connections, mode }, context)
    })
    const settings = { ...options, allowance: allowanceFor(options.max_line_bytes) }
    return intake(
      merge(...connections),
      {
        token: options.token,
        keepTokenLine: true,
        idle_timeout: options.idle_timeout,
        decoder: (origin, emit) => new ScopeDecoder(settings, origin, context, emit),
      },
      context,
    )
  },
})
