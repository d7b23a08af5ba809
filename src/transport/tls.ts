/** TLS as users configure it: the `tls:` blocks of servers and clients, and the reading of their PEM files. */
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import type { ConnectionOptions, TlsOptions } from 'node:tls'
import { createSecureContext } from 'node:tls'
import { z } from 'zod'

/** How long a peer may take for its handshake, milliseconds. */
const HANDSHAKE_LIMIT = 10_000

/** Options of a TLS server. */
export function serverTls() {
  return z.strictObject({
    cert: z
      .string()
      .min(1)
      .describe('PEM file with the certificate of this server, followed by its intermediates.')
      .meta({ unit: 'file', examples: ['/etc/scopeline/server.pem'] }),
    key: z
      .string()
      .min(1)
      .describe('PEM file with the private key of the certificate.')
      .meta({ unit: 'file', examples: ['/etc/scopeline/server-key.pem'] }),
    ca: z
      .string()
      .min(1)
      .optional()
      .describe(
        'PEM file with the authorities that sign client certificates. Needed when `client_certificate` is not `none`.',
      )
      .meta({ unit: 'file', examples: ['/etc/scopeline/clients-ca.pem'] }),
    client_certificate: z
      .enum(['none', 'optional', 'required'])
      .default('none')
      .describe(
        'Whether a client must show a certificate signed by `ca`. With `optional` a client without a certificate is let in too, one with a certificate that cannot be verified is not.',
      ),
  })
}
export type ServerTls = z.output<ReturnType<typeof serverTls>>

/** Options of a TLS client. */
export function clientTls() {
  return z.strictObject({
    ca: z
      .string()
      .min(1)
      .optional()
      .describe(
        'PEM file with the authorities to trust. The well-known public authorities are trusted when it is left out.',
      )
      .meta({ unit: 'file', examples: ['/etc/scopeline/ca.pem'] }),
    cert: z
      .string()
      .min(1)
      .optional()
      .describe('PEM file with the certificate that this client shows. Needs `key`.')
      .meta({ unit: 'file', examples: ['/etc/scopeline/client.pem'] }),
    key: z
      .string()
      .min(1)
      .optional()
      .describe('PEM file with the private key of `cert`.')
      .meta({ unit: 'file', examples: ['/etc/scopeline/client-key.pem'] }),
    server_name: z
      .string()
      .min(1)
      .optional()
      .describe(
        "Name that the server's certificate must be for. The host of the address when it is left out.",
      )
      .meta({ examples: ['edge-2.example.com'] }),
    verify: z
      .boolean()
      .default(true)
      .describe(
        "Whether the server's certificate and its name are verified. Without it the traffic is encrypted, but anyone in between can read it.",
      ),
  })
}
export type ClientTls = z.output<ReturnType<typeof clientTls>>

/** A TLS block that cannot work: a file that cannot be read, or that does not hold what it should. */
export class TlsError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'TlsError'
  }
}

/** What `tls.createServer` wants. Throws TlsError with a sentence. */
export function readServerTls(tls: ServerTls): TlsOptions {
  if (tls.client_certificate !== 'none' && tls.ca === undefined) {
    throw new TlsError(
      `tls.client_certificate is "${tls.client_certificate}" but tls.ca is missing: name the PEM file of the authority that signs the clients' certificates`,
    )
  }
  const pem = {
    cert: read('cert', tls.cert),
    key: read('key', tls.key),
    ...(tls.ca !== undefined && { ca: read('ca', tls.ca) }),
  }
  check(pem, `tls.cert ${tls.cert} with tls.key ${tls.key}`)
  return {
    ...pem,
    handshakeTimeout: HANDSHAKE_LIMIT,
    requestCert: tls.client_certificate !== 'none',
    // With `optional` the listener looks at each peer itself, since Node knows only all or nothing.
    rejectUnauthorized: tls.client_certificate === 'required',
  }
}

/** What `tls.connect` wants, for a host. Throws TlsError with a sentence. */
export function readClientTls(tls: ClientTls, host: string): ConnectionOptions {
  if ((tls.cert === undefined) !== (tls.key === undefined)) {
    throw new TlsError('tls.cert and tls.key belong together: set both or neither')
  }
  const pem = {
    ...(tls.ca !== undefined && { ca: read('ca', tls.ca) }),
    ...(tls.cert !== undefined && { cert: read('cert', tls.cert) }),
    ...(tls.key !== undefined && { key: read('key', tls.key) }),
  }
  check(pem, 'the files of the tls block')
  const name = tls.server_name ?? host
  return {
    ...pem,
    // An address is no name that SNI may carry; the certificate is then checked against the address.
    servername: isIP(name) ? '' : name,
    rejectUnauthorized: tls.verify,
  }
}

function read(option: string, path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    throw new TlsError(`could not read tls.${option}: ${(error as Error).message}`)
  }
}

function check(pem: { ca?: Buffer; cert?: Buffer; key?: Buffer }, what: string): void {
  try {
    createSecureContext(pem)
  } catch (error) {
    throw new TlsError(
      `${what} cannot be used: ${(error as Error).message}; the files must be PEM and the key must belong to the certificate`,
    )
  }
}

/** What OpenSSL calls a peer whose first bytes are no TLS. */
const NO_TLS = new Set(['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_HTTP_REQUEST'])

/** Why TLS with a peer failed, without OpenSSL's numbers and places in its source. */
export function tlsFailure(error: Error): string {
  const { code = '', reason, message } = error as NodeJS.ErrnoException & { reason?: string }
  if (NO_TLS.has(code)) return 'it does not speak TLS'
  if (code === 'ECONNRESET') return 'it broke off; perhaps it does not trust the certificate'
  return reason ?? message.trim().split('\n')[0] ?? message
}
