// pipeline: steps that change X, and a model last. Each step learns from the training part alone, so nothing leaks from
// what the pipeline is tested on.
import { WeftError } from '../../core/error.js'
import { shownAs } from '../../core/shown.js'
import { show } from '../../core/options.js'
import type { Place } from '../../core/place.js'
import type { FitOptions, Stored } from '../estimator.js'
import { register, reviveStored } from '../estimator.js'
import type { Label, LabelsLike, MatrixLike } from '../matrix.js'
import { saveEstimator } from '../store.js'
import { checkStep, type LooseStep, namesOf, paramsOf, setParamsOf, type Step, storedStep } from './steps.js'
import type { TableLike } from './table.js'

/** What the first step reads. */
export type PipelineInput = MatrixLike | TableLike | readonly string[]
type Named = readonly [string, LooseStep]

/** Steps one after another. predictProba, decisionFunction and classes are there where the last step has them. */
export class Pipeline {
  readonly kind: string = 'pipeline'
  private named: readonly Named[]
  private fitted: boolean
  /** [rows][classes], as the last step gives them. */
  declare predictProba: (x: PipelineInput) => Promise<number[][]>
  declare decisionFunction: (x: PipelineInput) => Promise<unknown>

  /** @internal Users call pipeline(). */
  constructor(steps: readonly Named[], fitted: boolean) {
    this.named = steps
    this.fitted = fitted
    for (const method of ['predictProba', 'decisionFunction'] as const) {
      if (typeof this.last[method] !== 'function') continue
      Object.defineProperty(this, method, {
        value: async (x: PipelineInput) => this.last[method]!(await this.through(method, x)),
      })
    }
  }

  /** The steps with their names, in order. */
  get steps(): [string, Step][] {
    return this.named.map(([name, step]) => [name, step as unknown as Step])
  }
  /** The steps by their names. */
  get namedSteps(): Record<string, Step> {
    return Object.fromEntries(this.steps)
  }
  get isFitted(): boolean {
    return this.fitted
  }
  /** Classes of the last step. */
  get classes(): readonly Label[] {
    return (this.last as unknown as { classes: readonly Label[] }).classes
  }

  private get last(): LooseStep {
    return this.named.at(-1)![1]
  }

  /** Each step learns from what those before it made of X. The options, as sampleWeight, are for the last step. */
  async fit(x: PipelineInput, y?: LabelsLike, options?: FitOptions): Promise<this> {
    this.fitted = false
    let now: unknown = x
    for (const [, step] of this.named.slice(0, -1)) {
      await step.fit(now, y)
      now = await step.transform!(now)
    }
    await (options === undefined ? this.last.fit(now, y) : this.last.fit(now, y, options))
    this.fitted = true
    return this
  }

  /** What the last step predicts. */
  async predict(x: PipelineInput): Promise<Label[]> {
    return (await this.method('predict')(await this.through('predict', x))) as Label[]
  }
  /** The score of the last step: accuracy, or R². */
  async score(x: PipelineInput, y: LabelsLike, options?: FitOptions): Promise<number> {
    const score = this.method('score')
    const now = await this.through('score', x)
    return (await (options === undefined ? score(now, y) : score(now, y, options))) as number
  }
  /** What all steps make of X, where the last one changes X too. */
  async transform(x: PipelineInput): Promise<unknown> {
    return await this.method('transform')(await this.through('transform', x))
  }
  async fitTransform(x: PipelineInput, y?: LabelsLike): Promise<unknown> {
    return (await this.fit(x, y)).transform(x)
  }

  /** Names of the columns after all steps that change X, from those of X. */
  getFeatureNamesOut(names?: readonly string[]): string[] {
    const steps = this.named.filter(([, step]) => typeof step.transform === 'function')
    const found = steps.reduce<readonly string[] | undefined>((now, [, step]) => step.getFeatureNamesOut?.(now) ?? now, names)
    if (found !== undefined) return [...found]
    throw new WeftError('ERR_ARGUMENT', 'pipeline: its steps know no names of columns', { hint: 'Write getFeatureNamesOut(names)' })
  }

