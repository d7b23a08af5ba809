/** Addresses as users type them: `tcp://host:port`, `udp://…`, `tls://…`, `unix:///path`, `unix://@abstract`. */

export type AddressScheme = 'tcp' | 'tls' | 'udp' | 'unix' | 'unixgram'

export type Address =
  | { readonly scheme: 'tcp' | 'tls' | 'udp'; readonly host: string; readonly port: number }
  /** `path` starts with `@` for a name in Linux's abstract namespace. */
  | { readonly scheme: 'unix' | 'unixgram'; readonly path: string }

export class AddressError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'AddressError'
  }
}

const HOST_PORT = /^(\[[0-9a-fA-F:.%]+\]|[^:[\]/]*):(\d+)$/

/** Reads an address. Throws AddressError that says what to write instead. */
export function parseAddress(text: string, schemes: readonly AddressScheme[]): Address {
  const split = /^([a-z]+):\/\/(.*)$/.exec(text)
  const names = schemes.map(scheme => `${scheme}://`).join(', ')
  const wanted = schemes.length > 1 ? `one of ${names}` : names
  if (!split) throw new AddressError(`"${text}" has no scheme; write ${wanted}`)
  const scheme = split[1] as AddressScheme
  const rest = split[2] as string
  if (!schemes.includes(scheme))
    throw new AddressError(`scheme "${scheme}" is not possible here; write ${wanted}`)
  if (scheme === 'unix' || scheme === 'unixgram') {
    if (!rest.startsWith('/') && !rest.startsWith('@')) {
      throw new AddressError(
        `"${text}" needs an absolute path (${scheme}:///run/x.sock) or an abstract name (${scheme}://@name)`,
      )
    }
    if (Buffer.byteLength(rest) > 107)
      throw new AddressError(
        `"${rest}" is longer than the 107 bytes that a unix socket's path may have`,
      )
    return { scheme, path: rest }
  }
  const match = HOST_PORT.exec(rest)
  const port = Number(match?.[2])
  if (!match || port > 65535)
    throw new AddressError(
      `"${text}" needs a host and a port from 0 to 65535, as in ${scheme}://127.0.0.1:10060`,
    )
  const host = (match[1] as string).replace(/^\[|\]$/g, '')
  return { scheme, host: host === '' ? '0.0.0.0' : host, port }
}

/** Writes an address in the form that parseAddress reads. */
export function formatAddress(address: Address): string {
  if ('path' in address) return `${address.scheme}://${address.path}`
  const host = address.host.includes(':') ? `[${address.host}]` : address.host
  return `${address.scheme}://${host}:${address.port}`
}
