/**
 * The edge's HTTP side: health and metrics for machines, open to whoever reaches the port; component
 * figures, the live tap and reload for people, only with the token.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Address, formatAddress } from '../component/address.ts'
import type { Clock } from '../component/context.ts'
import { socketPath, sweep, withMode } from '../component/socket-file.ts'
import type { Edge } from '../pipeline/edge.ts'
import { startTap } from '../pipeline/tap.ts'

export interface ServerOptions {
  readonly edge: Edge
  readonly clock: Clock
  readonly listen: Address
  /** Whoever knows it may look at data and reload. */
  readonly token: string
  /** Reads the configuration again and goes over to it. Throws with what is wrong. */
  readonly reload: () => Promise<void>
}

export interface RunningServer {
  /** Where it listens, with the real port. */
  readonly address: Address
  /** From now on /healthz and /readyz answer 503. */
  drain(): void
  close(): Promise<void>
}

/** Starts the server. Rejects when the address cannot be bound. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const state: State = { draining: false, taps: new Set() }
  const server = createServer((request, response) => {
    handle(request, response, options, state).catch(error => {
      if (!response.headersSent) reply(response, 500, { error: String(error) })
      else response.destroy()
    })
  })
  server.requestTimeout = 30_000
  const { listen } = options
  try {
    await bind(server, listen)
  } catch (error) {
    // A socket file that a killed edge left behind is in nobody's way.
    const stale = (error as NodeJS.ErrnoException).code === 'EADDRINUSE' && 'path' in listen
    if (!stale || !(await sweep(listen.path))) throw cannotListen(listen, error)
    await bind(server, listen).catch(again => {
      throw cannotListen(listen, again)
    })
  }
  // What goes wrong with one connection (no descriptor free, say) is not the end of the edge.
  server.on('error', () => {})
  const address =
    'path' in listen ? listen : { ...listen, port: (server.address() as AddressInfo).port }
  return {
    address,
    drain() {
      state.draining = true
    },
    async close() {
      const closed = new Promise(resolve => server.close(resolve))
      const ends = [...state.taps].map(tap => new Promise(resolve => tap.end(resolve)))
      // A reader of a tap that does not read must not hold up the end.
      const late = options.clock.after(TAP_END_LIMIT, () => server.closeAllConnections())
      await Promise.race([Promise.all(ends), closed])
      late()
      server.closeAllConnections()
      await closed
    },
  }
}

/** How long the last lines of a tap may take to reach its reader, milliseconds. */
const TAP_END_LIMIT = 500

interface State {
  draining: boolean
  /** Answers that go on for as long as their readers like. */
  readonly taps: Set<ServerResponse>
}

function bind(server: Server, listen: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    const done = () => {
      server.off('error', reject)
      resolve()
    }
    if ('path' in listen) withMode(0o600, () => server.listen(socketPath(listen.path), done))
    else server.listen(listen.port, listen.host, done)
  })
}

