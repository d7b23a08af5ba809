/** Writes examples and defaults as a user would write them in a configuration. */

/** A value as YAML on one line. */
export function yamlInline(value: unknown): string {
  if (typeof value === 'string') {
    // Text that YAML would read as something else, or not at all, needs quotes.
    const plain = /^[A-Za-z./][^\n]*$/.test(value) && !/: | #|[\s:]$|[[\]{},]/.test(value)
    const word = /^(?:true|false|null)$/i.test(value)
    if ((plain && !word) || /^\d+(?:\.\d+)?[A-Za-z]+$/.test(value)) return value
    return value.includes("'") ? JSON.stringify(value) : `'${value}'`
  }
  if (Array.isArray(value)) return `[${value.map(yamlInline).join(', ')}]`
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(([key, inner]) => `${key}: ${yamlInline(inner)}`)
    return entries.length === 0 ? '{}' : `{ ${entries.join(', ')} }`
  }
  return String(value)
}
