/** Connecting to a receiver over TCP, TLS or a unix socket, with errors that say what to do. */
import net from 'node:net'
import tls from 'node:tls'
import { abstractSocket, isAbstract } from '../component/abstract-socket.ts'
import { type Address, formatAddress } from '../component/address.ts'
import type { Context } from '../component/context.ts'
import { type ClientTls, readClientTls, TlsError, tlsFailure } from './tls.ts'

export interface DialOptions {
  /** Set, or implied by a `tls://` address: the connection is encrypted. */
  tls?: ClientTls | undefined
  /** Milliseconds for name lookup, connection and TLS handshake together. */
  timeout: number
}

/** A connection that could not be made; `code` is the system's, where there is one. */
export class DialError extends Error {
  readonly code: string | undefined
  constructor(message: string, code?: string) {
    super(message)
    this.name = 'DialError'
    this.code = code
  }
}

/**
 * Connects; the name is looked up anew each time and its addresses are raced. The socket comes with
 * keep-alive on, without Nagle's delay, and without listeners. Rejects with DialError or TlsError.
 */
export async function dial(
  address: Address,
  options: DialOptions,
  context: Context,
): Promise<net.Socket> {
  const name = formatAddress(address)
  const secure = address.scheme === 'tls' || options.tls !== undefined
  const settings = options.tls ?? { verify: true }
  let socket: net.Socket
  try {
    socket = secure ? openSecure(address, settings) : open(address)
  } catch (error) {
    if (error instanceof TlsError) throw error
    throw explain(error as Error, name, address, settings)
  }
  return new Promise((resolve, reject) => {
    const cancel = context.clock.after(options.timeout, () => {
      fail(
        new DialError(
          `could not connect to ${name}: no answer within ${options.timeout} ms; a firewall may be in between, or the host is down`,
          'ETIMEDOUT',
        ),
      )
    })
    const fail = (error: Error) => {
      cancel()
      socket.removeListener(event, done)
      // Whatever else this socket has to say is said already.
      socket.on('error', () => {})
      socket.destroy()
      reject(error instanceof DialError ? error : explain(error, name, address, settings))
    }
    const closed = () =>
      fail(new DialError(`could not connect to ${name}: it closed the connection`))
    const done = () => {
      cancel()
      socket.removeListener('error', fail)
      socket.removeListener('close', closed)
      resolve(socket)
    }
    const event = secure ? 'secureConnect' : 'connect'
    socket.once(event, done)
    socket.once('error', fail)
    socket.once('close', closed)
  })
}

function open(address: Address): net.Socket {
  if ('path' in address) {
    if (!isAbstract(address.path)) return net.connect({ path: address.path })
    const socket = new net.Socket({ fd: abstractSocket(address.path, 'connect') })
    // It is connected already, which a socket of net.connect tells in a later turn.
    setImmediate(() => socket.emit('connect'))
    return socket
  }
  return net.connect({
    host: address.host,
    port: address.port,
    autoSelectFamily: true,
    noDelay: true,
    keepAlive: true,
  })
}

function openSecure(address: Address, settings: ClientTls): net.Socket {
  if ('path' in address) throw new TlsError('TLS is for tcp:// addresses; a unix socket needs none')
  const socket = tls.connect({
    host: address.host,
    port: address.port,
    ...readClientTls(settings, address.host),
  })
  socket.setNoDelay(true)
  socket.setKeepAlive(true)
  return socket
}

function explain(error: Error, name: string, address: Address, settings: ClientTls): DialError {
  const first = error instanceof AggregateError ? (error.errors[0] as Error | undefined) : undefined
  const { code, message } = (first ?? error) as NodeJS.ErrnoException
  const host = 'path' in address ? address.path : address.host
  const say = (why: string) => new DialError(`could not connect to ${name}: ${why}`, code)
  switch (code) {
    case 'ECONNREFUSED':
      return say('nobody listens there; check the address, and that the receiver is running')
    case 'ENOENT':
      return say('there is no such socket; check the path, and that the receiver is running')
    case 'EACCES':
      return say('no permission to connect to this socket')
    case 'ENOTFOUND':
      return say(`the name "${host}" does not exist; check its spelling`)
    case 'EAI_AGAIN':
      return say(`the name "${host}" could not be looked up now; the name server does not answer`)
    case 'EAGAIN':
      return say('too many connections wait there for the receiver to take them')
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return say('there is no route to it')
    case 'ETIMEDOUT':
      return say('no answer; a firewall may be in between, or the host is down')
    case 'ECONNRESET':
      return say('it closed the connection at once; perhaps it does not speak TLS, or refuses us')
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return say(
        `its certificate is for another name than "${settings.server_name ?? host}" (${message}); set tls.server_name to the name that the certificate is for`,
      )
    case 'CERT_HAS_EXPIRED':
      return say('its certificate has expired')
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
      return say(
        `its certificate is not signed by an authority that is trusted here (${message}); set tls.ca to the PEM file of the one that signed it`,
      )
    default:
      return say(tlsFailure(first ?? error))
  }
}
