/**
 * Diagnoses: what is wrong with a configuration, at which place, and what to write instead. This is
 * where they are collected, put in order and shown, and where secrets in shown lines are hidden.
 */
import { formatTreePath, type Place, type TreePath } from './located.ts'

export type DiagnosisCode =
  | 'SCOPE_CONFIG_UNREADABLE'
  | 'SCOPE_CONFIG_SYNTAX'
  | 'SCOPE_CONFIG_DUPLICATE'
  | 'SCOPE_CONFIG_VARIABLE'
  | 'SCOPE_CONFIG_UNKNOWN_OPTION'
  | 'SCOPE_CONFIG_MISSING_OPTION'
  | 'SCOPE_CONFIG_UNKNOWN_TYPE'
  | 'SCOPE_CONFIG_WRONG_TYPE'
  | 'SCOPE_CONFIG_BAD_VALUE'
  | 'SCOPE_CONFIG_NAME'
  | 'SCOPE_CONFIG_INPUT'
  | 'SCOPE_CONFIG_CYCLE'
  | 'SCOPE_CONFIG_UNUSED'
  | 'SCOPE_CONFIG_CONFLICT'
  | 'SCOPE_CONFIG_PATH'
  | 'SCOPE_CONFIG_MEMORY'
  | 'SCOPE_CONFIG_INSECURE'
  | 'SCOPE_CONFIG_TEST'
  | 'SCOPE_CONFIG_NOT_YET'

export interface Diagnosis {
  readonly severity: 'error' | 'warning'
  readonly code: DiagnosisCode
  /** As given on the command line; `<stdin>` for standard input. */
  readonly file: string
  /** Both count from 1; columns in characters. Line 0: the file as a whole. */
  readonly line: number
  readonly column: number
  /** The column behind the last character that is meant. */
  readonly endColumn: number
  /** What is wrong, starting with the path of the value: `sources.web.adress: unknown option`. */
  readonly message: string
  /** What to write instead, or where to look. */
  readonly hint?: string
  /** The line, secrets hidden. */
  readonly sourceLine: string
}

/** A diagnosis as its finder knows it. */
export interface Finding {
  readonly severity?: 'error' | 'warning'
  readonly code: DiagnosisCode
  readonly at: Place
  readonly path?: TreePath
  readonly message: string
  readonly hint?: string | undefined
}

