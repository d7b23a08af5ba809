/**
 * Connects components by their inputs: names, named outputs (`route.errors`) and globs (`app*`). Finds
 * inputs that lead nowhere, components that nobody reads, and circles; puts transforms in order.
 */
import type { Transform } from '../component/define.ts'
import { didYouMean, nearest } from '../component/nearest.ts'
import type { InputRef } from '../component/plan.ts'
import type { Findings } from './diagnose.ts'
import type { LocatedScalar } from './located.ts'
import { quoted } from './shown.ts'
import type { Declared } from './validate.ts'

/** The output that a user may leave unread without a warning: what no other output took. */
const REST = '_rest'

export interface Connected {
  /** What each transform and sink reads, each input once. */
  readonly inputs: ReadonlyMap<Declared, readonly InputRef[]>
  /** Transforms, every one after all that it reads. */
  readonly transforms: readonly Declared[]
}

/**
 * Connects the components, as far as they could be read.
 *
 * @param complete whether these are all; if not, a name that is not among them is no mistake
 */
export function connect(
  components: readonly Declared[],
  complete: boolean,
  findings: Findings,
): Connected {
  return new Wiring(components, complete, findings).connect()
}

/** Named outputs of a component; empty for the single one, undefined if they cannot be known. */
export function outputsOf(declared: Declared): readonly string[] | undefined {
  if (declared.kind !== 'transform') return []
  const component = declared.component as Transform | undefined
  if (!component) return undefined
  if (!component.outputs) return []
  // biome-ignore lint/suspicious/noExplicitAny: only the component knows the shape of its options
  return declared.options === undefined ? undefined : component.outputs(declared.options as any)
}

class Wiring {
  readonly #components: readonly Declared[]
  readonly #findings: Findings
  readonly #byId = new Map<string, Declared>()
  readonly #outputs = new Map<string, readonly string[] | undefined>()
  /** Everything that an input can name. */
  readonly #references: string[] = []
  /** What is read, as `id` and `id.output`. */
  readonly #read = new Set<string>()
  /** False when some inputs could not be understood, so that nothing can be called unused. */
  #certain: boolean
  readonly #complete: boolean

  constructor(components: readonly Declared[], complete: boolean, findings: Findings) {
    this.#complete = complete
    this.#certain = complete
    this.#components = components
    this.#findings = findings
    for (const declared of components) {
      if (this.#byId.has(declared.id)) continue
      this.#byId.set(declared.id, declared)
      if (declared.kind === 'sink') continue
      const outputs = outputsOf(declared)
      this.#outputs.set(declared.id, outputs)
      if (outputs?.length) this.#references.push(...outputs.map(name => `${declared.id}.${name}`))
      else this.#references.push(declared.id)
    }
  }

  connect(): Connected {
    const inputs = new Map<Declared, readonly InputRef[]>()
    for (const declared of this.#components) {
      if (declared.kind === 'source') continue
      if (declared.inputs) inputs.set(declared, this.#inputsOf(declared, declared.inputs))
      else this.#certain = false
    }
    this.#reportCycles(inputs)
    if (this.#certain) this.#reportUnused()
    return { inputs, transforms: this.#ordered(inputs) }
  }

  #inputsOf(declared: Declared, written: readonly LocatedScalar[]): InputRef[] {
    const found = new Map<string, InputRef>()
    const named = new Set<string>()
    for (const [i, scalar] of written.entries()) {
      if (scalar.failed) {
        this.#certain = false
        continue
      }
      const text = String(scalar.value)
      if (named.has(text)) {
        this.#findings.add({
          severity: 'warning',
          code: 'SCOPE_CONFIG_INPUT',
          at: scalar,
          path: [declared.section, declared.id, 'inputs', i],
          message: `${quoted(scalar)} is listed twice; its events come once`,
        })
      }
      named.add(text)
      const references = text.includes('*') ? this.#matching(text, declared.id) : this.#exact(text)
      if (references.length === 0) this.#dangling(declared, scalar, i)
      for (const reference of references) {
        this.#read.add(reference)
        const [id = '', output] = reference.split('.')
        this.#read.add(id)
        found.set(reference, output === undefined ? { id } : { id, output })
      }
    }
    return [...found.values()]
  }

  #exact(text: string): string[] {
    if (this.#references.includes(text)) return [text]
    const id = text.split('.')[0] as string
    // The outputs of a component that could not be read are not known: any may exist.
    if (this.#outputs.has(id) && this.#outputs.get(id) === undefined) return [text]
    return []
  }

  /** Everything but the reader itself that fits a glob; `*` does not go over a dot. */
  #matching(glob: string, reader: string): string[] {
    const fits = (pattern: string, name: string) =>
      new RegExp(
        `^${pattern
          .split('*')
          .map(part => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
          .join('[^.]*')}$`,
      ).test(name)
    const known = this.#references.filter(name => fits(glob, name) && name.split('.')[0] !== reader)
    const [idGlob = '', outputGlob] = glob.split('.')
    const unknown = [...this.#outputs]
      .filter(([id, outputs]) => outputs === undefined && id !== reader && fits(idGlob, id))
      .map(([id]) => id)
    return outputGlob === undefined ? known : [...known, ...unknown]
  }

  #dangling(declared: Declared, scalar: LocatedScalar, i: number): void {
    const text = String(scalar.value)
    const [id = '', output] = text.split('.')
    const named = this.#byId.get(id)
    const outputs = this.#outputs.get(id) ?? []
    if (!named && !this.#complete) return
    const outside = scalar.segments !== undefined
    let message: string
    let hint: string | undefined
    if (text.includes('*')) {
      message = `nothing matches ${quoted(scalar)}`
      hint = this.#knownNames(declared.id)
    } else if (named?.kind === 'sink') {
      message = `${quoted(scalar)} is a sink; nothing can be read from it`
    } else if (named && outputs.length > 0 && output === undefined) {
      this.#read.add(id)
      for (const name of outputs) this.#read.add(`${id}.${name}`)
      message = `${quoted(scalar)} has several outputs; say which of them`
      hint = `Write ${outputs.map(name => `${id}.${name}`).join(', ')}, or ${id}.* for all.`
    } else if (named && outputs.length > 0) {
      const guess = outside ? undefined : nearest(output ?? '', outputs)
      this.#read.add(id)
      if (guess !== undefined) this.#read.add(`${id}.${guess}`)
      message = `"${outside ? scalar.text : id}" has no output${outside ? ' of that name' : ` "${output}"`}`
      message += guess === undefined ? '' : `; did you mean "${id}.${guess}"?`
      hint = `Its outputs: ${outputs.map(name => `${id}.${name}`).join(', ')}.`
    } else if (named) {
      this.#read.add(id)
      message = `"${outside ? scalar.text : id}" has no named outputs`
      hint = outside ? undefined : `Write "${id}".`
    } else {
      const candidates = this.#references.filter(name => name.split('.')[0] !== declared.id)
      const guess = outside ? undefined : nearest(text, candidates)
      if (guess !== undefined) {
        this.#read.add(guess)
        this.#read.add(guess.split('.')[0] as string)
      }
      message = `there is no source or transform ${quoted(scalar)}`
      if (guess !== undefined) message += didYouMean(text, [guess])
      else hint = this.#knownNames(declared.id)
    }
    this.#findings.add({
      code: 'SCOPE_CONFIG_INPUT',
      at: scalar,
      path: [declared.section, declared.id, 'inputs', i],
      message,
      hint,
    })
  }

