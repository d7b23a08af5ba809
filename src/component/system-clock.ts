/** The clock of the machine; the one place that touches the global timers. */
import type { Cancel, Clock } from './context.ts'

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delay: number, callback: () => void): Cancel {
    const timer = setTimeout(callback, delay)
    return () => clearTimeout(timer)
  },
  every(period: number, callback: () => void): Cancel {
    const timer = setInterval(callback, period)
    timer.unref()
    return () => clearInterval(timer)
  },
}
