/** Source `tcp`: NDJSON or lines of text from TCP connections, with TLS and a token where asked for. */
import { z } from 'zod'
import { lineDecoders } from '../codec/line-decoder.ts'
import { lineOptions } from '../codec/line-options.ts'
import { defineSource } from '../component/define.ts'
import { address } from '../component/options.ts'
import { connectionOptions, tlsOption } from '../transport/connection-options.ts'
import { intake } from '../transport/intake.ts'
import { listen } from '../transport/listen.ts'

export const tcp = defineSource({
  name: 'tcp',
  summary: 'Takes NDJSON or lines of text from TCP connections.',
  description: `
Listens for TCP connections and makes one event of each line. Any sender will do: \`nc\`, \`socat\`, a
log shipper, another edge.

**Delivery.** TCP has no acknowledgement that a sender could wait for, so what the edge has read is
delivered at least once, and what was still under way when the edge stops or the connection breaks is
lost. When the edge stops in order it first reads all that has already arrived, for up to a second. When the sinks are slow
the edge stops reading, and the sender's writes block: nothing is lost by that.

**Order** is kept within a connection, not between connections.

**What cannot be taken** is counted by reason, kept with the rejected input, and harms no other line:
\`invalid_json\`, \`invalid_utf8\`, \`not_an_object\`, \`too_deep\` (over 1000 levels), \`line_too_long\`,
\`truncated\` (the connection ended in the middle of a line), \`too_many_unfinished_lines\`. A last line
without a newline is taken if it is whole. Blank lines are skipped; a carriage return before the newline
is left out.

**Bytes.** A JSON line passes byte for byte: numbers beyond 2^53, duplicate keys and the order of keys
stay as they were sent. Duplicate keys are not looked for; an expression sees the last of them.

A connection whose peer has vanished without a word is noticed by TCP keep-alive, or closed after
\`idle_timeout\`.
`,
  options: z.strictObject({
    listen: address('tcp')
      .describe(
        'Address to listen on. Port 0 takes any free port. Use 127.0.0.1 unless other machines shall send, and then `tls` and `token` too.',
      )
      .meta({ examples: ['tcp://127.0.0.1:10060'] }),
    ...lineOptions(),
    tls: tlsOption(),
    ...connectionOptions(),
  }),
  examples: [
    { title: 'NDJSON from this machine', yaml: 'type: tcp\nlisten: tcp://127.0.0.1:10060' },
    {
      title: 'Text lines from other machines, with TLS and a token',
      yaml: [
        'type: tcp',
        'listen: tcp://0.0.0.0:10060',
        'format: lines',
        'token: ${file:/etc/scopeline/token}',
        'tls:',
        '  cert: /etc/scopeline/server.pem',
        '  key: /etc/scopeline/server-key.pem',
      ].join('\n'),
    },
  ],
  listens: options => [options.listen],
  create(options, context) {
    const connections = listen(options.listen, options, context)
    return intake(connections, { ...options, decoder: lineDecoders(options, context) }, context)
  },
})
