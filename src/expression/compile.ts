/**
 * From a syntax tree to closures over the rows of columns. Field paths are resolved and constants
 * folded once, so that an event costs a few calls and no allocation. Every closure answers a value or
 * undefined: absent and failed alike, the third value that `&&` and `||` absorb where the other side
 * decides.
 */

import { needleOf } from '../batch/columns.ts'
import { nearest } from '../component/nearest.ts'
import type { Path } from '../record/path.ts'
import { type Code, fold, type Parts, type Run } from './code.ts'
import { ExpressionError } from './error.ts'
import {
  compileRegex,
  FUNCTIONS,
  type FunctionDeclaration,
  MATH_NAMES,
  RegexError,
} from './functions.ts'
import { MACROS } from './macros.ts'
import {
  arithmetic,
  connective,
  equality,
  member,
  membership,
  negate,
  not,
  ordering,
} from './operators.ts'
import { MAX_DEPTH, type Node, tooDeep } from './parse.ts'
import { Reading } from './reading.ts'
import { KINDS, type Kind, type Value } from './value.ts'

/** A whole expression, compiled. */
export interface Compiled extends Code {
  readonly source: string
  readonly ast: Node
  /** Every field that it may read; `run` sees the rows of what it was last set to. */
  readonly reading: Reading
}

/** Compiles a tree (or a part of one). Throws ExpressionError with the offset of the part meant. */
export function compile(source: string, ast: Node): Compiled {
  const compiler = new Compiler()
  const code = compiler.compile(ast)
  return { ...code, source, ast, reading: compiler.reading }
}

class Compiler implements Parts {
  readonly reading = new Reading()
  /** The values of the variables of macros, by nesting; one evaluation runs at a time. */
  readonly #slots: (Value | undefined)[] = []
  #variables: readonly string[] = []
  #depth = 0

  compile(node: Node): Code {
    if (++this.#depth > MAX_DEPTH) throw tooDeep(node.start)
    const code = this.#node(node)
    this.#depth--
    return code
  }

  within(name: string, node: Node): { code: Code; set: (value: Value) => void } {
    const slot = this.#variables.length
    const outer = this.#variables
    this.#variables = [...outer, name]
    const code = this.compile(node)
    this.#variables = outer
    const slots = this.#slots
    return {
      code,
      set: value => {
        slots[slot] = value
      },
    }
  }

  #node(node: Node): Code {
    switch (node.op) {
      case 'value':
        return literal(node)
      case 'id':
      case '.':
      case '[]':
        return this.#access(node)
      case 'call':
        return this.#call(node, node.args[0], undefined, node.args[1])
      case 'rcall':
        return this.#call(node, node.args[0], node.args[1], node.args[2])
      case 'list':
        return this.#list(node.args)
      case 'map':
        return this.#map(node.args)
      case '&&':
        return connective(this.#chain('&&', node), false)
      case '||':
        return connective(this.#chain('||', node), true)
      case '?:':
        return this.#conditional(node.args)
      case '!_':
        return not(this.compile(node.args))
      case '-_':
        return negate(this.compile(node.args))
      case '==':
      case '!=':
        return this.#equality(node.args, node.op === '==')
      case '<':
      case '<=':
      case '>':
      case '>=':
        return ordering(node.op, this.compile(node.args[0]), this.compile(node.args[1]))
      case 'in':
        return membership(this.compile(node.args[0]), this.compile(node.args[1]))
      case '+':
      case '-':
      case '*':
      case '/':
      case '%':
        return arithmetic(node.op, this.compile(node.args[0]), this.compile(node.args[1]))
      default:
        throw at(node, `"${node.op}" is not supported in expressions`)
    }
  }

  /** The operands of a chain such as `a && b && c`, however long, without going deeper for each. */
  #chain(op: '&&' | '||', node: Node): Code[] {
    const operands: Node[] = []
    let left: Node = node
    while (left.op === op) {
      operands.push(left.args[1])
      left = left.args[0]
    }
    operands.push(left)
    return operands.reverse().map(operand => this.compile(operand))
  }

  #access(node: Node): Code {
    if (node.op === 'id') {
      const slot = this.#variables.lastIndexOf(node.args)
      const slots = this.#slots
      if (slot >= 0) return { run: () => slots[slot] }
    }
    const path = this.#pathOf(node)
    if (path) {
      const cell = this.reading.cell(path)
      return { run: row => cell.column.value(row), cell }
    }
    if (node.op === '.') {
      const [of, name] = node.args
      const base = this.compile(of)
      return fold([base], undefined, row => member(base.run(row), name))
    }
    const [of, index] = node.args as [Node, Node]
    const base = this.compile(of)
    const key = this.compile(index)
    return fold([base, key], undefined, row => member(base.run(row), key.run(row)))
  }

