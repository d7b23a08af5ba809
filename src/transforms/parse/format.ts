/** What the formats of `parse` have in common: from a text to named members, or to words why not. */

/** Members by name, each as JSON text; or a sentence that says why the text cannot be read so. */
export type Parsed = Map<string, string> | string

/** Numbers as JSON writes them; `007` and `1e` are not. */
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/

/** Longer ones are identifiers rather than amounts, and would lose digits elsewhere. */
const MOST_DIGITS = 40

/** The JSON text of a value that was found: a number as it was written if it is one and wanted. */
export function jsonText(value: string, numbers: boolean): string {
  return numbers && value.length <= MOST_DIGITS && NUMBER.test(value)
    ? value
    : JSON.stringify(value)
}
