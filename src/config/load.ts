/**
 * Loads a configuration: reads the file, goes through every step of checking, and comes to a plan that
 * can be run, or to all that is wrong with it. Nothing is opened, bound or created on the way.
 */
import { isUtf8 } from 'node:buffer'
import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Catalogue, Sink, Source, Transform } from '../component/define.ts'
import type { InputRef, Plan } from '../component/plan.ts'
import { checkFiles, checkListeners, checkWrites } from './conflicts.ts'
import { type Diagnosis, Findings } from './diagnose.ts'
import { connect, outputsOf } from './graph.ts'
import { type Environment, interpolate, readingProblem } from './interpolate.ts'
import { shareMemory } from './memory.ts'
import { parse } from './parse.ts'
import { planTests } from './pipeline-tests.ts'
import { type Declared, validate } from './validate.ts'

/** A configuration is written by people; a larger file is something else. */
const LARGEST_FILE = 1024 * 1024

/** A plan is there exactly if no diagnosis is an error. */
export interface Loaded {
  readonly plan?: Plan
  readonly diagnoses: readonly Diagnosis[]
}

/**
 * Loads a configuration. Never throws for what the file holds.
 *
 * @param file path of the file, or `-` for `stdin`
 * @param catalogue the components that there are
 * @param variables the environment that `${NAME}` asks
 * @param stdin the text for `-`
 * @param directory where relative paths start; the working directory if absent
 */
export function loadConfig(
  file: string,
  catalogue: Catalogue,
  variables: Readonly<Record<string, string | undefined>>,
  stdin?: string,
  directory = '.',
): Loaded {
  const name = file === '-' ? '<stdin>' : file
  const environment: Environment = { variables, directory }
  const text = file === '-' ? (stdin ?? '') : readConfig(file, environment)
  if (typeof text !== 'string') {
    const { problem } = text
    return {
      diagnoses: [
        {
          severity: 'error',
          code: 'SCOPE_CONFIG_UNREADABLE',
          file: name,
          line: 0,
          column: 0,
          endColumn: 0,
          message: `the configuration cannot be read: ${problem}`,
          sourceLine: '',
        },
      ],
    }
  }
  const findings = new Findings(name, text)
  const plan = planOf(file, findings, catalogue, environment)
  const diagnoses = findings.diagnoses()
  return plan && !findings.failed ? { plan, diagnoses } : { diagnoses }
}

/** The text of a file, or why it cannot be had. */
function readConfig(file: string, environment: Environment): string | { problem: string } {
  try {
    const path = resolve(environment.directory, file)
    const about = statSync(path)
    if (about.isDirectory()) return { problem: 'it is a directory' }
    if (about.size > LARGEST_FILE) return { problem: `it has ${about.size} bytes` }
    const bytes = readFileSync(path)
    if (!isUtf8(bytes)) return { problem: 'it is not UTF-8 text' }
    if (bytes.includes(0)) return { problem: 'it holds NUL bytes' }
    return bytes.toString('utf8').replace(/^\ufeff/, '')
  } catch (error) {
    return { problem: readingProblem(error) }
  }
}

function planOf(
  file: string,
  findings: Findings,
  catalogue: Catalogue,
  environment: Environment,
): Plan | undefined {
  const tree = parse(findings)
  if (!tree) return undefined
  interpolate(tree, environment, findings)
  const { edge, components, complete, tests } = validate(tree, catalogue, findings)
  if (tree.kind !== 'map') return undefined
  const { inputs, transforms } = connect(components, complete, findings)
  checkListeners(components, edge, tree, findings)
  checkWrites(components, edge, tree, environment, findings)
  checkFiles(components, environment, findings)
  const shares = edge && shareMemory(components, edge.memory, tree, findings)
  const plannedTests = planTests(tests, components, findings)
  if (!edge || !shares || findings.failed) return undefined
  const inputsOf = (declared: Declared): readonly InputRef[] => inputs.get(declared) ?? []
  const madeOf = ({ id, signature, options }: Declared) => ({ id, signature, options })
  const bytesOf = (declared: Declared): number => shares.bytes.get(declared) ?? 0
  return {
    file,
    dataDir: edge.data_dir,
    memory: edge.memory,
    drainTimeout: edge.drain_timeout,
    log: edge.log,
    api: { listen: edge.api.listen || undefined, token: edge.api.token },
    telemetry: edge.telemetry,
    rejects: { maxBytes: edge.rejects.max_bytes },
    sources: components
      .filter(({ kind }) => kind === 'source')
      .map(declared => ({
        ...madeOf(declared),
        component: declared.component as Source,
        buffer: bytesOf(declared),
      })),
    transforms: transforms.map(declared => ({
      ...madeOf(declared),
      component: declared.component as Transform,
      inputs: inputsOf(declared),
      outputs: outputsOf(declared) ?? [],
    })),
    sinks: components
      .filter(({ kind }) => kind === 'sink')
      .map(declared => ({
        ...madeOf(declared),
        component: declared.component as Sink,
        inputs: inputsOf(declared),
        queue: {
          type: 'memory',
          maxBytes: bytesOf(declared),
          whenFull: declared.queue.whenFull,
        },
      })),
    tests: plannedTests,
  }
}
