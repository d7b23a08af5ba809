import t from 'tap'
import { Batch } from '../../src/batch/batch.ts'
import { Budget, Lease, type Outcome } from '../../src/batch/lease.ts'
import { MemoryQueue, type MemoryQueueOptions } from '../../src/pipeline/queue.ts'

/** A queue whose sink answers when the test says so. */
function setUp(options: Partial<MemoryQueueOptions> = {}) {
  const out: Batch[] = []
  const outcomes: Outcome[] = []
  let dropped = 0
  const pressed: boolean[] = []
  const queue = new MemoryQueue({
    maxBytes: 100_000,
    whenFull: 'block',
    window: 1,
    onDropped: events => {
      dropped += events
    },
    onUnclaimed: waiting => pressed.push(waiting),
    ...options,
  })
  queue.output.subscribe(batch => out.push(batch))
  queue.open()
  const source = new Budget(1e9)
  const push = (bytes: number, leased = bytes) => {
    const lease = new Lease(source, leased, outcome => outcomes.push(outcome))
    queue.push(Batch.ofLines(['x'.repeat(bytes - 1)], { source: 'a' }, lease))
  }
  const answer = () => queue.settle({ batch: out.shift() as Batch, outcome: 'delivered' })
  return { queue, out, outcomes, source, push, answer, pressed, dropped: () => dropped }
}

t.test('a batch that can never fit beside what is in flight pushes nothing else out', async t => {
  const { queue, push, outcomes, dropped, answer, out } = setUp({ whenFull: 'drop_oldest' })
  push(10000)
  push(20000)
  push(30000)
  push(200000)
  t.same(outcomes, ['dropped'])
  t.equal(dropped(), 1)
  while (out.length > 0) answer()
  t.same(outcomes, ['dropped', 'delivered', 'delivered', 'delivered'])
  t.equal(queue.bytes, 0)
})

t.test('what is in flight holds no more memory than is counted for it', async t => {
  const { queue, out } = setUp({ window: 1e6, maxBytes: 1e6 })
  const block = Batch.ofLines(
    Array.from({ length: 1000 }, () => `{"text":"${'x'.repeat(60)}"}`),
    { source: 'a' },
    Lease.none(),
  )
  queue.push(block.select([7]))
  t.equal(out[0]?.text(0), block.text(7))
  t.ok((out[0] as Batch).bytes.buffer.byteLength < 100, 'one line does not keep its block')
})

t.test('what comes to a queue that was given up is released', async t => {
  const { queue, push, outcomes, source } = setUp()
  push(10000)
  t.equal(queue.abort(), 1)
  push(10000)
  t.same(outcomes, ['aborted', 'aborted'])
  t.equal(queue.events, 0)
  t.equal(source.used, 0)
})

t.test('nothing goes out before the queue is opened', async t => {
  const out: Batch[] = []
  const queue = new MemoryQueue({
    maxBytes: 100_000,
    whenFull: 'block',
    window: 1e6,
    onDropped: () => {},
  })
  queue.push(Batch.ofLines(['{}'], { source: 'a' }, Lease.none()))
  queue.output.subscribe(batch => out.push(batch))
  t.equal(out.length, 0)
  queue.open()
  t.equal(out.length, 1)
})

t.test('another queue goes on with what one still had, in order and at the front', async t => {
  const old = setUp({ window: 15_000 })
  for (const size of [10_000, 10_000, 10_000, 90_000, 10_000]) old.push(size)
  const next = new MemoryQueue({
    maxBytes: 100_000,
    whenFull: 'block',
    window: 1e6,
    onDropped: () => t.fail('nothing is dropped'),
  })
  const out: Batch[] = []
  next.output.subscribe(batch => out.push(batch))
  next.push(Batch.ofLines(['new'], { source: 'a' }, Lease.none()))
  next.inherit(old.queue.surrender())
  t.equal(old.queue.bytes, 0)
  t.equal(old.source.used, 0, 'on the account of the new queue')
  t.equal(next.events, 6)
  next.open()
  t.same(
    out.map(batch => batch.size),
    [10_000, 10_000, 10_000, 90_000, 10_000, 4],
  )
  for (const batch of out) next.settle({ batch, outcome: 'delivered' })
  t.same(old.outcomes, Array(5).fill('delivered'))
  t.equal(next.bytes, 0)
  t.equal(next.events, 0)
})

t.test('it tells when batches wait that no source has on its account', async t => {
  const { push, answer, out, pressed } = setUp()
  push(90000)
  push(90000)
  t.same(pressed, [], 'this one keeps its source waiting by itself')
  push(90000, 0)
  push(90000, 0)
  t.same(pressed, [true])
  while (out.length > 0) answer()
  t.same(pressed, [true, false])
})

t.test('many short batches are counted with all that they take', async t => {
  const { queue, push } = setUp({ maxBytes: 1e9 })
  for (let i = 0; i < 100; i++) push(10)
  t.ok(queue.bytes > 100 * 1000, `${queue.bytes / 100} bytes for a batch of 10`)
})
