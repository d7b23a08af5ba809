/** The `tcp` sink: events as lines of JSON over TCP, TLS or a unix socket. */
import { Observable } from 'rxjs'
import { z } from 'zod'
import type { Batch } from '../../batch/batch.ts'
import type { Receipt } from '../../batch/receipt.ts'
import { defineSink } from '../../component/define.ts'
import { address, duration, secret, size } from '../../component/options.ts'
import { clientTls } from '../../transport/tls.ts'
import type { LaneSettings } from './lane.ts'
import { Sender } from './sender.ts'

/** In flight beyond `replay`: what a fast connection takes between two looks at what has arrived. */
const IN_FLIGHT = 12 * 1024 * 1024

const options = z
  .strictObject({
    address: address('tcp', 'tls', 'unix')
      .optional()
      .describe('The receiver. Its name is looked up anew for each connection.')
      .meta({ examples: ['tcp://edge-2:10060'] }),
    addresses: z
      .array(address('tcp', 'tls', 'unix'))
      .min(1)
      .optional()
      .describe('Several receivers, instead of `address`.')
      .meta({ examples: [['tcp://edge-2:10060', 'tcp://edge-3:10060']] }),
    balance: z
      .enum(['failover', 'round_robin'])
      .default('failover')
      .describe(
        'With several receivers: `failover` sends to the first one that answers, in the order given, and stays with it until it breaks; `round_robin` keeps a connection to each and sends batches in turn to those that take them.',
      ),
    tls: clientTls()
      .optional()
      .describe(
        "Encrypts, and verifies the receiver's certificate and name. A `tls://` address does the same with the defaults.",
      )
      .meta({ examples: [{ ca: '/etc/scopeline/ca.pem' }] }),
    token: secret()
      .optional()
      .describe(
        'Sent as `{"authToken":"…"}`, the first line of each connection, as AppScope does.',
      ),
    on_reset: z
      .enum(['resend', 'drop'])
      .default('resend')
      .describe(
        'What happens to batches that a broken connection leaves unconfirmed: they are sent again (some may arrive twice), or given up and counted (none arrives twice).',
      ),
    replay: size()
      .prefault('1MiB')
      .describe(
        'A batch is confirmed early once so many bytes lie behind it on the same connection. At least what the receiver may hold unread should be kept.',
      ),
    confirm_after: duration()
      .prefault('1s')
      .describe(
        'A batch is confirmed when the connection has held for so long after the batch reached the host of the receiver.',
      ),
    stall_timeout: duration()
      .prefault('30s')
      .describe('A receiver that takes nothing for so long counts as broken.'),
    connect_timeout: duration()
      .prefault('10s')
      .describe('How long name lookup, connection and TLS handshake may take together.'),
    keepalive: duration()
      .prefault('1m')
      .describe(
        'How long a connection may be silent before the kernel asks whether the receiver is still there.',
      ),
    retry: z
      .strictObject({
        initial: duration().prefault('100ms').describe('Upper bound of the first pause.'),
        max: duration().prefault('30s').describe('Upper bound of every pause.'),
      })
      .prefault({})
      .describe(
        'Pauses between rounds of attempts to connect: random, up to a bound that doubles each time.',
      ),
  })
  .superRefine((value, context) => {
    const issue = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message })
    if (value.address === undefined && value.addresses === undefined) {
      issue('address', 'a receiver is missing: write `address`, or `addresses` for several')
    }
    if (value.address !== undefined && value.addresses !== undefined) {
      issue('addresses', 'write `address` or `addresses`, not both')
    }
    const all = [value.address, ...(value.addresses ?? [])]
    if (value.tls !== undefined && all.some(one => one?.scheme === 'unix')) {
      issue('tls', 'TLS is for tcp:// and tls:// addresses; a unix socket needs none')
    }
  })

const receivers = ({ address, addresses }: z.output<typeof options>) =>
  addresses ?? (address === undefined ? [] : [address])

export const tcp = defineSink({
  name: 'tcp',
  summary:
    'Sends events as lines of JSON over TCP, TLS or a unix socket, to one receiver or several.',
  description: `
**Delivery.** TCP tells a sender neither what the receiver has read nor what was lost when a connection breaks. The
sink therefore keeps what it sent and acknowledges a batch only when the host of the receiver has
acknowledged its bytes (on Linux, where the kernel tells) and, after that, either \`replay\` further bytes were sent or the
connection held for \`confirm_after\`; or when the receiver, told of the end, closed in good order. Everything else is
sent again, as whole batches and in order, when a connection breaks (\`on_reset: resend\`).

**What can be lost**: a batch that lies unread on the receiver's host for longer than \`confirm_after\`, or under more than
\`replay\` newer bytes, when the receiver dies. A receiver that reads as fast as events come loses nothing. With
\`on_reset: drop\` also all that had not reached our own kernel: it is counted as dropped (\`connection_lost\`); what the kernel
took counts as delivered, arrived or not.

**What can come twice**: the unconfirmed batches, at most \`replay\`, what was sent in the last \`confirm_after\`, and what was on the way. The
receiver may see the beginning of a line at the end of a broken connection; the same line comes whole on the next.
With \`on_reset: drop\` nothing comes twice.

**Order.** Kept on one connection and over reconnects. With \`round_robin\` there is none between receivers.

**A receiver that is down** is tried for ever, with random pauses up to \`retry.max\`; the sink is unhealthy meanwhile and takes
no more than its window. One that hangs for \`stall_timeout\` is left, and its batches go to the next.
With \`failover\` each reconnection begins with the first address.
`,
  options,
  examples: [
    { title: 'Another edge', yaml: 'type: tcp\ninputs: [clean]\naddress: tcp://edge-2:10060\n' },
    {
      title: 'TLS with an own authority, a token and a stand-by receiver',
      yaml: "type: tcp\ninputs: [clean]\naddresses: [tls://edge-2:10061, tls://edge-3:10061]\ntls: { ca: /etc/scopeline/ca.pem }\ntoken: '${EDGE_TOKEN:-secret}'\n",
    },
  ],
  window: options =>
    IN_FLIGHT +
    options.replay * (options.balance === 'round_robin' ? receivers(options).length : 1),
  create(options, context) {
    const token = options.token
    const resend = options.on_reset === 'resend'
    const base = {
      dial: { tls: options.tls, timeout: options.connect_timeout },
      link: {
        replay: options.replay,
        confirmAfter: options.confirm_after,
        stallTimeout: options.stall_timeout,
        resend,
      },
      keepAlive: options.keepalive,
      retryInitial: options.retry.initial,
      retryMax: options.retry.max,
      greeting: token && Buffer.from(`${JSON.stringify({ authToken: token.reveal() })}\n`),
    }
    const all = receivers(options)
    const lanes: LaneSettings[] =
      options.balance === 'failover'
        ? [{ ...base, addresses: all }]
        : all.map(one => ({ ...base, addresses: [one] }))
    return (batches: Observable<Batch>) =>
      new Observable<Receipt>(subscriber => {
        const sender = new Sender(lanes, resend, context, receipt => subscriber.next(receipt))
        const subscription = batches.subscribe({
          next: batch => sender.send(batch),
          error: error => subscriber.error(error),
          complete: () => sender.finish(() => subscriber.complete()),
        })
        return () => {
          subscription.unsubscribe()
          sender.stop()
        }
      })
  },
})
