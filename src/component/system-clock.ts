/** The clock of the machine; the one place that touches the global timers. */
import type { Cancel, Clock } from './context.ts'

/** The longest delay that a timer of Node's knows, in milliseconds; a longer one would fire at once. */
const LONGEST = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delay: number, callback: () => void): Cancel {
    if (delay > LONGEST) return inStages(delay, callback)
    const timer = setTimeout(callback, delay)
    return () => clearTimeout(timer)
  },
  every(period: number, callback: () => void): Cancel {
    if (period > LONGEST) {
      let cancel = () => {}
      const again = () => {
        cancel = inStages(period, () => {
          again()
          callback()
        })
      }
      again()
      return () => cancel()
    }
    const timer = setInterval(callback, period)
    timer.unref()
    return () => clearInterval(timer)
  },
}

/** A wait of weeks, which keeps no process alive. */
function inStages(delay: number, callback: () => void): Cancel {
  const end = performance.now() + delay
  let timer: NodeJS.Timeout
  const wait = () => {
    const left = end - performance.now()
    timer = left <= 0 ? setTimeout(callback, 0) : setTimeout(wait, Math.min(left, LONGEST))
    timer.unref()
  }
  wait()
  return () => clearTimeout(timer)
}