/** Names of options whose values should not be shown even where nothing is known about the option. */
const SECRET_NAME =
  /((?:^|[\s{,])["']?[\w.-]*(?:token|secret|passw|passphrase|credential|api_?key|access_?key|private_?key)[\w.-]*["']?\s*:\s+)("(?:[^"\\]|\\.)*"?|'(?:[^']|'')*'?|\$\{[^{}]*\}|[^\s,{}#][^,{}#]*)/gi

/** Collects the findings about one file. */
export class Findings {
  readonly file: string
  readonly text: string
  readonly #lineStarts: number[] = [0]
  readonly #found: Finding[] = []
  readonly #hidden: Place[] = []

  constructor(file: string, text: string) {
    this.file = file
    this.text = text
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) {
      this.#lineStarts.push(at + 1)
    }
  }

  add(finding: Finding): void {
    this.#found.push(finding)
  }

  /** Says that a stretch of the file is a secret: it is shown as asterisks. */
  hide(place: Place): void {
    this.#hidden.push(place)
  }

  get failed(): boolean {
    return this.#found.some(finding => finding.severity !== 'warning')
  }

  /** Line and column, from 1, of an offset. */
  position(offset: number): { line: number; column: number } {
    let low = 0
    let high = this.#lineStarts.length
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if ((this.#lineStarts[middle] as number) <= offset) low = middle
      else high = middle
    }
    const start = this.#lineStarts[low] as number
    return { line: low + 1, column: [...this.text.slice(start, offset)].length + 1 }
  }

  /** All of them in the order of the file, each once. */
  diagnoses(): Diagnosis[] {
    const seen = new Set<string>()
    return this.#found
      .map((finding, order) => ({ finding, order }))
      .sort((a, b) => a.finding.at.start - b.finding.at.start || a.order - b.order)
      .map(({ finding }) => this.#diagnosis(finding))
      .filter(diagnosis => {
        const key = `${diagnosis.line}:${diagnosis.column}:${diagnosis.message}`
        if (seen.has(key)) return false
        seen.add(key)
        return true
      })
  }

  #diagnosis(finding: Finding): Diagnosis {
    const { at, path } = finding
    const { line, column } = this.position(at.start)
    const lineStart = this.#lineStarts[line - 1] as number
    const lineEnd = (this.#lineStarts[line] ?? this.text.length + 1) - 1
    const end = Math.min(at.end, Math.max(lineEnd, at.start))
    const width = [...this.text.slice(at.start, end).trimEnd()].length
    return {
      severity: finding.severity ?? 'error',
      code: finding.code,
      file: this.file,
      line,
      column,
      endColumn: column + Math.max(width, 1),
      message: path?.length ? `${formatTreePath(path)}: ${finding.message}` : finding.message,
      ...(finding.hint === undefined ? {} : { hint: finding.hint }),
      sourceLine: this.#shownLine(lineStart, lineEnd),
    }
  }

  /** A line with what is secret in it replaced by asterisks, as many, so that columns stay. */
  #shownLine(start: number, end: number): string {
    let line = this.text.slice(start, end).replace(/\r$/, '')
    for (const place of this.#hidden) {
      const from = Math.max(place.start - start, 0)
      const to = Math.min(place.end - start, line.length)
      if (to > from) line = line.slice(0, from) + stars(line.slice(from, to)) + line.slice(to)
    }
    return line
      .replace(SECRET_NAME, (all, name: string, value: string) => {
        if (isReference(value)) return all
        const secret = value.trimEnd()
        return name + stars(secret) + value.slice(secret.length)
      })
      .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '\ufffd')
  }
}

/** Whether a secret is only a `${…}` without a default, which may be shown. */
export function isReference(text: string): boolean {
  return /^(["']?)\$\{[^{}]*\}\1\s*$/.test(text) && !text.includes(':-')
}

function stars(text: string): string {
  return '*'.repeat([...text].length)
}

const WIDEST_LINE = 160

/** A diagnosis as people read it: place, sentence, the line and a caret under what is meant. */
export function renderDiagnosis(diagnosis: Diagnosis): string {
  const { file, line, column, severity, message, hint, sourceLine, endColumn } = diagnosis
  const head = line > 0 ? `${file}:${line}:${column}` : file
  const lines = [`${head}: ${severity}: ${message}`]
  const number = String(line)
  const gutter = ' '.repeat(number.length)
  if (line > 0 && sourceLine.trim() !== '') {
    const characters = [...sourceLine.replaceAll('\t', ' ')]
    // A line that is too long for a screen is shown from shortly before the place that is meant.
    const from = column - 1 > WIDEST_LINE - 40 ? column - 1 - 40 : 0
    const shown = characters.slice(from, from + WIDEST_LINE)
    const before = from > 0 ? '…' : ''
    const after = characters.length > from + WIDEST_LINE ? '…' : ''
    const caret = column - 1 - from + before.length
    const run = Math.max(1, Math.min(endColumn - column, shown.length + before.length - caret))
    lines.push(`  ${number} | ${before}${shown.join('')}${after}`.trimEnd())
    lines.push(`  ${gutter} | ${' '.repeat(caret)}${'^'.repeat(run)}`)
  }
  if (hint !== undefined) lines.push(`  ${line > 0 ? gutter : ''} = ${hint}`)
  return lines.join('\n')
}

/** All diagnoses of a file as text, with a last line that counts them; '' if there are none. */
export function renderDiagnoses(diagnoses: readonly Diagnosis[]): string {
  if (diagnoses.length === 0) return ''
  const errors = diagnoses.filter(diagnosis => diagnosis.severity === 'error').length
  const warnings = diagnoses.length - errors
  const counts = [count(errors, 'error'), count(warnings, 'warning')].filter(Boolean).join(', ')
  return `${diagnoses.map(renderDiagnosis).join('\n\n')}\n\n${counts}\n`
}

function count(n: number, what: string): string {
  return n === 0 ? '' : `${n} ${what}${n === 1 ? '' : 's'}`
}
