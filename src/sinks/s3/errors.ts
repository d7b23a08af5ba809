/** What a failed request means for the object: try again, begin again, or give it up. */

/**
 * - `busy`: the server or the way to it is in trouble; the same request may well pass later.
 * - `setup`: server and sink do not agree (no such bucket, wrong key, no right): nothing is wrong
 *   with the data, so it waits until someone mends that.
 * - `restart`: the upload is void; the object has to be sent from its beginning.
 * - `exists`: `create: once`, and there is an object.
 * - `refused`: this object will never be accepted, whatever happens to the server.
 */
export type Trouble = 'busy' | 'setup' | 'restart' | 'exists' | 'refused'

export interface Diagnosis {
  readonly trouble: Trouble
  /** The server's code (`SlowDown`) or the system's (`ECONNREFUSED`). */
  readonly code: string
  /** One sentence. */
  readonly why: string
}

/** Faults of the sink's own making, with the diagnosis in them. */
export class S3Error extends Error {
  readonly trouble: Trouble
  readonly code: string
  constructor(trouble: Trouble, code: string, message: string) {
    super(message)
    this.name = 'S3Error'
    this.trouble = trouble
    this.code = code
  }
}

/** The sink was closed while something was under way; what is on disk stays for the next start. */
export class Closed extends Error {}

const RESTART = new Set(['NoSuchUpload', 'InvalidPart', 'InvalidPartOrder', 'EntityTooSmall'])
const REFUSED = new Set([
  'EntityTooLarge',
  'KeyTooLongError',
  'KeyTooLong',
  'MetadataTooLarge',
  'InvalidURI',
])
const EXISTS = new Set(['PreconditionFailed', 'ObjectAlreadyExists'])
/** Codes under 400 or 403 that time heals: clocks are set, tokens renewed, bytes sent again. */
const BUSY = new Set([
  'RequestTimeTooSkewed',
  'ExpiredToken',
  'ExpiredTokenException',
  'TokenRefreshRequired',
  'RequestTimeout',
  'RequestTimeoutException',
  'SlowDown',
  'Throttling',
  'ThrottlingException',
  'BadDigest',
  'InvalidDigest',
  'XAmzContentChecksumMismatch',
  'IncompleteBody',
  'ConditionalRequestConflict',
  'OperationAborted',
  'InternalError',
])

const UNTRUSTED =
  'the certificate of the server is signed by no authority that is trusted here; name the PEM file of that authority in NODE_EXTRA_CA_CERTS'
/** What the system's own errors mean here; a server's messages are shown as they are. */
const IN_WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens at the endpoint; check its host and port',
  ENOTFOUND: 'the host name of the endpoint does not exist; check its spelling',
  EAI_AGAIN: 'the host name of the endpoint could not be looked up now',
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
}

/** Says what an error of the SDK, of the system or of the sink means. */
export function diagnose(error: unknown): Diagnosis {
  if (error instanceof S3Error) {
    return { trouble: error.trouble, code: error.code, why: error.message }
  }
  const { name, message, status, code } = read(error)
  const words = IN_WORDS[code] ?? message
  const why = words === '' ? `${code}${status ? ` (HTTP ${status})` : ''}` : `${code}: ${words}`
  const is = (trouble: Trouble): Diagnosis => ({ trouble, code, why })
  if (RESTART.has(code)) return is('restart')
  if (REFUSED.has(code) || status === 413) return is('refused')
  if (EXISTS.has(code) || status === 412) return is('exists')
  if (BUSY.has(code) || BUSY.has(name)) return is('busy')
  if (status === undefined) return is(name === 'CredentialsProviderError' ? 'setup' : 'busy')
  // A header or an operation that the server does not have: asking again does not bring it.
  if (status === 501) return is('setup')
  if (status >= 500 || status === 408 || status === 429 || status === 409) return is('busy')
  if (status >= 300) return is('setup')
  return is('busy')
}

/** True where the server says that it does not know a header or an operation. */
export function isNotImplemented(error: unknown): boolean {
  const { code, status } = read(error)
  return code === 'NotImplemented' || status === 501
}

/** True for the answer to HEAD where there is no such object. */
export function isNotFound(error: unknown): boolean {
  const { code, status } = read(error)
  return status === 404 && code !== 'NoSuchBucket'
}

function read(error: unknown): { name: string; message: string; status?: number; code: string } {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error), code: 'unknown' }
  const extra = error as Error & {
    code?: unknown
    Code?: unknown
    $metadata?: { httpStatusCode?: number }
    $response?: { statusCode?: number }
  }
  const status = extra.$metadata?.httpStatusCode ?? extra.$response?.statusCode
  const code =
    typeof extra.Code === 'string'
      ? extra.Code
      : typeof extra.code === 'string'
        ? extra.code
        : error.name
  const message = error.message === 'UnknownError' ? '' : error.message
  return { name: error.name, message, code, ...(status === undefined ? {} : { status }) }
}
