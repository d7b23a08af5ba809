import t from 'tap'
import { systemClock } from '../../src/component/system-clock.ts'
import { VirtualClock } from '../../src/component/virtual-clock.ts'

t.test('a wait of months is not over at once', async t => {
  let fired = 0
  const month = 31 * 86_400_000
  const cancels = [systemClock.after(month, () => fired++), systemClock.every(month, () => fired++)]
  await new Promise(resolve => setTimeout(resolve, 50))
  t.equal(fired, 0)
  for (const cancel of cancels) cancel()
})

t.test('time on a virtual clock does not run back', async t => {
  const clock = new VirtualClock()
  const seen: number[] = []
  clock.advance(1000)
  clock.after(-500, () => seen.push(clock.monotonic()))
  clock.advance(1)
  t.same(seen, [1000])
})
