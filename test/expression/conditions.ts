/** Conditions of all kinds, over a record with the fields t, f, n, s, l, m. */
import fc from 'fast-check'

/** No division: a record's `n / 2` keeps its half here, while an int there loses it. */
const tied = fc.letrec<{ condition: string; text: string; number: string; list: string }>(tie => ({
  number: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom('n', 'm.n', 'l[0]', 'l[1]', 'absent', 'm.absent', '1', '3', '-2', '7'),
    fc.tuple(tie('text')).map(([a]) => `${a}.size()`),
    fc
      .tuple(tie('number'), fc.constantFrom('+', '-', '*', '%'), tie('number'))
      .map(([a, op, b]) => `(${a} ${op} ${b})`),
    fc
      .tuple(tie('condition'), tie('number'), tie('number'))
      .map(([c, a, b]) => `(${c} ? ${a} : ${b})`),
  ),
  text: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom('s', 'm.k', '"ex"', '"text"', '""', 'absent'),
    fc.tuple(tie('text'), tie('text')).map(([a, b]) => `(${a} + ${b})`),
    tie('text').map(a => `${a}.upperAscii()`),
    tie('text').map(a => `${a}.trim()`),
  ),
  list: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom('l', 'absent', '[3, 1]', '[7]'),
    fc.tuple(tie('number'), tie('number')).map(([a, b]) => `[${a}, ${b}]`),
    fc.tuple(tie('list'), tie('number')).map(([a, b]) => `${a}.filter(x, x > ${b})`),
    fc.tuple(tie('list'), tie('number')).map(([a, b]) => `${a}.map(x, x + ${b})`),
  ),
  condition: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom('t', 'f', 'absent', 'has(m.k)', 'has(m.absent)', 'true'),
    fc
      .tuple(tie('number'), fc.constantFrom('<', '<=', '>', '>=', '==', '!='), tie('number'))
      .map(([a, op, b]) => `${a} ${op} ${b}`),
    fc
      .tuple(tie('text'), fc.constantFrom('<', '==', '!='), tie('text'))
      .map(([a, op, b]) => `${a} ${op} ${b}`),
    fc
      .tuple(tie('text'), fc.constantFrom('contains', 'startsWith', 'endsWith'), tie('text'))
      .map(([a, name, b]) => `${a}.${name}(${b})`),
    fc.tuple(tie('number'), tie('list')).map(([a, b]) => `(${a} in ${b})`),
    fc
      .tuple(tie('list'), fc.constantFrom('exists', 'all', 'exists_one'), tie('condition'))
      .map(([a, name, b]) => `${a}.${name}(x, x > 1 && (${b}))`),
    fc
      .tuple(tie('condition'), fc.constantFrom('&&', '||'), tie('condition'))
      .map(([a, op, b]) => `(${a}) ${op} (${b})`),
    tie('condition').map(a => `!(${a})`),
  ),
}))

export const condition: fc.Arbitrary<string> = tied.condition