  /** The field path that a part of the tree spells; undefined when it is not just a field. */
  #pathOf(node: Node): Path | undefined {
    const path: (string | number)[] = []
    let at = node
    while (at.op !== 'id') {
      if (at.op === '.') path.push(at.args[1])
      else if (at.op === '[]' && at.args[1].op === 'value') {
        const key = at.args[1].args
        if (typeof key === 'string') path.push(key)
        else if (typeof key === 'bigint' && key >= 0n && key < 2n ** 32n) path.push(Number(key))
        else return undefined
      } else return undefined
      at = at.args[0]
      if (path.length > MAX_DEPTH) throw tooDeep(node.start)
    }
    if (this.#variables.includes(at.args)) return undefined
    if (at.args !== 'event') path.push(at.args)
    return path.reverse()
  }

  #equality([left, right]: readonly [Node, Node], wanted: boolean): Code {
    // `type(x) == int`: CEL names types by plain words, which would otherwise be fields.
    const a = isTypeCall(right) ? typeName(left) : undefined
    const b = isTypeCall(left) ? typeName(right) : undefined
    return equality(a ?? this.compile(left), b ?? this.compile(right), wanted)
  }

  #list(nodes: readonly Node[]): Code {
    const items = nodes.map(node => this.compile(node))
    return fold(items, 'list', row => {
      const values: Value[] = []
      for (const item of items) {
        const value = item.run(row)
        if (value === undefined) return undefined
        values.push(value)
      }
      return values
    })
  }

  #map(entries: readonly (readonly [Node, Node])[]): Code {
    const pairs = entries.map(([key, value]) => [this.compile(key), this.compile(value)] as const)
    return fold(pairs.flat(), 'map', row => {
      const map = new Map<string, Value>()
      for (const [key, value] of pairs) {
        const name = key.run(row)
        const content = value.run(row)
        if (typeof name !== 'string' || content === undefined || map.has(name)) return undefined
        map.set(name, content)
      }
      return Object.fromEntries(map)
    })
  }

  #conditional([condition, then, otherwise]: readonly [Node, Node, Node]): Code {
    const test = this.compile(condition)
    const yes = this.compile(then)
    const no = this.compile(otherwise)
    const kind = yes.kind === no.kind ? yes.kind : undefined
    return fold([test, yes, no], kind, row => {
      const value = test.run(row)
      if (value === true) return yes.run(row)
      return value === false ? no.run(row) : undefined
    })
  }

  #call(node: Node, name: string, on: Node | undefined, args: readonly Node[]): Code {
    if (on?.op === 'id' && on.args === 'math' && !this.#variables.includes('math')) {
      const plain = MATH_NAMES.get(name)
      if (plain !== undefined) return this.#call(node, plain, undefined, args)
    }
    const macro = MACROS.get(name)
    if (macro) {
      if ((on !== undefined) !== macro.method || !macro.arguments.includes(args.length)) {
        throw this.#called(node, name, `write ${macro.usage}`)
      }
      return macro.compile(this, on ?? (args[0] as Node), args)
    }
    const declaration = FUNCTIONS.get(name)
    if (!declaration) throw this.#unknown(node, name, on !== undefined)
    if (declaration.call !== 'either' && (declaration.call === 'method') !== (on !== undefined)) {
      throw this.#called(node, name, `write ${declaration.usage}`)
    }
    const nodes = on ? [on, ...args] : args
    const [fewest, most] = declaration.arity
    if (nodes.length < fewest || nodes.length > most) {
      throw this.#called(node, name, `wrong number of arguments; write ${declaration.usage}`)
    }
    if (name === 'matches') this.#checkRegex(nodes[1] as Node)
    return call(
      declaration,
      nodes.map(part => this.compile(part)),
    )
  }

  #checkRegex(pattern: Node): void {
    if (pattern.op !== 'value' || typeof pattern.args !== 'string') return
    try {
      compileRegex(pattern.args)
    } catch (error) {
      if (!(error instanceof RegexError)) throw error
      throw at(pattern, `"${pattern.args}" is not a regular expression: ${error.message}`)
    }
  }

  #called(node: Node, name: string, message: string): ExpressionError {
    return new ExpressionError(`${name}: ${message}`, nameOffset(node, name), name.length)
  }

  #unknown(node: Node, name: string, method: boolean): ExpressionError {
    const known = [...FUNCTIONS.keys(), ...MACROS.keys()]
    const meant = nearest(name, known)
    const usage = meant && (FUNCTIONS.get(meant)?.usage ?? MACROS.get(meant)?.usage)
    return new ExpressionError(
      `there is no function "${method ? '.' : ''}${name}"${usage ? `; did you mean ${usage}?` : ''}`,
      nameOffset(node, name),
      name.length,
    )
  }
}

