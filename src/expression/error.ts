/** What is wrong with an expression, and where in its text, so that a caret can point at it. */
export class ExpressionError extends Error {
  /** UTF-16 units from the start of the expression. */
  readonly offset: number
  /** How many units are meant; at least 1 unless the text ends there. */
  readonly length: number

  constructor(message: string, offset: number, length: number) {
    super(message)
    this.name = 'ExpressionError'
    this.offset = offset
    this.length = length
  }
}
