/**
 * The access logs of web servers: the common log format, the combined one with referrer and
 * agent, and nginx's `main`, which adds whom a proxy forwarded for.
 */
import { jsonText, type Parsed } from './format.ts'

// Linear: anchored, and each part ends at a character that it excludes.
const LINE =
  /^(\S+) (\S+) (\S+) \[([^\]]+)\] "([^"\\]*(?:\\.[^"\\]*)*)" (\d{3}) (\d+|-)(?: "([^"\\]*(?:\\.[^"\\]*)*)" "([^"\\]*(?:\\.[^"\\]*)*)"(?: "([^"\\]*(?:\\.[^"\\]*)*)")?)?\s*$/
const REQUEST = /^([A-Z]+) (\S+)(?: (HTTP\/[\d.]+))?$/

export function parseCommonLog(text: string): Parsed {
  const line = LINE.exec(text)
  if (!line) return 'it is neither in the common nor in the combined log format'
  const members = new Map<string, string>()
  const add = (name: string, value: string | undefined, number = false) => {
    if (value !== undefined && value !== '-') members.set(name, jsonText(value, number))
  }
  add('host', line[1])
  add('identity', line[2])
  add('user', line[3])
  add('timestamp', line[4])
  const request = REQUEST.exec(line[5] ?? '')
  if (request) {
    add('method', request[1])
    add('path', request[2])
    add('protocol', request[3])
  } else {
    add('request', line[5])
  }
  add('status', line[6], true)
  add('size', line[7], true)
  add('referrer', line[8])
  add('agent', line[9])
  add('forwarded_for', line[10])
  return members
}
