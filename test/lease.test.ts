import t from 'tap'
import { Budget, Lease, type Outcome } from '../src/batch/lease.ts'

t.test('a budget is full at its limit and wakes those who wait once there is space', async t => {
  const budget = new Budget(10)
  const lease = new Lease(budget, 10)
  t.ok(budget.full)
  let woken = 0
  budget.whenSpace(() => woken++)
  t.equal(woken, 0)
  lease.release('delivered')
  t.equal(woken, 1)
  t.equal(budget.used, 0)
  t.equal(budget.peak, 10)
})

t.test('a lease settles once, after its last hold, with the worst outcome', async t => {
  const outcomes: Outcome[] = []
  const lease = new Lease(new Budget(10), 4, outcome => outcomes.push(outcome))
  lease.retain(2)
  lease.release('delivered')
  lease.release('dropped')
  t.same(outcomes, [])
  lease.release('discarded')
  t.same(outcomes, ['dropped'])
})

t.test('a transferred hold frees the first budget and settles with the second lease', async t => {
  const outcomes: Outcome[] = []
  const source = new Budget(10)
  const queue = new Budget(100)
  const lease = new Lease(source, 8, outcome => outcomes.push(outcome))
  lease.retain()
  const queued = lease.transfer(queue, 8)
  t.equal(source.used, 8, 'the other route still holds the bytes')
  lease.release('discarded')
  t.equal(source.used, 0)
  t.equal(queue.used, 8)
  t.same(outcomes, [])
  queued.release('delivered')
  t.same(outcomes, ['delivered'])
  t.equal(queue.used, 0)
})

t.test('a joined lease settles all of its parents', async t => {
  const outcomes: Outcome[] = []
  const budget = new Budget(10)
  const parents = [1, 2].map(() =>
    new Lease(budget, 1, outcome => outcomes.push(outcome)).transfer(new Budget(10), 0),
  )
  t.equal(budget.used, 0)
  Lease.join(parents).release('delivered')
  t.same(outcomes, ['delivered', 'delivered'])
})

t.test('releasing too often is a mistake that is told', async t => {
  const lease = new Lease(new Budget(1), 1)
  lease.release('delivered')
  t.throws(() => lease.release('delivered'), /released more often/)
})
