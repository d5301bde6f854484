// Objective: what compile() asked for (optimizer, losses, metrics, precision), and which of it belongs to which output.
import { unknownName, WeftError } from '../core/error.js'
import { type OptionTable, show } from '../core/options.js'
import { jit, type Precision } from '../core/jit.js'
import { type LossLike, resolveLoss } from '../losses/by_name.js'
import type { Loss } from '../losses/loss.js'
import { type MetricLike, resolveMetric } from '../metrics/by_name.js'
import type { Metric } from '../metrics/metric.js'
import { optimizerFromJson, type OptimizerLike, resolveOptimizer } from '../optimizers/by_name.js'
import type { Optimizer } from '../optimizers/optimizer.js'
import { isRecord, isValue, mapLeaves } from '../core/tree.js'
import { warnOnce } from '../core/warnings.js'

export interface CompileOptions {
  /** Default 'rmsprop'. */
  optimizer?: OptimizerLike
  /** One for every output, or a list or record of one each. Without it only what layers add is trained on. */
  loss?: LossLike | readonly (LossLike | undefined)[] | Readonly<Record<string, LossLike | undefined>>
  /** Factors of the outputs' losses: a list or record. */
  lossWeights?: readonly number[] | Readonly<Record<string, number>>
  /** For every output, or lists of them by output, or a record. */
  metrics?: readonly (MetricLike | readonly MetricLike[])[] | Readonly<Record<string, MetricLike | readonly MetricLike[]>>
  /**
   * Metrics that count samples by sampleWeight and classWeight, in the same forms; those of `metrics` count all samples
   * alike.
   */
  weightedMetrics?: CompileOptions['metrics']
  /** Accuracy of matrix products and convolutions, as in jit's options. Default 'float32'. */
  precision?: Precision
}

export const COMPILE_OPTIONS: OptionTable<CompileOptions> = {
  optimizer: 'any',
  loss: 'any',
  lossWeights: 'any',
  metrics: 'any',
  weightedMetrics: 'any',
  precision: ['float32', 'tf32', 'mixedBfloat16'],
}

/** An output of the model: its name, and its position among all. */
export interface OutputPlace {
  readonly name: string
  readonly index: number
  readonly count: number
}

export interface NamedMetric {
  /** Key in the logs. */
  readonly key: string
  readonly metric: Metric
  /** Whether it counts samples by their weights. */
  readonly weighted: boolean
}

/** JSON of a compilation; undefined parts cannot be saved. */
export interface ObjectiveJson {
  loss: unknown
  lossWeights?: unknown
  metrics: unknown
  weightedMetrics?: unknown
  precision: Precision
}

/** A metric as it was given, resolved once, and its key. */
interface GivenMetric {
  key: string
  original: Metric
}

const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value)

export class Objective {
  readonly optimizer: Optimizer
  readonly precision: Precision
  private readonly loss: unknown
  private readonly lossWeights: CompileOptions['lossWeights']
  private readonly metrics: unknown
  private readonly weightedMetrics: unknown

  constructor(options: CompileOptions) {
    this.optimizer = resolveOptimizer(options.optimizer ?? 'rmsprop')
    this.precision = options.precision ?? 'float32'
    // refuses what this device cannot do, now and not at the first step
    jit(() => undefined, { precision: this.precision })
    this.loss = mapSettings(options.loss, (leaf) => (leaf === undefined || leaf === null ? undefined : resolveLoss(leaf)))
    this.lossWeights = options.lossWeights
    this.metrics = givenMetrics('metrics', options.metrics)
    this.weightedMetrics = givenMetrics('weightedMetrics', options.weightedMetrics)
  }

  /**
   * The same losses and metrics, with an optimizer of the same settings that has seen nothing, or with the one given.
   */
  again(changes: { optimizer?: Optimizer; loss?: undefined; lossWeights?: readonly number[] } = {}): Objective {
    const optimizer = changes.optimizer ?? optimizerFromJson({ className: this.optimizer.name, config: { ...this.optimizer.config } })
    return Object.assign(Object.create(Objective.prototype) as Objective, this, changes, { optimizer })
  }