  #knownNames(reader: string): string | undefined {
    const names = this.#references.filter(name => name.split('.')[0] !== reader)
    return names.length > 0 && names.length <= 12 ? `There are: ${names.join(', ')}.` : undefined
  }

  /** Reports one circle for every group of transforms that feed each other. */
  #reportCycles(inputs: Connected['inputs']): void {
    const reads = (id: string) =>
      (inputs.get(this.#byId.get(id) as Declared) ?? []).map(input => input.id)
    const reported = new Set<string>()
    for (const declared of this.#components) {
      if (declared.kind !== 'transform' || reported.has(declared.id)) continue
      const circle = shortestCircle(declared.id, reads)
      if (!circle) continue
      for (const id of circle) reported.add(id)
      const from = circle[1] as string
      const i = (declared.inputs ?? []).findIndex(scalar => {
        const text = String(scalar.value)
        return (
          text.split('.')[0] === from ||
          this.#matching(text, declared.id).some(r => r.split('.')[0] === from)
        )
      })
      const scalar = declared.inputs?.[i]
      this.#findings.add({
        code: 'SCOPE_CONFIG_CYCLE',
        at: scalar ?? declared.keyPlace,
        path: [declared.section, declared.id, 'inputs', Math.max(i, 0)],
        message: `events would go in a circle: ${[...circle].reverse().join(' → ')}`,
        hint: 'Take one of these inputs out.',
      })
    }
  }

  #reportUnused(): void {
    for (const declared of this.#byId.values()) {
      if (declared.kind === 'sink') continue
      const { id, section, kind, keyPlace } = declared
      if (!this.#read.has(id)) {
        this.#findings.add({
          code: 'SCOPE_CONFIG_UNUSED',
          at: keyPlace,
          path: [section, id],
          message: `nothing reads this ${kind}`,
          hint: `Put "${id}" into the inputs of a transform or sink, or remove it.`,
        })
        continue
      }
      const outputs = this.#outputs.get(id) ?? []
      const unread = outputs.filter(name => name !== REST && !this.#read.has(`${id}.${name}`))
      if (unread.length === 0) continue
      this.#findings.add({
        severity: 'warning',
        code: 'SCOPE_CONFIG_UNUSED',
        at: keyPlace,
        path: [section, id],
        message: `nothing reads ${unread.map(name => `${id}.${name}`).join(', ')}; such events are discarded`,
      })
    }
  }

  #ordered(inputs: Connected['inputs']): Declared[] {
    const ordered: Declared[] = []
    const placed = new Set<string>()
    const place = (declared: Declared): void => {
      if (declared.kind !== 'transform' || placed.has(declared.id)) return
      placed.add(declared.id)
      for (const { id } of inputs.get(declared) ?? []) {
        const before = this.#byId.get(id)
        if (before) place(before)
      }
      ordered.push(declared)
    }
    for (const declared of this.#components) place(declared)
    return ordered
  }
}

/** The shortest way from a component through its inputs back to it: `[a, b, …, a]`. */
function shortestCircle(start: string, reads: (id: string) => string[]): string[] | undefined {
  const cameFrom = new Map<string, string>()
  const queue = [start]
  for (let i = 0; i < queue.length; i++) {
    const id = queue[i] as string
    for (const input of reads(id)) {
      if (input === start) {
        const way = [start]
        for (
          let at: string | undefined = id;
          at !== undefined && at !== start;
          at = cameFrom.get(at)
        ) {
          way.push(at)
        }
        way.push(start)
        const [first, ...rest] = way
        return [first as string, ...rest.slice(0, -1).reverse(), start]
      }
      if (cameFrom.has(input)) continue
      cameFrom.set(input, id)
      queue.push(input)
    }
  }
  return undefined
}
