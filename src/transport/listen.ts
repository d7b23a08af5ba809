/**
 * Listening for connections on TCP, TLS, unix and abstract unix sockets: one observable for all four.
 * Errors of a single peer never reach it; only what keeps the edge from listening at all does.
 */
import { chmodSync, mkdirSync } from 'node:fs'
import net from 'node:net'
import { dirname } from 'node:path'
import tls from 'node:tls'
import { Observable } from 'rxjs'
import { z } from 'zod'
import { abstractSocket, isAbstract } from '../component/abstract-socket.ts'
import { type Address, formatAddress } from '../component/address.ts'
import type { Context } from '../component/context.ts'
import { sweep, withMode } from '../component/socket-file.ts'
import { readServerTls, type ServerTls, tlsFailure } from './tls.ts'

export interface Connection {
  readonly socket: net.Socket
  /** The other side, in words a user would recognise: `127.0.0.1:5443`, or `unix` with a counter. */
  readonly peer: string
}

export interface ListenOptions {
  tls?: ServerTls | undefined
  /** Connections open at once; more are closed at once and counted. No limit unless told. */
  max_connections?: number | undefined
  /** Permissions of a unix socket's file; 0600 unless told. */
  mode?: number | undefined
}

/** The `mode` option of sources that listen on unix sockets. */
export function socketMode() {
  const message = 'write the permissions in octal and in quotes, as in "0660"'
  return z
    .string(message)
    .regex(/^0?[0-7]{3}$/, message)
    .transform(text => Number.parseInt(text, 8))
    .prefault('0600')
    .describe(
      "Permissions of the socket's file, in octal and in quotes. Who may write to it may connect.",
    )
    .meta({ examples: ['0660'] })
}

/** An address that cannot be listened on. */
export class ListenError extends Error {
  readonly code: string | undefined
  constructor(message: string, code?: string) {
    super(message)
    this.name = 'ListenError'
    this.code = code
  }
}

/** A peer that has been silent for so long is asked whether it is still there, milliseconds. */
const KEEP_ALIVE = 60_000
/** How many peers are remembered as already named in the log. */
const NAMED_PEERS = 1000
/** Turns of the event loop after a stop in which connections are still taken: the kernel's queue is no longer. */
const LAST_TURNS = 1024

/**
 * Accepts connections. Says `context.ready` with the real address once it listens. Completes when
 * `context.signal` is aborted; the connections already handed out stay open. Unsubscribing closes
 * the listener. Ends with a ListenError or TlsError when it cannot listen.
 */
export function listen(
  address: Address,
  options: ListenOptions,
  context: Context,
): Observable<Connection> {
  return new Observable(subscriber => {
    const name = formatAddress(address)
    const sockets = new Set<net.Socket>()
    const named = new Set<string>()
    let count = 0
    let listening = false

    const accept = (socket: net.Socket) => {
      count++
      const peer =
        'path' in address
          ? `unix #${count}`
          : `${bracketed(socket.remoteAddress)}:${socket.remotePort ?? 0}`
      if (options.tls?.client_certificate === 'optional' && unverified(socket as tls.TLSSocket)) {
        refused(peer, 'it showed a certificate that could not be verified')
        socket.destroy()
        return
      }
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
      subscriber.next({ socket, peer })
    }
    const refused = (peer: string, why: string) => {
      context.meters.error('tls_handshake')
      const host = peer.replace(/:\d+$/, '')
      if (named.has(host) || named.size >= NAMED_PEERS) return
      named.add(host)
      context.log.warn(
        `A TLS connection from ${host} to ${name} failed: ${why}. Later ones from there are only counted.`,
      )
    }

    let server: net.Server
    try {
      server = create(options.tls, accept, refused)
      if ('path' in address && !isAbstract(address.path)) makeRoom(address.path, options.mode)
    } catch (error) {
      subscriber.error(error)
      return
    }
    if (options.max_connections !== undefined) server.maxConnections = options.max_connections
    let full = false
    server.on('drop', () => {
      context.meters.add('connections_refused_total', 1)
      if (full) return
      full = true
      context.log.warn(
        `${name} refuses connections: ${options.max_connections} are open, which is max_connections. Later refusals are only counted.`,
      )
    })

    let swept = false
    const open = () => {
      if (!('path' in address)) {
        server.listen({ host: address.host, port: address.port })
        return
      }
      if (isAbstract(address.path)) {
        try {
          server.listen({ fd: abstractSocket(address.path, 'listen') })
        } catch (error) {
          subscriber.error(explain(error as NodeJS.ErrnoException, name, address))
        }
        return
      }
      const mode = options.mode ?? 0o600
      withMode(mode, () => server.listen({ path: address.path }))
      try {
        chmodSync(address.path, mode)
      } catch {
        // It was not bound: the error event says why.
      }
    }
    server.on('listening', () => {
      listening = true
      context.ready(bound(address, server))
    })
    server.on('error', (error: NodeJS.ErrnoException) => {
      if (listening) {
        context.meters.error('accept')
        context.log.error(`${name} could not accept a connection: ${error.message}`)
        return
      }
      if (error.code !== 'EADDRINUSE' || !('path' in address) || swept) {
        subscriber.error(explain(error, name, address))
        return
      }
      swept = true
      sweep(address.path).then(free => {
        if (subscriber.closed) return
        if (free) open()
        else subscriber.error(explain(error, name, address))
      })
    })
    open()

    const stop = () => {
      // Each turn of the event loop accepts one connection only: peers that had connected before the
      // stop still wait in the kernel's queue, and are taken until a whole turn brings none.
      let seen = count
      let quiet = 0
      let turns = 0
      const turn = () => {
        quiet = count === seen ? quiet + 1 : 0
        seen = count
        if (quiet < 2 && ++turns < LAST_TURNS && !subscriber.closed) {
          setImmediate(turn)
          return
        }
        server.close()
        subscriber.complete()
      }
      setImmediate(turn)
    }
    if (context.signal.aborted) stop()
    else context.signal.addEventListener('abort', stop, { once: true })
    subscriber.add(() => {
      context.signal.removeEventListener('abort', stop)
      server.close()
      // After an orderly end the connections belong to whoever reads them to their end.
      if (!context.signal.aborted) for (const socket of sockets) socket.destroy()
    })
  })
}

