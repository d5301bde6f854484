// networkClassifier, networkRegressor: a network as a model of weftjs/learn, for pipelines, cross-validation and
// searches. A fresh network is built for every fit.
import { tensor } from '../../core/create.js'
import { WeftError } from '../../core/error.js'
import { checkFunction } from '../../core/checks.js'
import { setSeed } from '../../core/random.js'
import { checkCall, show } from '../../core/options.js'
import type { Place } from '../../core/place.js'
import { Tensor } from '../../core/tensor.js'
import { isRecord } from '../../core/tree.js'
import { rSquared, type Stored } from '../estimator.js'
import { type Label, type LabelsLike, readLabelList, readLabels, readTargets } from '../matrix.js'
import { plainJson } from '../store.js'
import { type Rowed, rowCount } from './rows.js'

/** What is asked of a network: a compiled model of weftjs. */
export interface Network {
  fit(x: never, y: never, options: object): Promise<unknown>
  predict(x: never): Promise<unknown>
  save(folder: Place, options?: object): Promise<void>
  dispose(): void
}
/** What the network is built for. */
export interface NetworkFacts {
  /** Shape of a sample. */
  readonly inputShape: number[]
  /** The number of classes; 1 of a regressor. */
  readonly outputs: number
}
/** Options of fit (epochs, batchSize, callbacks ...), a seed, and parameters that `build` reads. */
export interface NetworkParams {
  epochs?: number
  batchSize?: number
  /** Calls setSeed(seed) before each build. Default: none. */
  seed?: number
  [name: string]: unknown
}
export type BuildNetwork = (params: never, facts: NetworkFacts) => Network
/**
 * The function, or the file: URL of a module whose default export it is: such models are sent to worker threads too.
 */
export type BuildSource = BuildNetwork | URL

/** What another thread makes the same model of. */
export interface SentNetwork {
  readonly kind: string
  readonly module: string
  readonly params: NetworkParams
}

/** Options that are fit's; all others are build's alone. */
const FIT = ['epochs', 'batchSize', 'validationSplit', 'shuffle', 'callbacks', 'classWeight', 'gradientAccumulationSteps', 'verbose']

export abstract class NetworkModel {
  abstract readonly kind: string
  /** @internal `build` reads parameters of any name. */
  readonly takesAnyParam = true
  protected readonly build: BuildSource
  protected params: NetworkParams
  protected net: Network | undefined

  constructor(what: string, build: BuildSource, params: NetworkParams) {
    if (build instanceof URL && build.protocol !== 'file:')
      throw new WeftError('ERR_ARGUMENT', `${what}: ${show(build.href)} is not a file: URL`)
    if (!(build instanceof URL)) checkFunction(what, build)
    if (!isRecord(params)) throw new WeftError('ERR_ARGUMENT', `${what}: parameters are an object, got ${show(params)}`)
    this.build = build
    this.params = { verbose: 0, ...params }
  }

  getParams(): NetworkParams {
    return { ...this.params }
  }
  setParams(params: object): this {
    this.params = { ...this.params, ...params }
    return this
  }
  /** The network of the last fit. */
  get network(): Network {
    if (this.net === undefined)
      throw new WeftError('ERR_STATE', `${this.kind}: the network was not fitted`, { hint: 'Write await model.fit(X, y) first' })
    return this.net
  }
  /**
   * Saves the network as net.save() does: loadModel() of weftjs reads it, load() of weftjs/learn reads this model.
   * `search`: what is saved of the search that it is the best of.
   */
  async save(folder: Place, search?: Stored): Promise<void> {
    const { kind, params } = this
    const learn = plainJson({ kind, params, search })
    await this.network.save(folder, { assets: { ...this.assets(), learn } })
  }
  /** @internal Takes the network that was saved, and what beside it. */
  adopt(net: Network, _assets: Readonly<Record<string, unknown>>): this {
    this.net = net
    return this
  }
  /** What is saved beside the network. */
  protected assets(): Record<string, unknown> {
    return {}
  }
  dispose(): void {
    this.net?.dispose()
    this.net = undefined
  }

  /**
   * @internal What a worker thread makes this model of; undefined where `build` is a function, which cannot be sent.
   */
  sent(): SentNetwork | undefined {
    return this.build instanceof URL ? { kind: this.kind, module: this.build.href, params: this.params } : undefined
  }

  private async builder(): Promise<BuildNetwork> {
    const { kind, build } = this
    if (!(build instanceof URL)) return build
    const { default: found } = (await import(build.href)) as { default?: unknown }
    if (typeof found === 'function') return found as BuildNetwork
    throw new WeftError('ERR_ARGUMENT', `${kind}: the default export of ${build.href} is ${show(found)}, a function is expected`)
  }

  protected async train(x: Rowed, y: Tensor, outputs: number): Promise<void> {
    this.dispose()
    const { seed, ...rest } = this.params
    if (seed !== undefined) setSeed(seed)
    const build = await this.builder()
    const net = build(rest as never, { inputShape: shapeOf(x), outputs })
    if (typeof net?.fit !== 'function')
      throw new WeftError('ERR_ARGUMENT', `${this.kind}: build gave ${show(net)}, a compiled model is expected`)
    const options = Object.fromEntries(Object.entries(rest).filter(([name]) => FIT.includes(name)))
    try {
      await net.fit(x as never, y as never, options)
      this.net = net
    } finally {
      y.dispose()
      if (this.net !== net) net.dispose()
    }
  }

