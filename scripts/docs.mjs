// Writes docs/components/*.md from the declarations of the components; `npm run docs` builds first.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { allPages } from '../dist/component/describe.js'
import { sharedOptions } from '../dist/config/shared-options.js'
import { sinks } from '../dist/sinks/index.js'
import { sources } from '../dist/sources/index.js'
import { transforms } from '../dist/transforms/index.js'

const directory = fileURLToPath(new URL('../docs/components/', import.meta.url))
mkdirSync(directory, { recursive: true })
const pages = allPages({ sources, transforms, sinks }, sharedOptions)
for (const [name, text] of pages) writeFileSync(directory + name, text)
for (const name of readdirSync(directory)) {
  if (name.endsWith('.md') && !pages.has(name)) rmSync(directory + name)
}
