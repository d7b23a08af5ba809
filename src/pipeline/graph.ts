/**
 * The shape of a running pipeline: its stages by name, who reads whom, and what of one set of stages
 * another plan can keep.
 */
import type { InputRef, Plan, PlannedSink, PlannedTransform } from '../component/plan.ts'
import type { Receiver } from './junction.ts'
import type { SinkStage, SourceStage, TransformStage } from './stage.ts'

export type Kind = 'source' | 'transform' | 'sink'

export interface Stages {
  readonly sources: Map<string, SourceStage>
  readonly transforms: Map<string, TransformStage>
  readonly sinks: Map<string, SinkStage>
}

/** The labels that every metric of a component carries. */
export function labelsOf(kind: Kind, id: string, type: string): Record<string, string> {
  return { component_id: id, component_kind: kind, component_type: type }
}

/** The running stage of a component that has not changed. */
export function kept<Stage extends { planned: { signature: string; component: { name: string } } }>(
  running: ReadonlyMap<string, Stage>,
  planned: { id: string; signature: string; component: { name: string } },
): Stage | undefined {
  const stage = running.get(planned.id)
  const same =
    stage?.planned.signature === planned.signature &&
    stage.planned.component.name === planned.component.name
  return same ? stage : undefined
}

/** Whether a plan still has a component as it is. */
export function keeps(
  planned: readonly { id: string; signature: string }[],
  one: { id: string; signature: string },
): boolean {
  return planned.some(other => other.id === one.id && other.signature === one.signature)
}

/** The stages of `a` that `b` does not have. */
export function without(a: Stages, b: Stages): Stages {
  const difference = <T>(of: Map<string, T>, from: Map<string, T>) =>
    new Map([...of].filter(([id, stage]) => from.get(id) !== stage))
  return {
    sources: difference(a.sources, b.sources),
    transforms: difference(a.transforms, b.transforms),
    sinks: difference(a.sinks, b.sinks),
  }
}

/** Who reads each output of a component, by the inputs that a plan gives. */
export function receiversOf(
  plan: Plan,
  stages: { transforms: ReadonlyMap<string, Receiver>; sinks: ReadonlyMap<string, Receiver> },
) {
  const readers: { inputs: readonly InputRef[]; receiver: Receiver }[] = []
  const consumers: readonly (PlannedTransform | PlannedSink)[] = [...plan.transforms, ...plan.sinks]
  for (const { id, inputs } of consumers) {
    const receiver = stages.transforms.get(id) ?? stages.sinks.get(id)
    if (receiver) readers.push({ inputs, receiver })
  }
  return (id: string): Map<string, Receiver[]> => {
    const receivers = new Map<string, Receiver[]>()
    for (const { inputs, receiver } of readers) {
      for (const input of inputs) {
        if (input.id !== id) continue
        const output = input.output ?? ''
        receivers.set(output, [...(receivers.get(output) ?? []), receiver])
      }
    }
    return receivers
  }
}

/** The names of all sources whose events can reach a component. */
export function sourcesOf(plan: Plan, id: string): string[] {
  const inputs = new Map([...plan.transforms, ...plan.sinks].map(one => [one.id, one.inputs]))
  const seen = new Set<string>()
  const visit = (of: string) => {
    if (seen.has(of)) return
    seen.add(of)
    for (const input of inputs.get(of) ?? []) visit(input.id)
  }
  visit(id)
  return plan.sources.map(source => source.id).filter(source => seen.has(source))
}
