/** Source `unix`: NDJSON or lines of text from unix stream sockets, abstract ones included. */
import { z } from 'zod'
import { lineDecoders } from '../codec/line-decoder.ts'
import { lineOptions } from '../codec/line-options.ts'
import { defineSource } from '../component/define.ts'
import { address } from '../component/options.ts'
import { connectionOptions } from '../transport/connection-options.ts'
import { intake } from '../transport/intake.ts'
import { listen, socketMode } from '../transport/listen.ts'

export const unix = defineSource({
  name: 'unix',
  summary: 'Takes NDJSON or lines of text from a unix socket.',
  description: `
Like \`tcp\`, on a unix stream socket. The socket's file is made with mode \`0600\` unless \`mode\` says
otherwise, so only the same user (and root) can connect; its directory is made if it is not there. A
file left behind by an edge that was killed is removed, one that someone listens on is not. Abstract
sockets (\`unix://@name\`) have no file and no permissions: any process of the same network namespace can
connect, so give them a \`token\`.

Delivery, order and what happens to input that cannot be taken are as for \`tcp\`.
`,
  options: z.strictObject({
    listen: address('unix')
      .describe('Path of the socket, or `@` and a name for an abstract socket.')
      .meta({ examples: ['unix:///run/scopeline/in.sock', 'unix://@scopeline'] }),
    mode: socketMode(),
    ...lineOptions(),
    ...connectionOptions(),
  }),
  examples: [
    { title: 'A socket of one user', yaml: 'type: unix\nlisten: unix:///run/scopeline/in.sock' },
    {
      title: 'An abstract socket, with a token',
      yaml: 'type: unix\nlisten: unix://@scopeline\ntoken: ${SCOPELINE_TOKEN}',
    },
  ],
  listens: options => [options.listen],
  create(options, context) {
    const connections = listen(options.listen, options, context)
    return intake(connections, { ...options, decoder: lineDecoders(options, context) }, context)
  },
})