function at(node: Node, message: string): ExpressionError {
  return new ExpressionError(message, node.start, Math.max(node.end - node.start, 1))
}

/** Where the name of a call stands: calls on a value start with that value. */
function nameOffset(node: Node, name: string): number {
  if (node.op !== 'rcall') return node.start
  const found = node.input.indexOf(name, node.args[1].end)
  return found < 0 ? node.start : found
}

function literal(node: Node): Code {
  const value = node.args as unknown
  const constant = (run: Run, kind: Kind): Code => ({ run, constant: true, kind })
  if (typeof value === 'string') return constant(() => value, 'string')
  if (typeof value === 'boolean') return constant(() => value, 'bool')
  if (typeof value === 'number') return constant(() => value, 'double')
  if (value === null) return constant(() => null, 'null_type')
  if (value instanceof Uint8Array) {
    throw at(node, 'records hold no bytes; write a text without the b before it')
  }
  const integer = typeof value === 'bigint' ? value : BigInt(String(value))
  if (integer > 2n ** 64n) throw at(node, 'the number does not fit into 64 bits')
  // Records' numbers are doubles, so beyond 2^53 the nearest double is all there is to compare with.
  const number = Number(integer)
  return constant(() => number, 'int')
}

function isTypeCall(node: Node): boolean {
  return node.op === 'call' && node.args[0] === 'type'
}

function typeName(node: Node): Code | undefined {
  if (node.op !== 'id' || !KINDS.has(node.args)) return undefined
  const name = node.args
  return { run: () => name, constant: true, kind: 'string' }
}

function call(declaration: FunctionDeclaration, parts: readonly Code[]): Code {
  const { apply, gives } = declaration
  if (declaration.name === 'startsWith') {
    const faster = startsWith(parts)
    if (faster) return faster
  }
  const [first, second, third] = parts.map(part => part.run) as [Run, Run, Run]
  switch (parts.length) {
    case 1:
      return fold(parts, gives, row => {
        const a = first(row)
        return a === undefined ? undefined : apply(a)
      })
    case 2:
      return fold(parts, gives, row => {
        const a = first(row)
        const b = second(row)
        return a === undefined || b === undefined ? undefined : apply(a, b)
      })
    case 3:
      return fold(parts, gives, row => {
        const a = first(row)
        const b = second(row)
        const c = third(row)
        return a === undefined || b === undefined || c === undefined ? undefined : apply(a, b, c)
      })
    default:
      return fold(parts, gives, row => {
        const values: Value[] = []
        for (const part of parts) {
          const value = part.run(row)
          if (value === undefined) return undefined
          values.push(value)
        }
        return apply(...values)
      })
  }
}

/** Whether a field starts with a fixed text can be told from its bytes. */
function startsWith([text, prefix]: readonly Code[]): Code | undefined {
  const fixed = prefix?.constant ? prefix.run(0) : undefined
  const cell = text?.cell
  if (!cell || typeof fixed !== 'string') return undefined
  const needle = needleOf(fixed)
  return { kind: 'bool', run: row => cell.column.startsWith(row, needle) }
}
