/** The time that a found field tells, as the usual formats write it, for the `_time` of the event. */

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
/** `10/Oct/2000:13:55:36 -0700`, as web servers write it. */
const WEB = /^(\d\d)\/([A-Z][a-z]{2})\/(\d{4}):(\d\d:\d\d:\d\d) ([+-]\d\d):?(\d\d)$/
/** RFC 3339, also with the blank and the comma that many programs write in it. */
const RFC3339 = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:[.,](\d+))? ?([Zz]|[+-]\d\d:?\d\d)$/
const NUMBER = /^\d{1,19}(?:\.\d+)?$/
/** Greater numbers of seconds lie beyond the year 5138: they count milliseconds. */
const MOST_SECONDS = 1e11

/**
 * Seconds since 1970, as JSON text.
 *
 * @param json the JSON text of the field's value
 * @returns undefined if it tells no time
 */
export function timeTold(json: string): string | undefined {
  const value: unknown = JSON.parse(json)
  const text = typeof value === 'number' ? json : value
  if (typeof text !== 'string') return undefined
  if (NUMBER.test(text)) {
    const number = Number(text)
    return number <= MOST_SECONDS ? text.replace(/^0+(?=\d)/, '') : String(number / 1000)
  }
  const ms = Date.parse(isoOf(text) ?? '')
  return Number.isNaN(ms) ? undefined : String(ms / 1000)
}

function isoOf(text: string): string | undefined {
  const web = WEB.exec(text)
  if (web) {
    const [, day, name, year, time, hours, minutes] = web
    const month = String(MONTHS.indexOf(name as string) + 1).padStart(2, '0')
    return `${year}-${month}-${day}T${time}${hours}:${minutes}`
  }
  const iso = RFC3339.exec(text)
  if (!iso) return undefined
  const [, date, time, fraction = '0', zone = 'Z'] = iso
  const offset = zone.length === 5 ? `${zone.slice(0, 3)}:${zone.slice(3)}` : zone.toUpperCase()
  return `${date}T${time}.${fraction.slice(0, 9)}${offset}`
}
