/**
 * The operators, each from its compiled operands to a closure. An operand that is absent, or whose
 * type does not fit, makes the result undefined, except where the other side of `&&` or `||` decides.
 */
import { needleOf } from '../batch/columns.ts'
import { type Code, fold } from './code.ts'
import type { Cell } from './reading.ts'
import {
  compare,
  Duration,
  equal,
  isList,
  isMap,
  Timestamp,
  timestampAt,
  type Value,
} from './value.ts'

/** `&&` (decided by false) and `||` (decided by true), over all operands. */
export function connective(operands: readonly Code[], decisive: boolean): Code {
  if (operands.length === 2) {
    const [left, right] = operands as [Code, Code]
    const first = left.run
    const second = right.run
    return fold(operands, 'bool', row => {
      const a = first(row)
      if (a === decisive) return decisive
      const b = second(row)
      if (b === decisive) return decisive
      return a === !decisive && b === !decisive ? !decisive : undefined
    })
  }
  const runs = operands.map(operand => operand.run)
  return fold(operands, 'bool', row => {
    let result: boolean | undefined = !decisive
    for (const run of runs) {
      const value = run(row)
      if (value === decisive) return decisive
      if (value !== !decisive) result = undefined
    }
    return result
  })
}

export function equality(left: Code, right: Code, wanted: boolean): Code {
  if (left.constant && !right.constant) return equality(right, left, wanted)
  const a = left.run
  const b = right.run
  const fixed = right.constant ? b(0) : undefined
  if (left.cell && typeof fixed === 'string') return isText(left.cell, fixed, wanted)
  if (left.cell && typeof fixed === 'number') return isNumber(left.cell, fixed, wanted)
  if (fixed !== undefined && (typeof fixed !== 'object' || fixed === null)) {
    return fold([left, right], 'bool', row => {
      const value = a(row)
      return value === undefined ? undefined : (value === fixed) === wanted
    })
  }
  return fold([left, right], 'bool', row => {
    const one = a(row)
    const other = b(row)
    if (one === undefined || other === undefined) return undefined
    return equal(one, other) === wanted
  })
}

function isText(cell: Cell, text: string, wanted: boolean): Code {
  const needle = needleOf(text)
  return {
    kind: 'bool',
    run: row => {
      const same = cell.column.equals(row, needle)
      return same === undefined ? undefined : same === wanted
    },
  }
}

function isNumber(cell: Cell, number: number, wanted: boolean): Code {
  return {
    kind: 'bool',
    run: row => {
      const value = cell.column.number(row)
      if (Number.isNaN(value)) return cell.column.has(row) ? !wanted : undefined
      return (value === number) === wanted
    },
  }
}

const FLIPPED = { '<': '>', '<=': '>=', '>': '<', '>=': '<=' } as const

export function ordering(op: '<' | '<=' | '>' | '>=', left: Code, right: Code): Code {
  if (left.constant && !right.constant) return ordering(FLIPPED[op], right, left)
  const a = left.run
  const b = right.run
  const limit = right.constant ? b(0) : undefined
  if (typeof limit === 'number') {
    const holds = numberTest(op, limit)
    const { cell } = left
    if (cell) {
      return {
        kind: 'bool',
        run: row => {
          const value = cell.column.number(row)
          return Number.isNaN(value) ? undefined : holds(value)
        },
      }
    }
    return fold([left, right], 'bool', row => {
      const value = a(row)
      return typeof value === 'number' ? holds(value) : undefined
    })
  }
  const holds = numberTest(op, 0)
  return fold([left, right], 'bool', row => {
    const one = a(row)
    const other = b(row)
    if (one === undefined || other === undefined) return undefined
    const order = compare(one, other)
    return order === undefined ? undefined : holds(order)
  })
}

function numberTest(op: '<' | '<=' | '>' | '>=', limit: number): (value: number) => boolean {
  switch (op) {
    case '<':
      return value => value < limit
    case '<=':
      return value => value <= limit
    case '>':
      return value => value > limit
    case '>=':
      return value => value >= limit
  }
}

