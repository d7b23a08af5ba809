/** Numbers as StatsD clients write them: decimal, with a sign or an exponent; no hex, no NaN, no blanks. */

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/
const NOT_FINITE = /^[+-]?(?:nan|inf|infinity)$/i

/** The number that a text stands for: NaN if it stands for none, Infinity if it is too large. */
export function toNumber(text: string): number {
  const length = text.length
  if (length > 0 && length < 10) {
    let value = 0
    let i = 0
    for (; i < length; i++) {
      const digit = text.charCodeAt(i) - 48
      if (digit < 0 || digit > 9) break
      value = value * 10 + digit
    }
    if (i === length) return value
  }
  return NUMBER.test(text) ? Number(text) : Number.NaN
}

/** Says whether a text that toNumber refused names something that is not finite (`NaN`, `-inf`). */
export function namesNotFinite(text: string): boolean {
  return NOT_FINITE.test(text)
}

/** A finite number in decimal notation without an exponent where that is possible, for fields that only take digits. */
export function plainDecimal(value: number): string {
  const text = String(value)
  if (!text.includes('e')) return text
  return value.toFixed(20).replace(/0+$/, '')
}