function create(
  options: ServerTls | undefined,
  accept: (socket: net.Socket) => void,
  refused: (peer: string, why: string) => void,
): net.Server {
  const socketOptions = { keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE }
  if (!options) return net.createServer(socketOptions, accept)
  const server = tls.createServer({ ...readServerTls(options), ...socketOptions }, accept)
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    const { remoteAddress: host, remotePort } = socket
    const peer =
      host === undefined ? 'a peer that is gone' : `${bracketed(host)}:${remotePort ?? 0}`
    refused(peer, tlsFailure(error))
  })
  return server
}

/** True for a peer that showed a certificate which is not signed by the given authority. */
function unverified(socket: tls.TLSSocket): boolean {
  return !socket.authorized && Object.keys(socket.getPeerCertificate() ?? {}).length > 0
}

function bound(address: Address, server: net.Server): string {
  const real = server.address()
  if ('path' in address || real === null || typeof real === 'string') return formatAddress(address)
  return formatAddress({ ...address, port: real.port })
}

function bracketed(host: string | undefined): string {
  if (host === undefined) return 'unknown'
  const plain = host.replace(/^::ffff:(?=\d+\.)/, '')
  return plain.includes(':') ? `[${plain}]` : plain
}

/** Makes the directory of a socket: private, unless the socket itself is open to others. */
function makeRoom(path: string, mode = 0o600): void {
  const directory = dirname(path)
  try {
    mkdirSync(directory, { recursive: true, mode: mode & 0o077 ? 0o755 : 0o700 })
  } catch (error) {
    throw new ListenError(
      `cannot listen on unix://${path}: its directory ${directory} could not be made (${(error as Error).message})`,
      (error as NodeJS.ErrnoException).code,
    )
  }
}

function explain(error: NodeJS.ErrnoException, name: string, address: Address): ListenError {
  const say = (why: string) => new ListenError(`cannot listen on ${name}: ${why}`, error.code)
  switch (error.code) {
    case 'EADDRINUSE':
      return 'path' in address
        ? say(
            'another process listens there, or the path is a file of another kind; stop the other one (perhaps an edge that still runs) or choose another path',
          )
        : say(
            `another process already uses port ${address.port}; stop it (see: ss -ltnp 'sport = :${address.port}') or choose another port`,
          )
    case 'EACCES':
    case 'EPERM':
      return 'path' in address
        ? say('no permission to make the socket; choose a path in a directory that this user owns')
        : say('no permission; ports below 1024 need root or CAP_NET_BIND_SERVICE')
    case 'EADDRNOTAVAIL':
      return say('this machine has no such address; use one of its own, or 0.0.0.0 for all of them')
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return say('the host name could not be resolved; write an IP address')
    default:
      return say(error.message)
  }
}