export function membership(item: Code, collection: Code): Code {
  const a = item.run
  const b = collection.run
  const fixed = collection.constant ? b(0) : undefined
  if (fixed !== undefined && isList(fixed) && fixed.every(value => typeof value !== 'object')) {
    const { cell } = item
    if (cell && fixed.length <= FEW && fixed.every(value => typeof value === 'string')) {
      return isOneOf(cell, fixed)
    }
    const members = new Set<Value>(fixed)
    return fold([item, collection], 'bool', row => {
      const value = a(row)
      return value === undefined ? undefined : members.has(value)
    })
  }
  return fold([item, collection], 'bool', row => {
    const value = a(row)
    const all = b(row)
    if (value === undefined || all === undefined) return undefined
    if (isList(all)) return all.some(member => equal(value, member))
    if (!isMap(all)) return undefined
    return typeof value === 'string' && Object.hasOwn(all, value)
  })
}

/** Up to so many texts are compared one by one; more are looked up, which first has to make a string. */
const FEW = 8

function isOneOf(cell: Cell, texts: readonly string[]): Code {
  const needles = texts.map(needleOf)
  return {
    kind: 'bool',
    run: row => {
      for (const needle of needles) {
        const same = cell.column.equals(row, needle)
        if (same !== false) return same
      }
      return cell.column.has(row) ? false : undefined
    },
  }
}

/** A field of a map or an element of a list; undefined where there is none. */
export function member(value: Value | undefined, key: Value | undefined): Value | undefined {
  if (value === undefined || key === undefined) return undefined
  if (typeof key === 'number') return isList(value) ? value[key] : undefined
  if (typeof key !== 'string' || !isMap(value)) return undefined
  return Object.hasOwn(value, key) ? value[key] : undefined
}

/** `!` */
export function not(operand: Code): Code {
  return fold([operand], 'bool', row => {
    const value = operand.run(row)
    return typeof value === 'boolean' ? !value : undefined
  })
}

/** `-` before a value. */
export function negate(operand: Code): Code {
  return fold([operand], operand.kind === 'int' ? 'int' : undefined, row => {
    const value = operand.run(row)
    if (typeof value === 'number') return -value
    return value instanceof Duration ? new Duration(-value.ms) : undefined
  })
}

type Operation = (a: Value, b: Value) => Value | undefined

const OPERATIONS: Record<'+' | '-' | '*' | '/' | '%', Operation> = {
  '+': (a, b) => {
    if (typeof a === 'number' && typeof b === 'number') return a + b
    if (typeof a === 'string' && typeof b === 'string') return a + b
    if (isList(a) && isList(b)) return [...a, ...b]
    if (a instanceof Duration) {
      if (b instanceof Duration) return new Duration(a.ms + b.ms)
      return b instanceof Timestamp ? timestampAt(a.ms + b.ms) : undefined
    }
    return a instanceof Timestamp && b instanceof Duration ? timestampAt(a.ms + b.ms) : undefined
  },
  '-': (a, b) => {
    if (typeof a === 'number' && typeof b === 'number') return a - b
    if (a instanceof Timestamp && b instanceof Timestamp) return new Duration(a.ms - b.ms)
    if (a instanceof Timestamp && b instanceof Duration) return timestampAt(a.ms - b.ms)
    return a instanceof Duration && b instanceof Duration ? new Duration(a.ms - b.ms) : undefined
  },
  '*': (a, b) => (typeof a === 'number' && typeof b === 'number' ? a * b : undefined),
  '/': (a, b) => (typeof a === 'number' && typeof b === 'number' && b !== 0 ? a / b : undefined),
  '%': (a, b) => (typeof a === 'number' && typeof b === 'number' && b !== 0 ? a % b : undefined),
}

/**
 * Arithmetic. What is known to be an int beforehand (literals, `size`, `int()`) divides as ints do;
 * a record's numbers may be fractions, so dividing one of those keeps the fraction.
 */
export function arithmetic(op: keyof typeof OPERATIONS, left: Code, right: Code): Code {
  const whole = left.kind === 'int' && right.kind === 'int'
  const apply = OPERATIONS[op]
  const a = left.run
  const b = right.run
  return fold([left, right], whole ? 'int' : undefined, row => {
    const one = a(row)
    const other = b(row)
    if (one === undefined || other === undefined) return undefined
    const value = apply(one, other)
    if (typeof value !== 'number') return value
    if (!Number.isFinite(value)) return undefined
    return whole && op === '/' ? Math.trunc(value) : value
  })
}