  /** Rows of what the network gives. */
  protected async outputs(x: Rowed): Promise<{ data: Float32Array; columns: number }> {
    const found = await this.network.predict(x as never)
    if (!(found instanceof Tensor) || found.rank > 2)
      throw new WeftError('ERR_SHAPE', `${this.kind}: the network gives ${show(found)}, one row for each sample is expected`)
    const data = (await found.data()) as Float32Array
    const columns = found.rank === 1 ? 1 : found.shape[1]!
    found.dispose()
    return { data, columns }
  }
}

function shapeOf(x: Rowed): number[] {
  if (x instanceof Tensor || 'shape' in x) return [...(x as Tensor).shape.slice(1)]
  const shape: number[] = []
  for (let item: unknown = (x as readonly unknown[])[0]; Array.isArray(item) || ArrayBuffer.isView(item); item = (item as unknown[])[0])
    shape.push((item as unknown as unknown[]).length)
  return shape
}

export class NetworkClassifier extends NetworkModel {
  readonly kind: string = 'networkClassifier'
  private found: Label[] | undefined

  constructor(build: BuildSource, params: NetworkParams) {
    super('networkClassifier', build, params)
  }
  /** y are classes; the network is given their places, as sparseCategoricalCrossentropy and binaryCrossentropy take. */
  async fit(x: Rowed, y: LabelsLike): Promise<this> {
    const { classes, index } = await readLabels('networkClassifier.fit', y, rowCount('networkClassifier.fit', x))
    await this.train(x, tensor(index), classes.length)
    this.found = classes
    return this
  }
  get classes(): readonly Label[] {
    void this.network
    return this.found!
  }
  /** @internal */
  override adopt(net: Network, assets: Readonly<Record<string, unknown>>): this {
    this.found = assets['classes'] as Label[]
    return super.adopt(net, assets)
  }
  protected override assets(): Record<string, unknown> {
    return { classes: [...this.classes] }
  }
  /** Probabilities: the output of softmax, or of one sigmoid unit for two classes. ERR_DATA for another output. */
  async predictProba(x: Rowed): Promise<number[][]> {
    const { classes } = this
    const { data, columns } = await this.outputs(x)
    if (columns !== classes.length && !(columns === 1 && classes.length === 2))
      throw new WeftError('ERR_SHAPE', `networkClassifier: the network has ${columns} outputs for ${classes.length} classes`)
    return Array.from({ length: data.length / columns }, (_, row) => {
      const own = [...data.subarray(row * columns, (row + 1) * columns)]
      const p = columns === 1 ? [1 - own[0]!, own[0]!] : own
      const sum = p.reduce((so, value) => so + value, 0)
      if (p.some((value) => !(value >= -1e-6 && value <= 1 + 1e-6)) || Math.abs(sum - 1) > 1e-3)
        throw new WeftError('ERR_DATA', `networkClassifier: the outputs of row ${row} are no probabilities: ${show(own)}`, {
          hint: 'End the network in softmax, or in one unit with sigmoid',
        })
      return p.map((value) => value / sum)
    })
  }
  async predict(x: Rowed): Promise<Label[]> {
    const { classes } = this
    return (await this.predictProba(x)).map((row) => classes[row.indexOf(Math.max(...row))]!)
  }
  /** Accuracy. */
  async score(x: Rowed, y: LabelsLike): Promise<number> {
    const predicted = await this.predict(x)
    const truth = await readLabelList('networkClassifier.score', y, predicted.length)
    return predicted.filter((label, row) => label === truth[row]).length / predicted.length
  }
  clone(): this {
    return new NetworkClassifier(this.build, this.params) as this
  }
}

export class NetworkRegressor extends NetworkModel {
  readonly kind: string = 'networkRegressor'

  constructor(build: BuildSource, params: NetworkParams) {
    super('networkRegressor', build, params)
  }
  async fit(x: Rowed, y: LabelsLike): Promise<this> {
    const targets = await readTargets('networkRegressor.fit', y, rowCount('networkRegressor.fit', x))
    await this.train(x, tensor(targets, [targets.length, 1]), 1)
    return this
  }
  async predict(x: Rowed): Promise<number[]> {
    const { data, columns } = await this.outputs(x)
    if (columns !== 1) throw new WeftError('ERR_SHAPE', `networkRegressor: the network has ${columns} outputs, one is expected`)
    return Array.from(data)
  }
  /** R². */
  async score(x: Rowed, y: LabelsLike): Promise<number> {
    const predicted = await this.predict(x)
    return rSquared(await readTargets('networkRegressor.score', y, predicted.length), predicted)
  }
  clone(): this {
    return new NetworkRegressor(this.build, this.params) as this
  }
}

/**
 * A network as a classifier. `build(params, { inputShape, outputs })` gives a compiled model; it is called for every
 * fit. Parameters are fit's (epochs, batchSize) and those that build reads; searches set them by their names. As the
 * default export of a module, new URL('./build.js', import.meta.url), it is called in worker threads too.
 */
export function networkClassifier(build: BuildSource, params: NetworkParams = {}): NetworkClassifier {
  checkCall('networkClassifier(build, params)', arguments)
  return new NetworkClassifier(build, params)
}

/** A network with one output as a regressor; see networkClassifier. */
export function networkRegressor(build: BuildSource, params: NetworkParams = {}): NetworkRegressor {
  checkCall('networkRegressor(build, params)', arguments)
  return new NetworkRegressor(build, params)
}