  /**
   * Throws ERR_ARGUMENT for settings by output that name an output the model does not have; warns of outputs that a
   * record of losses leaves out.
   */
  checkOutputs(names: readonly string[]): void {
    const settings = { loss: this.loss, lossWeights: this.lossWeights, metrics: this.metrics, weightedMetrics: this.weightedMetrics }
    for (const [what, setting] of Object.entries(settings)) {
      if (!isRecord(setting) || isMetricRecord(setting)) continue
      const stranger = Object.keys(setting).find((key) => !names.includes(key))
      if (stranger !== undefined) throw unknownName(`output in ${what} of compile`, stranger, names)
      const missing = what === 'loss' ? names.find((name) => !Object.hasOwn(setting, name)) : undefined
      if (missing !== undefined) {
        warnOnce(
          'WEFT_NO_LOSS',
          `compile: there is no loss for the output '${missing}', which is not trained. Write ${missing}: undefined in loss if that is right`,
          names.join(),
        )
      }
    }
  }

  lossOf(place: OutputPlace): Loss | undefined {
    return byOutput('loss', this.loss, place) as Loss | undefined
  }

  weightOf(place: OutputPlace): number {
    if (this.lossWeights === undefined) return 1
    const weight = byOutput('lossWeights', this.lossWeights, place)
    if (typeof weight === 'number' && Number.isFinite(weight)) return weight
    throw new WeftError('ERR_ARGUMENT', `compile: lossWeights for output '${place.name}' must be a number, got ${show(weight)}`)
  }

  /** The metrics of an output, with states of their own where they can be copied. */
  metricsOf(place: OutputPlace): NamedMetric[] {
    const named = (what: 'metrics' | 'weightedMetrics'): NamedMetric[] => {
      const setting = this[what]
      const flat = isList(setting) && !setting.some(isList)
      const given = flat ? setting : byOutput(what, setting, place)
      const list = (isList(given) ? given : given === undefined ? [] : [given]) as readonly GivenMetric[]
      return list.map(({ key, original }) => ({
        key: place.count > 1 ? `${place.name}_${key}` : key,
        metric: original.clone?.() ?? original,
        weighted: what === 'weightedMetrics',
      }))
    }
    const plain = named('metrics')
    const taken = new Set(plain.map(({ key }) => key))
    return [...plain, ...named('weightedMetrics').map((one) => (taken.has(one.key) ? { ...one, key: `weighted_${one.key}` } : one))]
  }

  /** Whether more is better of the figure of this name, as its metric says; undefined where none says so. */
  risingOf(name: string): boolean | undefined {
    const given: GivenMetric[] = []
    for (const setting of [this.metrics, this.weightedMetrics]) mapSettings(setting, (leaf) => given.push(leaf as GivenMetric))
    const found = given.find(({ key }) => name === key) ?? given.find(({ key }) => name.endsWith(`_${key}`))
    return found?.original.rising
  }

  /** What compile() is called with again after loading; of the user's own losses and metrics { own: name }. */
  toJson(): ObjectiveJson {
    const saved = (metrics: unknown): unknown =>
      mapSettings(metrics, (leaf) => {
        const { key, original } = leaf as GivenMetric
        return original.own || original.metricName === undefined
          ? { key, own: original.name }
          : { key, className: original.metricName, config: original.config ?? {} }
      })
    return {
      loss: mapSettings(this.loss, (leaf) => {
        if (leaf === undefined) return null
        const loss = leaf as Loss
        return loss.saved ? { className: loss.lossName, config: loss.config } : { own: loss.lossName }
      }),
      ...(this.lossWeights === undefined ? {} : { lossWeights: this.lossWeights }),
      ...(isList(this.weightedMetrics) && this.weightedMetrics.length === 0 ? {} : { weightedMetrics: saved(this.weightedMetrics) }),
      metrics: saved(this.metrics),
      precision: this.precision,
    }
  }
}

