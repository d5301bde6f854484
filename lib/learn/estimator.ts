// Estimator: what every model of weftjs/learn is. Parameters are checked when they are given; what is learned is a
// record of numbers and typed arrays, set at once when fit() succeeds, and saved and loaded as it is.
import { WeftError } from '../core/error.js'
import { checkOptions, type OptionTable, show } from '../core/options.js'
import type { Place } from '../core/place.js'
import { settingsText, shownAs } from '../core/shown.js'
import { warnOnce } from '../core/warnings.js'
import {
  type Label,
  type LabelsLike,
  type MatrixLike,
  readLabelList,
  readMatrix,
  readTargets,
  readWeights,
  type TargetsLike,
} from './matrix.js'
import { rSquared } from './r_squared.js'
import { saveEstimator } from './store.js'
import { checkState, isChecked } from './stored_state.js'

export { rSquared }

export interface FitOptions {
  /** A weight of at least 0 for each row. Default: all 1. */
  sampleWeight?: TargetsLike
}
export const FIT_OPTIONS: OptionTable<FitOptions> = { sampleWeight: 'any' }

/** What pipelines, splits and searches need of a model. */
export interface Estimator {
  /** The name of its factory: 'ridge'. */
  readonly kind: string
  fit(x: MatrixLike, y?: LabelsLike, options?: FitOptions): Promise<this>
  predict(x: MatrixLike): Promise<Label[]>
  score(x: MatrixLike, y: LabelsLike, options?: FitOptions): Promise<number>
  getParams(): object
  setParams(params: object): this
  /** A model of the same parameters that has learned nothing. */
  clone(): this
  save(folder: Place): Promise<void>
}

/** A model that tells classes. */
export interface Classifier extends Estimator {
  /** In ascending order: the columns of predictProba. */
  readonly classes: readonly Label[]
  /** [rows][classes]; each row adds up to 1. */
  predictProba(x: MatrixLike): Promise<number[][]>
}

/** A step that changes X: a scaler, an encoder, pca. */
export interface Transformer {
  readonly kind: string
  fit(x: MatrixLike, y?: LabelsLike): Promise<this>
  transform(x: MatrixLike): Promise<unknown>
  getParams(): object
  setParams(params: object): this
  clone(): this
  save(folder: Place): Promise<void>
}

/** What is learned: numbers, strings, booleans, null, typed arrays, and records and lists of them. */
export type State = object

/** What is saved of an estimator. */
export interface Stored {
  kind: string
  params: object
  state: State | undefined
}

interface Kind {
  create(params: object): Learner<object, State>
}
const kinds = new Map<string, Kind['create']>()

/** Makes a kind of estimator known to load() and clone(). Called once by the file of each. */
export function register<O extends object, S extends State>(kind: string, create: (params: O) => Learner<O, S>): void {
  if (!isChecked(kind)) throw new WeftError('ERR_STATE', `weftjs/learn: stored_state.ts has no row for ${kind}`)
  kinds.set(kind, create as unknown as Kind['create'])
}

/** @internal A new estimator of a kind. ERR_FORMAT for an unknown one. */
function createOf(kind: unknown, params: object): Learner<object, State> {
  const create = typeof kind === 'string' ? kinds.get(kind) : undefined
  if (create === undefined)
    throw new WeftError('ERR_FORMAT', `there is no model of the kind ${show(kind)} in weftjs/learn`, {
      hint: `Known kinds: ${[...kinds.keys()].sort().join(', ')}`,
    })
  return create(params)
}

/** What is saved of an estimator; `reviveStored` undoes it. Models inside models (a pipeline's) are stored so too. */
export const storedOf = (model: { stored(): Stored }): Stored => model.stored()

/** The estimator that storedOf() described. */
export function reviveStored(stored: unknown, params: object = {}): Learner<object, State> {
  const { kind, params: own, state } = (stored ?? {}) as Partial<Stored>
  checkState(kind, state)
  const model = createOf(kind, { ...(own ?? {}), ...params })
  model.restore(state ?? undefined)
  return model
}

/** What stands in a class of models: its kind, its parameters, and their checks beyond kinds of values. */
export interface Definition<O extends object> {
  readonly kind: string
  readonly table: OptionTable<O>
  readonly defaults: Required<O>
  /** Throws ERR_ARGUMENT for values that are out of range. */
  check?(params: Required<O>): void
}

/** The base of everything that is fitted. O: parameters; S: what is learned. */
export abstract class Learner<O extends object, S extends State> {
  /** @internal */
  protected readonly definition: Definition<O>
  /** @internal */
  protected params: Required<O>
  /** @internal */
  protected learned: S | undefined

  constructor(definition: Definition<O>, options: O) {
    this.definition = definition
    this.params = this.merged(definition.defaults, options)
  }

  /** The name of its factory. */
  get kind(): string {
    return this.definition.kind
  }
  get isFitted(): boolean {
    return this.learned !== undefined
  }

  private merged(base: Required<O>, options: Partial<O>): Required<O> {
    const { kind, table } = this.definition
    checkOptions(kind, options, table)
    const given = Object.entries(options ?? {}).filter(([, value]) => value !== undefined)
    const params = { ...base, ...Object.fromEntries(given) }
    this.definition.check?.(params)
    return params
  }

