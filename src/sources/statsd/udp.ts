/**
 * The UDP door of the statsd source: binds a socket, hands out datagrams, and watches how many the
 * kernel dropped because we did not read fast enough, which no sender is ever told.
 */
import dgram from 'node:dgram'
import { readFile } from 'node:fs/promises'
import { isIPv6 } from 'node:net'
import { Observable } from 'rxjs'
import { type Address, formatAddress } from '../../component/address.ts'
import type { Context } from '../../component/context.ts'

/** A UDP address that cannot be bound. */
export class BindError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'BindError'
  }
}

type UdpAddress = Extract<Address, { host: string }>

/** Milliseconds between two looks at the kernel's count. */
const LOOK = 10_000

/**
 * Datagrams as they come. Says `context.ready` with the real port. Completes after `context.signal`
 * is aborted and what had arrived has been read; an address that cannot be bound is an error.
 * @param receiveBuffer bytes asked of the kernel, undefined for its default
 */
export function datagrams(
  address: UdpAddress,
  receiveBuffer: number | undefined,
  context: Context,
): Observable<Buffer> {
  return new Observable(subscriber => {
    const name = formatAddress(address)
    const six = isIPv6(address.host)
    const socket = dgram.createSocket({
      type: six ? 'udp6' : 'udp4',
      ...(receiveBuffer !== undefined && { recvBufferSize: receiveBuffer }),
    })
    let bound = false
    let closed = false
    let dropped = 0
    const close = () => {
      if (closed) return
      closed = true
      socket.close()
    }
    const look = async () => {
      const { address: host, port } = socket.address()
      try {
        const table = await readFile(six ? '/proc/net/udp6' : '/proc/net/udp', 'latin1')
        const now = kernelDrops(table, host, port)
        if (now === undefined || now <= dropped) return
        if (dropped === 0) {
          context.log.warn(
            `${name}: the kernel has dropped ${now} datagrams because its receive buffer was full; raise receive_buffer (and the sysctl net.core.rmem_max), or send less. Later drops are only counted, in kernel_dropped_datagrams.`,
          )
        }
        dropped = now
        context.meters.set('kernel_dropped_datagrams', now, { address: name })
      } catch {
        // No such file on this system: then there is nothing to tell.
      }
    }

    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (!bound) subscriber.error(new BindError(explain(error, name, address)))
      else {
        context.meters.error('receive')
        context.log.error(`${name}: could not receive: ${error.message}`)
      }
    })
    socket.on('message', datagram => subscriber.next(datagram))
    socket.bind({ address: address.host, port: address.port }, () => {
      bound = true
      const got = socket.getRecvBufferSize() / 2 // Linux reports twice what it was asked for.
      if (receiveBuffer !== undefined && got < receiveBuffer) {
        context.log.warn(
          `${name}: receive_buffer is ${got} bytes instead of ${receiveBuffer}: the system's limit is lower; raise the sysctl net.core.rmem_max`,
        )
      }
      context.ready(formatAddress({ ...address, port: socket.address().port }))
    })
    const cancel = context.clock.every(LOOK, () => {
      if (bound && !closed) look()
    })
    const stop = () => {
      // Two more turns of the event loop: what has arrived already is still read.
      setImmediate(() =>
        setImmediate(async () => {
          if (bound && !closed) await look()
          close()
          subscriber.complete()
        }),
      )
    }
    if (context.signal.aborted) stop()
    else context.signal.addEventListener('abort', stop, { once: true })
    subscriber.add(() => {
      context.signal.removeEventListener('abort', stop)
      cancel()
      close()
    })
  })
}

/**
 * The drops of the socket bound to an address, from the text of /proc/net/udp or udp6; undefined if
 * it is not in there. IPv6 sockets are told apart by their port alone.
 */
export function kernelDrops(table: string, host: string, port: number): number | undefined {
  const wantedPort = port.toString(16).toUpperCase().padStart(4, '0')
  const wantedHost = host.includes(':')
    ? undefined
    : host
        .split('.')
        .reverse()
        .map(part => Number(part).toString(16).toUpperCase().padStart(2, '0'))
        .join('')
  let drops: number | undefined
  for (const line of table.split('\n')) {
    const fields = line.trim().split(/\s+/)
    const [localHost, localPort] = (fields[1] ?? '').split(':')
    if (localPort !== wantedPort || (wantedHost !== undefined && localHost !== wantedHost)) continue
    const count = Number(fields[12])
    if (Number.isFinite(count)) drops = (drops ?? 0) + count
  }
  return drops
}

function explain(error: NodeJS.ErrnoException, name: string, address: UdpAddress): string {
  switch (error.code) {
    case 'EADDRINUSE':
      return `cannot listen on ${name}: another process already uses UDP port ${address.port}; stop it (see: ss -lunp 'sport = :${address.port}') or choose another port`
    case 'EACCES':
      return `cannot listen on ${name}: no permission; ports below 1024 need root or CAP_NET_BIND_SERVICE`
    case 'EADDRNOTAVAIL':
      return `cannot listen on ${name}: this machine has no such address; use one of its own, or 0.0.0.0 for all of them`
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `cannot listen on ${name}: the host name could not be resolved; write an IP address`
    default:
      return `cannot listen on ${name}: ${error.message}`
  }
}
