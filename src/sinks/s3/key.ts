/** Object keys: the user's template, made unique for each object of events. */
import { compressor } from '../../codec/compression.ts'
import { compileTemplate, type Template } from '../../codec/path-template.ts'
import type { S3Options } from './options.ts'

/** `{id}` as a user writes it; `{{id}}` is how a template writes it literally. */
const ID = /(?<!\{)\{id\}(?!\})/g
/** One or two extensions at the end: `.ndjson`, `.tar.gz`. */
const EXTENSION = /(?:\.[A-Za-z][A-Za-z0-9]{0,7}){1,2}$/

/**
 * The template that events are sorted by: renders to the key with `{id}` left in it. Adds `-{id}`
 * before the extension where the user has not placed it, and the extension of the compression.
 */
export function partitionTemplate(
  options: Pick<S3Options, 'key' | 'compression' | 'body'>,
): Template {
  let text = options.key.source
  if (options.body === 'events') {
    if (text.endsWith('/')) text += '{id}.ndjson'
    else if (text.search(ID) < 0) {
      const extension = EXTENSION.exec(text)?.[0] ?? ''
      text = `${text.slice(0, text.length - extension.length)}-{id}${extension}`
    }
    const { extension } = compressor(options.compression)
    if (!text.endsWith(extension)) text += extension
  }
  return compileTemplate(text.replace(ID, '{{id}}'))
}

/** The key of one object. A name that was cut to fit may have lost its `{id}`: then it goes to the end. */
export function keyOf(partition: string, id: string, unique: boolean): string {
  const key = partition.replaceAll('{id}', id)
  return unique && !key.includes(id) ? `${key}-${id}` : key
}
