/** Checks AWS Signature Version 4 in the Authorization header, the payload's hash included. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { Refusal } from './refusal.ts'

export interface Keys {
  accessKey: string
  secretKey: string
}

const sha256 = (data: Buffer | string) => createHash('sha256').update(data).digest('hex')
const hmac = (key: Buffer | string, text: string) => createHmac('sha256', key).update(text).digest()
const encode = (text: string) =>
  encodeURIComponent(text).replace(
    /[!'()*]/g,
    c => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  )

/** Throws a Refusal as a real server would; `now` in milliseconds since the epoch. */
export function checkSignature(
  request: IncomingMessage,
  body: Buffer,
  keys: Keys,
  now: number,
): void {
  const authorization = request.headers.authorization ?? ''
  const match =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
      authorization,
    )
  if (!match)
    throw new Refusal(403, 'AccessDenied', 'the request is not signed with AWS4-HMAC-SHA256')
  const [, accessKey, day, region, signedHeaders, signature] = match as unknown as string[]
  if (accessKey !== keys.accessKey) {
    throw new Refusal(403, 'InvalidAccessKeyId', 'this access key is not known')
  }
  const date = String(request.headers['x-amz-date'] ?? '')
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date)
  if (
    !parts
      ?.slice(1, 4)
      .join('')
      .startsWith(day as string)
  ) {
    throw new Refusal(403, 'AccessDenied', 'x-amz-date and the credential do not agree')
  }
  const [y, mo, d, h, mi, s] = parts.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  if (Math.abs(Date.UTC(y, mo - 1, d, h, mi, s) - now) > 15 * 60_000) {
    throw new Refusal(403, 'RequestTimeTooSkewed', 'the clocks differ by more than 15 minutes')
  }
  const payload = String(request.headers['x-amz-content-sha256'] ?? '')
  if (payload.startsWith('STREAMING-')) {
    throw new Refusal(501, 'NotImplemented', `the payload is framed (${payload}): send a Buffer`)
  }
  if (payload !== 'UNSIGNED-PAYLOAD' && payload !== sha256(body)) {
    throw new Refusal(400, 'XAmzContentSHA256Mismatch', 'the payload is not what was signed')
  }
  const names = (signedHeaders as string).split(';')
  for (const name of Object.keys(request.headers)) {
    if ((name === 'host' || name.startsWith('x-amz-')) && !names.includes(name)) {
      throw new Refusal(403, 'AccessDenied', `the header ${name} is not signed`)
    }
  }
  const [path = '', query = ''] = (request.url ?? '').split('?')
  const canonicalQuery = [...new URLSearchParams(query)]
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&')
  const canonical = [
    request.method,
    path,
    canonicalQuery,
    ...names.map(
      name =>
        `${name}:${String(request.headers[name] ?? '')
          .trim()
          .replace(/\s+/g, ' ')}`,
    ),
    '',
    signedHeaders,
    payload,
  ].join('\n')
  const scope = `${day}/${region}/s3/aws4_request`
  const toSign = ['AWS4-HMAC-SHA256', date, scope, sha256(canonical)].join('\n')
  const key = ['s3', 'aws4_request'].reduce(
    (outer, text) => hmac(outer, text),
    hmac(hmac(`AWS4${keys.secretKey}`, day as string), region as string),
  )
  const wanted = hmac(key, toSign)
  if (!timingSafeEqual(wanted, Buffer.from(signature as string, 'hex'))) {
    throw new Refusal(403, 'SignatureDoesNotMatch', 'the signature is not the one calculated here')
  }
}
