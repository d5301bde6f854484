// Steps: what pipelines and column transformers are made of, their names, and parameters by the name of a step.
import { unknownName, WeftError } from '../../core/error.js'
import { show } from '../../core/options.js'
import { type Stored, storedOf } from '../estimator.js'

/** A transformer or a model: anything with fit() and transform() or predict(). */
export interface Step {
  readonly kind: string
  fit(x: never, y: never, options?: never): Promise<unknown>
  transform?(x: never): unknown
  predict?(x: never): Promise<unknown>
  getParams(): object
  setParams(params: never): unknown
  clone(): Step
}

/** A step as it is called: results are of any kind. */
export interface LooseStep {
  readonly kind: string
  fit(x: unknown, y?: unknown, options?: unknown): Promise<unknown>
  transform?(x: unknown): unknown
  predict?(x: unknown): Promise<unknown>
  predictProba?(x: unknown): Promise<number[][]>
  decisionFunction?(x: unknown): Promise<unknown>
  score?(x: unknown, y: unknown, options?: unknown): Promise<number>
  getFeatureNamesOut?(names?: readonly string[]): string[]
  getParams(): object
  setParams(params: object): unknown
  /** Parameters of any name are taken, as those that the build function of a network reads. */
  readonly takesAnyParam?: boolean
  clone(): LooseStep
}

export function checkStep(what: string, step: unknown): asserts step is LooseStep {
  const own = step as Partial<LooseStep> | null
  if (typeof own === 'object' && own !== null && typeof own.fit === 'function' && typeof own.clone === 'function') return
  throw new WeftError('ERR_ARGUMENT', `${what}: ${show(step)} is no transformer or model`, {
    hint: typeof step === 'function' ? 'Call the factory: standardScaler()' : 'Give steps such as standardScaler() or svc()',
  })
}

/** Names of steps: their kinds; of several of one kind with numbers, from 1 on. */
export function namesOf(kinds: readonly string[]): string[] {
  const count = (kind: string): number => kinds.filter((own) => own === kind).length
  return kinds.map((kind, i) => (count(kind) === 1 ? kind : `${kind}${kinds.slice(0, i + 1).filter((own) => own === kind).length}`))
}

/** Parameters of all steps as 'step__parameter', and the steps by their names. */
export function paramsOf(steps: readonly (readonly [string, LooseStep])[]): Record<string, unknown> {
  const entries = steps.flatMap(([name, step]): [string, unknown][] => [
    [name, step],
    ...Object.entries(step.getParams()).map(([key, value]): [string, unknown] => [`${name}__${key}`, value]),
  ])
  return Object.fromEntries(entries)
}

/** Hands 'step__parameter' (or 'step.parameter') to the step. ERR_ARGUMENT names the steps where there is none. */
export function setParamsOf(what: string, steps: ReadonlyMap<string, LooseStep>, params: object): void {
  const own = new Map<LooseStep, Record<string, unknown>>()
  for (const [key, value] of Object.entries(params ?? {})) {
    const [, name, parameter] = /^(.*?)(?:__|\.)(.+)$/s.exec(key) ?? []
    const step = name === undefined ? undefined : steps.get(name)
    const known = Object.keys(paramsOf([...steps])).filter((name) => !steps.has(name))
    const isKnown = step?.takesAnyParam === true || known.includes(`${name}__${parameter}`)
    if (step === undefined || parameter === undefined || !isKnown) throw unknownName(`parameter of ${what}`, key, known)
    const inner = own.get(step) ?? {}
    inner[parameter] = value
    own.set(step, inner)
  }
  for (const [step, inner] of own) step.setParams(inner)
}

/** What is saved of a step. ERR_ARGUMENT for a step of the user's own. */
export function storedStep(what: string, step: LooseStep): Stored {
  const own = step as unknown as { stored?(): Stored }
  if (typeof own.stored !== 'function' && what === 'exportOnnx')
    throw new WeftError('ERR_ARGUMENT', `exportOnnx: a step that is ${show(step)} cannot be exported with others`, {
      hint: 'Export the steps before it as a pipeline of their own, and a network by itself: await step.network.exportOnnx(file)',
    })
  if (typeof own.stored !== 'function')
    throw new WeftError('ERR_ARGUMENT', `${what}: a step that is ${show(step)} cannot be saved`, {
      hint: 'Save the steps of this package and the network each for itself: await step.save(folder)',
    })
  return storedOf(own as { stored(): Stored })
}
