/** The numbered lines that go through the edge: all of one length, so that a file's size tells how many. */

const HEAD = '{"n":"'
const DIGITS = 12
const LINE = `${HEAD}${'0'.repeat(DIGITS)}","sourcetype":"http","source":"http.resp","host":"web-07.prod","proc":"nginx","pid":4711,"data":{"duration":17,"http_method":"GET","http_target":"/api/v1/orders?id=${'7'.repeat(180)}","http_status_code":200,"http_flavor":"1.1","net_peer_ip":"10.3.77.12","net_peer_port":41233,"http_response_content_length":5120}}\n`

/** Bytes of a line with its newline. */
export const LINE_BYTES = LINE.length
const LINES_PER_BLOCK = 160

/** The next block of lines; they count on from `first`. */
export function block(first: number): Buffer {
  const bytes = Buffer.from(TEMPLATE)
  for (let i = 0; i < LINES_PER_BLOCK; i++) {
    let at = i * LINE_BYTES + HEAD.length + DIGITS - 1
    for (let n = first + i; n > 0; n = Math.floor(n / 10)) bytes[at--] = 0x30 + (n % 10)
  }
  return bytes
}

const TEMPLATE = Buffer.from(LINE.repeat(LINES_PER_BLOCK))

export const BLOCK_LINES = LINES_PER_BLOCK

/** The number of a line that begins at an offset. */
export function numberAt(bytes: Buffer, start: number): number {
  let n = 0
  for (let i = start + HEAD.length; i < start + HEAD.length + DIGITS; i++) {
    n = n * 10 + (bytes[i] as number) - 0x30
  }
  return n
}