function cannotListen(listen: Address, error: unknown): Error {
  const { code, message } = error as NodeJS.ErrnoException
  let why = message
  if (code === 'EADDRINUSE') {
    why =
      'path' in listen
        ? 'another process listens there, or it is a file of another kind; choose another path in api.listen'
        : `another process already uses port ${listen.port}; stop it (see: ss -ltnp 'sport = :${listen.port}') or choose another port in api.listen`
  }
  return new Error(`api: cannot listen on ${formatAddress(listen)}: ${why}`, { cause: error })
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  options: ServerOptions,
  state: State,
): Promise<void> {
  // Only the path counts, whatever stands before it; "//" alone would be read as a host.
  const path = (request.url ?? '/').replace(/^\/+/, '/')
  if (!URL.canParse(path, 'http://edge')) {
    return reply(response, 400, { error: 'the address cannot be read' })
  }
  const url = new URL(path, 'http://edge')
  const method = request.method === 'HEAD' ? 'GET' : request.method
  const route = `${method} ${url.pathname}`
  response.setHeader('cache-control', 'no-store')
  response.setHeader('x-content-type-options', 'nosniff')
  if (route === 'GET /healthz') {
    return reply(response, state.draining ? 503 : 200, {
      status: state.draining ? 'draining' : 'ok',
    })
  }
  if (route === 'GET /readyz') return ready(response, options.edge, state.draining)
  if (route === 'GET /metrics') {
    options.edge.measure()
    response.setHeader('content-type', 'text/plain; version=0.0.4; charset=utf-8')
    response.end(options.edge.meters.prometheus())
    return
  }
  if (!url.pathname.startsWith('/api/')) {
    return reply(response, 404, { error: `there is no ${url.pathname} here` })
  }
  const refusal = refused(request, options.token)
  if (refusal !== undefined) return reply(response, refusal.status, { error: refusal.why })
  if (route === 'GET /api/metrics') {
    options.edge.measure()
    return reply(response, 200, options.edge.meters.records(options.clock.now() / 1000))
  }
  if (route === 'GET /api/tap') return tap(response, url.searchParams, options, state)
  if (route === 'POST /api/reload') {
    try {
      await options.reload()
      return reply(response, 200, { status: 'reloaded' })
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      return reply(response, 409, { error: why })
    }
  }
  return reply(response, 404, { error: `there is no ${route} here` })
}

function ready(response: ServerResponse, edge: Edge, draining: boolean): void {
  const reasons: string[] = draining ? ['the edge is draining'] : []
  for (const [id, health] of edge.health) {
    if (!health.ok) reasons.push(`${id}: ${health.why ?? 'cannot deliver'}`)
  }
  reply(response, reasons.length > 0 ? 503 : 200, {
    status: reasons.length > 0 ? 'not ready' : 'ready',
    ...(reasons.length > 0 && { reasons }),
  })
}

function tap(
  response: ServerResponse,
  query: URLSearchParams,
  { edge, clock }: ServerOptions,
  { taps }: State,
): void {
  const rate = Number(query.get('rate') ?? 100)
  if (!Number.isInteger(rate) || rate < 1 || rate > 10_000) {
    reply(response, 400, { error: 'rate must be a number of events from 1 to 10000' })
    return
  }
  let full = false
  const end = startTap(edge, {
    components: query.getAll('component'),
    rate,
    clock,
    show(line) {
      // A reader that does not keep up misses events; the pipeline does not wait for it.
      if (full) return false
      full = !response.write(line)
      return true
    },
  })
  if (!end) {
    const { plan } = edge
    const names = [...plan.sources, ...plan.transforms, ...plan.sinks].map(({ id }) => id)
    const error = `no component has that name; there are ${names.join(', ')}`
    reply(response, 404, { error })
    return
  }
  response.on('drain', () => {
    full = false
  })
  response.setHeader('content-type', 'application/x-ndjson')
  response.flushHeaders()
  taps.add(response)
  response.on('close', () => {
    taps.delete(response)
    end()
  })
}

/** Why a request may not see data; undefined if it may. */
function refused(
  request: IncomingMessage,
  token: string,
): { status: number; why: string } | undefined {
  const host = (request.headers.host ?? '').replace(/:\d+$/, '')
  // A page in a browser that resolves its own name to this machine sends that name as Host.
  if (!/^(localhost|[\d.]+|\[[0-9a-f:.]+\])$/i.test(host)) {
    return { status: 403, why: `host "${host}" is not served; use an IP address or localhost` }
  }
  const given = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? ''
  const digest = (text: string) => createHash('sha256').update(text).digest()
  if (timingSafeEqual(digest(given), digest(token))) return undefined
  return { status: 401, why: 'a token is needed: Authorization: Bearer <token>' }
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.statusCode = status
  response.setHeader('content-type', 'application/json')
  response.end(`${JSON.stringify(body)}\n`)
}
