/** The options that sources with connections share. */
import { z } from 'zod'
import { duration, secret } from '../component/options.ts'
import { serverTls } from './tls.ts'

/** `token`, `max_connections` and `idle_timeout`. */
export function connectionOptions() {
  return {
    token: secret()
      .optional()
      .describe(
        'What a peer must show in the first line of its connection, as `token <value>` or as the field `authToken` of a JSON object. A connection without it is closed within 10 s and counted.',
      ),
    max_connections: z
      .int()
      .positive()
      .default(1024)
      .describe('Connections that may be open at once. More are closed at once and counted.'),
    idle_timeout: duration()
      .optional()
      .describe('Closes a connection that has sent nothing for so long. Never when it is left out.')
      .meta({ unit: 'duration', examples: ['10m'] }),
  }
}

/** The `tls` option of sources that listen on TCP. */
export function tlsOption() {
  return serverTls()
    .optional()
    .describe('Speaks TLS on TCP addresses, with this certificate. Plain TCP when it is left out.')
    .meta({
      examples: [{ cert: '/etc/scopeline/server.pem', key: '/etc/scopeline/server-key.pem' }],
    })
}
