/** Syslog messages in the form of RFC 5424, or in the older one that RFC 3164 describes. */
import type { JsonObject } from '../../record/json.ts'
import type { Parsed } from './format.ts'

const FACILITIES = [
  'kern',
  'user',
  'mail',
  'daemon',
  'auth',
  'syslog',
  'lpr',
  'news',
  'uucp',
  'cron',
  'authpriv',
  'ftp',
  'ntp',
  'security',
  'console',
  'solaris-cron',
  'local0',
  'local1',
  'local2',
  'local3',
  'local4',
  'local5',
  'local6',
  'local7',
] as const
const SEVERITIES = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug'] as const

// Linear: anchored or sticky, and each part ends at a character that it excludes.
const PRIORITY = /^<(\d{1,3})>/
const HEADER_5424 = /(\d{1,2}) (\S+) (\S+) (\S+) (\S+) (\S+) /y
const HEADER_3164 =
  /((?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\S+) (\S+) /y
const TAG = /([^\s:[\]]{1,128})(?:\[([^\]\s]{1,128})\])?: ?/y
const ELEMENT = /\[([^\s=\]"]{1,128})/y
const PARAMETER = / ([^\s=\]"]{1,128})="([^"\\\]]*(?:\\.[^"\\\]]*)*)"/sy

/** Reads a message. Facility and severity become names; what the message leaves out is left out. */
export function parseSyslog(text: string): Parsed {
  const members = new Map<string, string>()
  const add = (name: string, value: string | undefined) => {
    if (value !== undefined && value !== '-') members.set(name, JSON.stringify(value))
  }
  const priority = PRIORITY.exec(text)
  if (priority) {
    const number = Number(priority[1])
    if (number > 191) return `its priority is ${number}, and the highest is 191`
    add('facility', FACILITIES[number >> 3])
    add('severity', SEVERITIES[number & 7])
  }
  const at = priority?.[0].length ?? 0
  HEADER_5424.lastIndex = at
  const header = priority ? HEADER_5424.exec(text) : null
  if (header) {
    members.set('version', header[1] as string)
    add('timestamp', header[2])
    add('hostname', header[3])
    add('appname', header[4])
    add('procid', header[5])
    add('msgid', header[6])
    return readBody(text, HEADER_5424.lastIndex, members)
  }
  HEADER_3164.lastIndex = at
  const old = HEADER_3164.exec(text)
  if (!old) return 'it has neither the header of RFC 5424 nor that of RFC 3164'
  add('timestamp', old[1])
  add('hostname', old[2])
  let message = HEADER_3164.lastIndex
  TAG.lastIndex = message
  const tag = TAG.exec(text)
  if (tag) {
    add('appname', tag[1])
    add('procid', tag[2])
    message = TAG.lastIndex
  }
  members.set('message', JSON.stringify(text.slice(message).trimEnd()))
  return members
}

/** Structured data, and the message that may follow it. */
function readBody(text: string, at: number, members: Map<string, string>): Parsed {
  if (text[at] === '-') at++
  else {
    const elements: JsonObject = Object.create(null)
    const start = at
    while (text[at] === '[') {
      ELEMENT.lastIndex = at
      const element = ELEMENT.exec(text)
      if (!element) break
      const parameters: JsonObject = Object.create(null)
      at = ELEMENT.lastIndex
      for (;;) {
        PARAMETER.lastIndex = at
        const parameter = PARAMETER.exec(text)
        if (!parameter) break
        parameters[parameter[1] as string] = (parameter[2] as string).replace(/\\(["\\\]])/g, '$1')
        at = PARAMETER.lastIndex
      }
      if (text[at] !== ']') return `its structured data cannot be read at character ${at + 1}`
      elements[element[1] as string] = parameters
      at++
    }
    if (at === start) return `its structured data cannot be read at character ${at + 1}`
    members.set('structured_data', JSON.stringify(elements))
  }
  if (at < text.length && text[at] !== ' ') {
    return `its structured data cannot be read at character ${at + 1}`
  }
  // A byte order mark says that the message is UTF-8, which it is by now.
  const message = text.slice(at + 1).replace(/^\uFEFF/, '')
  if (message !== '') members.set('message', JSON.stringify(message.trimEnd()))
  return members
}