  /** Parameters of all steps as 'step__parameter', and the steps by their names. */
  getParams(): Record<string, unknown> {
    return paramsOf(this.named)
  }
  /**
   * Changes parameters of steps: setParams({ svc__C: 10 }), or 'svc.C'; or a whole step: setParams({ svc: linearSvc()
   * }).
   */
  setParams(params: object): this {
    const steps = new Map(this.named)
    const left = Object.entries(params ?? {}).filter(([name, step]) => {
      if (!steps.has(name)) return true
      checkStep('pipeline', step)
      steps.set(name, step)
      return false
    })
    const next = [...steps]
    checkOrder(next)
    setParamsOf('pipeline', steps, Object.fromEntries(left))
    this.named = next
    return this
  }
  clone(): this {
    return new Pipeline(
      this.named.map(([name, step]): Named => [name, step.clone()]),
      false,
    ) as this
  }

  /** Saves all steps in a folder; load(folder) reads it. ERR_STATE before fit(). */
  async save(folder: Place): Promise<void> {
    if (!this.fitted) throw unfitted('save')
    await saveEstimator('pipeline.save', folder, this.stored())
  }
  /** @internal `what` is what it is stored for. */
  stored(what = 'pipeline.save'): Stored {
    const params = {
      names: this.named.map(([name]) => name),
      steps: this.named.map(([, step]) => storedStep(what, step)),
      fitted: this.fitted,
    }
    return { kind: this.kind, params, state: undefined }
  }
  /** @internal The steps hold everything. */
  restore(): void {}

  private method(name: 'predict' | 'score' | 'transform'): (...args: unknown[]) => unknown {
    const found = this.last[name] as ((...args: unknown[]) => unknown) | undefined
    if (typeof found === 'function') return found.bind(this.last)
    throw new WeftError('ERR_ARGUMENT', `pipeline: its last step, ${this.last.kind}, has no ${name}()`, {
      hint: name === 'transform' ? 'The pipeline ends in a model: use predict()' : 'Add a model, such as logisticRegression()',
    })
  }

  /** X after all steps but the last. */
  private async through(method: string, x: unknown): Promise<unknown> {
    if (!this.fitted) throw unfitted(method)
    let now = x
    for (const [, step] of this.named.slice(0, -1)) now = await step.transform!(now)
    return now
  }
}
shownAs<Pipeline>(Pipeline.prototype, (one) => `pipeline of ${one.steps.map(([name]) => name).join(', ')}`)

const unfitted = (method: string): WeftError =>
  new WeftError('ERR_STATE', `pipeline: ${method} before it was fitted`, { hint: 'Write await pipeline.fit(X, y) first' })

function checkOrder(steps: readonly Named[]): void {
  for (const [name, step] of steps.slice(0, -1))
    if (typeof step.transform !== 'function')
      throw new WeftError('ERR_ARGUMENT', `pipeline: the step ${show(name)} has no transform(), only the last may be a model`)
}

/**
 * Steps one after another: pipeline(standardScaler(), svc()). Names are the kinds of the steps; to give others write
 * [name, step]. Parameters: setParams({ svc__C: 10 }).
 */
export function pipeline(...steps: (Step | readonly [string, Step])[]): Pipeline {
  const only: unknown = steps[0]
  const isStep = (item: unknown): boolean => Array.isArray(item) && item.length === 2 && typeof item[0] === 'string'
  const list: readonly unknown[] = steps.length === 1 && Array.isArray(only) && !isStep(only) ? only : steps
  if (list.length === 0)
    throw new WeftError('ERR_ARGUMENT', 'pipeline: there are no steps', { hint: 'Write pipeline(standardScaler(), svc())' })
  const given = list.map((item): { name: string | undefined; step: unknown } =>
    isStep(item) ? { name: (item as Named)[0], step: (item as Named)[1] } : { name: undefined, step: item },
  )
  for (const { step } of given) checkStep('pipeline', step)
  const kinds = namesOf(given.map(({ step }) => (step as LooseStep).kind ?? 'step'))
  const named = given.map(({ name, step }, i): Named => [name ?? kinds[i]!, step as LooseStep])
  const names = named.map(([name]) => name)
  const bad = names.find((name, i) => names.indexOf(name) !== i || name === '' || /__|\./.test(name))
  if (bad !== undefined)
    throw new WeftError('ERR_ARGUMENT', `pipeline: the name ${show(bad)} is taken, empty, or has '__' or '.' in it`, {
      hint: "Write pipeline(['first', step], ['second', step])",
    })
  checkOrder(named)
  return new Pipeline(named, false)
}
register('pipeline', ({ names, steps, fitted }: { names: string[]; steps: unknown[]; fitted: boolean }) => {
  const made = names.map((name, i): Named => [name, reviveStored(steps[i]) as unknown as LooseStep])
  return new Pipeline(made, fitted) as never
})