  /** All parameters, defaults included. */
  getParams(): Required<O> {
    return { ...this.params }
  }
  /** Changes parameters; what was learned stays until the next fit(). Throws ERR_ARGUMENT as the factory does. */
  setParams(params: Partial<O>): this {
    this.params = this.merged(this.params, params)
    return this
  }
  /** A model of the same parameters that has learned nothing. */
  clone(): this {
    return createOf(this.kind, this.getParams()) as unknown as this
  }

  /**
   * Saves parameters and what was learned in a folder (model.json, weights.safetensors), which is replaced as a whole.
   * load(folder) reads it. Functions among the parameters are not saved; give them to load(). ERR_STATE before fit().
   */
  async save(folder: Place): Promise<void> {
    this.state('save')
    await saveEstimator(`${this.kind}.save`, folder, this.stored())
  }

  /** @internal */
  stored(): Stored {
    return { kind: this.kind, params: this.getParams(), state: this.learned }
  }
  /** @internal */
  restore(state: State | undefined): void {
    this.learned = state as S | undefined
  }

  /** What was learned; ERR_STATE before fit(). */
  protected state(method: string): S {
    if (this.learned === undefined)
      throw new WeftError('ERR_STATE', `${this.kind}: ${method} before the model was fitted`, { hint: 'Write await model.fit(X, y) first' })
    return this.learned
  }

  /** A warning, once for each model. */
  protected warn(code: string, message: string): void {
    warnOnce(code, `${this.kind}: ${message}`, this)
  }
}

shownAs<Learner<object, State>>(
  Learner.prototype as Learner<object, State>,
  (one) => `${one.kind}${settingsText(one.getParams())}${one.isFitted ? '' : ', not fitted'}`,
)

/** A model that predicts numbers. `score` is R², the share of the variance of y that it explains. */
export abstract class Regressor<O extends object, S extends State> extends Learner<O, S> {
  /** Learns from rows X and their numbers y. Resolves with the model. */
  abstract fit(x: MatrixLike, y?: LabelsLike, options?: FitOptions): Promise<this>
  /** A number for each row of X. */
  abstract predict(x: MatrixLike): Promise<number[]>

  /**
   * R² = 1 - Σw(y - ŷ)² / Σw(y - ȳ)²: 1 is perfect, 0 is as good as the mean. For a constant y it is 1 where the
   * predictions are exact, otherwise 0; of one row it is NaN.
   */
  async score(x: MatrixLike, y: LabelsLike, options: FitOptions = {}): Promise<number> {
    const what = `${this.kind}.score`
    checkOptions(what, options, FIT_OPTIONS, 'X, y')
    const predicted = await this.predict(x)
    const actual = await readTargets(what, y, predicted.length)
    return rSquared(actual, predicted, await readWeights(what, options.sampleWeight, predicted.length))
  }
}

/** A model that tells classes. `score` is the accuracy. */
export abstract class ClassifierBase<O extends object, S extends { classes: Label[] }> extends Learner<O, S> {
  /** Learns from rows X and their classes y. Resolves with the model. */
  abstract fit(x: MatrixLike, y?: LabelsLike, options?: FitOptions): Promise<this>
  /** Scores of which the largest names the class: one row of `classes.length` values for each row of X. */
  protected abstract rank(x: MatrixLike, method: string): Promise<Float64Array>

  /** In ascending order: the columns of predictProba. */
  get classes(): readonly Label[] {
    return this.state('classes').classes
  }

  /** The class of each row of X. */
  async predict(x: MatrixLike): Promise<Label[]> {
    const { classes } = this.state('predict')
    const scores = await this.rank(x, 'predict')
    return Array.from(
      { length: scores.length / classes.length },
      (_, row) => classes[largest(scores, row * classes.length, classes.length)]!,
    )
  }

  /** Accuracy: the share of rows (of their weight) whose class is predicted. */
  async score(x: MatrixLike, y: LabelsLike, options: FitOptions = {}): Promise<number> {
    const what = `${this.kind}.score`
    checkOptions(what, options, FIT_OPTIONS, 'X, y')
    const predicted = await this.predict(x)
    const actual = await readLabelList(what, y, predicted.length)
    const weights = await readWeights(what, options.sampleWeight, predicted.length)
    let [right, total] = [0, 0]
    for (let row = 0; row < predicted.length; row++) {
      const weight = weights?.[row] ?? 1
      if (predicted[row] === actual[row]) right += weight
      total += weight
    }
    return right / total
  }

  /** X with as many features as the model was fitted on. */
  protected read(x: MatrixLike, method: string, columns: number): ReturnType<typeof readMatrix> {
    return readMatrix(`${this.kind}.${method}`, x, { columns })
  }
}

/** The place of the first of the largest of `count` values from `from` on. */
export function largest(values: ArrayLike<number>, from: number, count: number): number {
  let best = 0
  for (let i = 1; i < count; i++) if (values[from + i]! > values[from + best]!) best = i
  return best
}

/** A flat matrix as nested arrays. */
export const nested = (data: ArrayLike<number>, columns: number): number[][] =>
  Array.from({ length: data.length / columns }, (_, row) => Array.from({ length: columns }, (_, column) => data[row * columns + column]!))