/** Losses and metrics of the user's own, by name. */
export interface OwnFunctions {
  readonly losses?: Readonly<Record<string, unknown>> | undefined
  readonly metrics?: Readonly<Record<string, unknown>> | undefined
}

/** @internal The options of compile() from saved JSON. */
export function objectiveOptions(json: ObjectiveJson, optimizer: Optimizer, own: OwnFunctions = {}): CompileOptions {
  type Saved = { className: string; config: object; key?: string; own?: string }
  const isOwn = (value: unknown): value is { own: string } => isRecord(value) && typeof value['own'] === 'string'
  const isSaved = (value: unknown): value is Saved =>
    isOwn(value) || (isRecord(value) && typeof value['className'] === 'string' && isRecord(value['config']))
  const metric = (leaf: unknown): unknown => {
    if (!isSaved(leaf)) throw new WeftError('ERR_FORMAT', 'a saved metric is not { className, config }')
    if (isOwn(leaf)) return ownNamed('metrics', own.metrics, leaf.own)
    return resolveMetric(leaf.className, { ...leaf.config, name: leaf.key ?? leaf.className })
  }
  const loss = (leaf: unknown): unknown => {
    if (isOwn(leaf)) return ownNamed('losses', own.losses, leaf.own)
    return isSaved(leaf) ? resolveLoss(leaf.className, leaf.config) : undefined
  }
  const options: CompileOptions = {
    optimizer,
    precision: json.precision,
    metrics: mapSettings(json.metrics ?? [], metric, isSaved) as never,
  }
  if (json.weightedMetrics !== undefined) options.weightedMetrics = mapSettings(json.weightedMetrics, metric, isSaved) as never
  if (json.lossWeights !== undefined) options.lossWeights = json.lossWeights as never
  const losses = mapSettings(json.loss, loss, isSaved)
  if (losses !== undefined) options.loss = losses as never
  return options
}

/** Metrics of compile(), each resolved, under the key it has in the logs. */
function givenMetrics(what: 'metrics' | 'weightedMetrics', given: CompileOptions['metrics']): unknown {
  if (given !== undefined && !isList(given) && !isRecord(given))
    throw new WeftError('ERR_ARGUMENT', `compile: ${what} must be a list or a record by output, got ${show(given)}`, {
      hint: `Write ${what}: ['accuracy']`,
    })
  return mapSettings(given ?? [], (leaf): GivenMetric => {
    const original = resolveMetric(leaf)
    return { key: typeof leaf === 'string' ? leaf : original.name, original }
  })
}

function ownNamed(kind: 'losses' | 'metrics', given: Readonly<Record<string, unknown>> | undefined, name: string): unknown {
  if (given !== undefined && Object.hasOwn(given, name)) return given[name]
  throw new WeftError(
    'ERR_STATE',
    `the model was compiled with ${kind === 'losses' ? 'the loss' : 'the metric'} '${name}', a function of yours`,
    {
      hint: `Give it to loadModel(folder, { ${kind}: { ${name} } })`,
    },
  )
}

/** Replaces each setting in a list or record of them; `isLeaf` knows further records that are one setting. */
function mapSettings(tree: unknown, replace: (leaf: unknown) => unknown, isLeaf: (value: unknown) => boolean = () => false): unknown {
  const isSetting = (value: unknown): value is unknown => isValue(value) || (isRecord(value) && isMetricRecord(value)) || isLeaf(value)
  return mapLeaves(tree, isSetting, replace)
}

/** A user's own metric, written as a plain object. */
const isMetricRecord = (value: Record<string, unknown>): boolean =>
  (typeof value['update'] === 'function' && typeof value['result'] === 'function') || 'original' in value

/** The part of a setting that belongs to an output. */
function byOutput(what: string, setting: unknown, { name, index, count }: OutputPlace): unknown {
  if (isList(setting)) {
    if (setting.length !== count)
      throw new WeftError('ERR_ARGUMENT', `compile: ${what} has ${setting.length} entries, the model has ${count} outputs`)
    return setting[index]
  }
  if (isRecord(setting) && !isMetricRecord(setting)) return setting[name]
  return setting
}
