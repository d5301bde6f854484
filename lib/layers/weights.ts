// Weights: what a layer learns and keeps, alone and through the layers inside it.
import { isIntegers, isTypedArray } from '../core/checks.js'
import { Uncloneable } from '../core/clone.js'
import { tensor } from '../core/create.js'
import { type DType, type DynamicShape, sameShape, sizeOf } from '../core/spec.js'
import { type ErrorCode, WeftError } from '../core/error.js'
import { device } from '../core/device.js'
import { checkCall, show } from '../core/options.js'
import { outsideTrace } from '../core/graph.js'
import type { Regularizer } from '../regularizers.js'
import { isRecord } from '../core/tree.js'
import { copyOf } from '../core/read.js'
import { allocate, Tensor, type TensorLike, type Variable } from '../core/tensor.js'
import { variable, variableOf } from '../core/variable.js'
import { WEIGHT_OPTIONS, type WeightOptions } from './added_weight.js'
import { addedLosses } from './added_losses.js'
import { countWeight, isLoading } from './loading.js'
import { isGrouped, keptSpec, markStored, type Stored, storageOf, valueOf } from './stored_weights.js'
import { getConstraint, getInitializer, getRegularizer, setConstraint } from './weight_options.js'

interface Weight {
  readonly name: string
  readonly variable: Variable
  readonly trainable: boolean
  readonly regularizer: Regularizer | undefined
}

/** Fields that hold no parts. */
const NO_PARTS: ReadonlySet<string> = new Set(['uncloneable', 'config', 'entries', 'states', 'builtFor', 'inputSpec'])

const NONE: readonly [string, never][] = Object.freeze([])
const UNCLONEABLE = new Uncloneable('a layer or a model', 'Save the model with net.save(folder), and load it there with loadModel(folder)')

/** Classes of this library: what such a layer computes with is there once it is built. */
const declared = new WeakSet<object>()
/** @internal */
export const markDeclared = (made: object): void => void declared.add(made)

/** Whether the value is a record in which something may hold layers. */
function holdsObjects(value: object): boolean {
  if (!isRecord(value)) return false
  for (const key in value) if (typeof value[key] === 'object' && value[key] !== null) return true
  return false
}

let next = 0
/** The part of a layer that holds weights and other layers. */
export abstract class Weighted {
  abstract readonly name: string
  abstract readonly dtype: DType
  abstract readonly className: string
  /** @internal */
  readonly uncloneable: Uncloneable = UNCLONEABLE
  built = false

  protected readonly entries: Weight[] = []
  private readonly states: { name: string; variable: Variable }[] = []
  protected learns = true
  /** Begins with a number of its own: a layer in the place of another is a change. */
  private changes = 4096 * next++
  private alone = false

  /** A WeftError that names the layer. */
  protected error(code: ErrorCode, message: string, shapes: readonly DynamicShape[] = [], hint?: string): WeftError {
    return new WeftError(code, `layer '${this.name}' (${this.className}): ${message}`, {
      layer: this.name,
      shapes,
      ...(hint === undefined ? {} : { hint }),
    })
  }

  /** Makes a weight; call it in build(). */
  addWeight(options: WeightOptions): Variable {
    checkCall('addWeight(options)', arguments, WEIGHT_OPTIONS)
    if (!isRecord(options) || typeof options.name !== 'string' || !Array.isArray(options.shape))
      throw this.error('ERR_ARGUMENT', `addWeight takes { name, shape }, got ${show(options)}`)
    const { name, shape, dtype = this.dtype, trainable = true } = options
    if (!isIntegers(shape, 0)) {
      throw this.error(
        'ERR_SHAPE',
        `weight '${name}' cannot have shape ${show(shape)}`,
        [shape],
        'Give every axis but the batch a fixed extent',
      )
    }
    const stored = options.matrix && storageOf(this.name, shape, dtype, options.matrix)
    if (stored) return this.addStored(options, stored)
    const initializer = getInitializer(options.initializer ?? 'glorotUniform')
    countWeight(this.name, name, shape, dtype)
    return outsideTrace(() => {
      const drawn = !isLoading()
      const value = drawn ? initializer(shape, dtype) : allocate(shape, dtype, device())
      const facts = { name: `${this.name}/${name}`, trainable: trainable && this.learns }
      // a function of the user may return a tensor that is theirs, of any dtype
      const ours = (!drawn || 'className' in initializer) && value.dtype === dtype
      const made = ours ? variableOf(value, facts) : variable(value, { ...facts, dtype })
      const constraint = getConstraint(options.constraint)
      if (constraint) setConstraint(made, constraint)
      this.entries.push({ name, variable: made, trainable, regularizer: getRegularizer(options.regularizer) })
      return made
    })
  }

  /** Makes a weight that is stored in fewer bits; its values come later. */
  private addStored({ matrix: _, ...options }: WeightOptions, stored: Omit<Stored, 'scale'>): Variable {
    const { name } = options
    const made = this.addWeight({ ...options, ...keptSpec(stored), initializer: 'zeros' })
    const groups = [Math.ceil(stored.k / stored.groupSize), stored.n]
    const scale = isGrouped(stored.type)
      ? this.addWeight({ name: `${name}Scale`, shape: groups, initializer: 'ones', dtype: 'float32', trainable: false })
      : undefined
    markStored(made, { ...stored, scale })
    return made
  }

  /** Keeps a state (of random numbers, a counter) that is saved with the model but is no weight. */
  protected addState(name: string, state: Variable): Variable {
    this.states.push({ name, variable: state })
    return state
  }

  /** @internal Penalties of this layer's own weights, without those of layers inside. */
  penalties(): Tensor[] {
    if (!this.learns) return []
    return this.entries.flatMap((entry) => (entry.regularizer && entry.trainable ? [entry.regularizer(valueOf(entry.variable))] : []))
  }

  /**
   * What is to be added to the loss in a loop of one's own, of layers inside too: scalars. Penalties of the regularized
   * weights come first. Then comes what layers passed to addLoss() in the last call of this layer or model. Read it
   * after that call, in the same function where that one is traced.
   */
  get losses(): Tensor[] {
    return [...this.collect((layer) => layer.penalties()), ...this.collect((layer) => addedLosses(layer, this))]
  }

  /** Layers this one is made of: those in its fields, also in lists, records, Maps and Sets. */
  get sublayers(): readonly Weighted[] {
    return this.partPaths().map(([, layer]) => layer)
  }

  /**
   * This layer's and its sublayers' facts, each layer once, in order; nothing of layers, nor of what is in them, that
   * do not fit.
   */
  private collect<T>(own: (layer: Weighted) => readonly T[], fits: (layer: Weighted) => boolean = () => true): T[] {
    const seen = new Set<Weighted>()
    const visit = (layer: Weighted): T[] => {
      if (seen.has(layer) || !fits(layer)) return []
      seen.add(layer)
      return [...own(layer), ...layer.sublayers.flatMap(visit)]
    }
    return visit(this)
  }

  get weights(): Variable[] {
    return this.collect((layer) =>
      [...layer.entries.filter((e) => e.trainable), ...layer.entries.filter((e) => !e.trainable)].map((e) => e.variable),
    )
  }
  get trainableWeights(): Variable[] {
    return this.collect(
      (layer) => layer.entries.filter((e) => e.trainable).map((e) => e.variable),
      (layer) => layer.learns,
    )
  }
  get nonTrainableWeights(): Variable[] {
    const trainable = new Set(this.trainableWeights)
    return this.weights.filter((w) => !trainable.has(w))
  }

  /** @internal Weights and states under the names they are saved by, each once. */
  savedVariables(prefix: string = this.name, seen: Set<Variable> = new Set()): [string, Variable][] {
    const own = [...this.entries, ...this.states].filter(({ variable: v }) => !seen.has(v) && seen.add(v))
    return [
      ...own.map(({ name, variable: v }): [string, Variable] => [`${prefix}/${name}`, v]),
      ...this.sublayers.flatMap((layer) => layer.savedVariables(`${prefix}/${layer.name}`, seen)),
    ]
  }

  /**
   * @internal Weights and states with their paths in the object, as in 'conv1.kernel' or 'blocks.0.gamma', each
   *   variable once. The paths depend on the object alone, not on what was made before it.
   */
  weightPaths(prefix = '', seen: Set<Variable> = new Set()): [string, Variable][] {
    const own = [...this.entries, ...this.states].filter(({ variable: v }) => !seen.has(v) && seen.add(v))
    return [
      ...own.map(({ name, variable: v }): [string, Variable] => [`${prefix}${name}`, v]),
      ...this.partPaths().flatMap(([path, layer]) => layer.weightPaths(`${prefix}${path}.`, seen)),
    ]
  }

  /**
   * @internal The layers inside with the path to each: the field, and where it stands in a list, record, Map or Set.
   */
  partPaths(): readonly (readonly [string, Weighted])[] {
    // predict() asks this of every layer, and most have none: nothing is made for those
    let paths: Map<Weighted, string> | undefined
    let seen: Set<object> | undefined
    const visit = (value: unknown, path: string): void => {
      if (typeof value !== 'object' || value === null || value === this || value instanceof Tensor || isTypedArray(value)) return
      if (value instanceof Weighted) {
        paths ??= new Map()
        if (!paths.has(value)) paths.set(value, path)
        return
      }
      const isList = Array.isArray(value)
      if (isList ? value.length === 0 : !(value instanceof Map) && !(value instanceof Set) && !holdsObjects(value)) return
      seen ??= new Set()
      if (seen.has(value)) return
      seen.add(value)
      if (isList) value.forEach((item, i) => void visit(item, `${path}.${i}`))
      else if (value instanceof Map)
        // a key that is an object has no text of its own
        [...value].forEach(([key, item], i) => void visit(item, `${path}.${typeof key === 'object' ? i : String(key)}`))
      else if (value instanceof Set) [...value].forEach((item, i) => void visit(item, `${path}.${i}`))
      else for (const [key, item] of Object.entries(value)) visit(item, `${path}.${key}`)
    }
    const fields = this as unknown as Readonly<Record<string, unknown>>
    for (const key in fields) {
      const value = fields[key]
      if (typeof value === 'object' && value !== null && !NO_PARTS.has(key)) visit(value, key)
    }
    return paths === undefined ? NONE : [...(paths as Map<Weighted, string>)].map(([layer, path]) => [path, layer])
  }

  /** Whether a layer is this one, or a part of it at any depth. */
  protected holds(layer: Weighted): boolean {
    return this === layer || this.sublayers.some((part) => part.holds(layer))
  }

  /**
   * False: training leaves the weights alone, of layers inside too, and batch normalization uses its moving statistics.
   */
  get trainable(): boolean {
    return this.learns
  }
  set trainable(value: boolean) {
    if (this.learns !== value) this.changes++
    this.learns = value
    for (const entry of this.entries) entry.variable.trainable = value && entry.trainable
    for (const layer of this.sublayers) layer.trainable = value
  }

  /**
   * Grows when `trainable` changes here or inside, or layers are added or removed: programs traced before are out of
   * date.
   */
  get version(): number {
    // predict() asks each time, and to look through the fields of every layer would cost more than a small network
    if (this.alone) return this.changes
    const { sublayers } = this
    if (sublayers.length === 0 && this.built && declared.has(this.constructor)) this.alone = true
    let sum = this.changes
    for (const layer of sublayers) sum += layer.version + 1
    return sum
  }
  /** @internal Marks the structure as changed. */
  protected changed(by = 1): void {
    this.changes += by
  }

  /** Copies of the weights, which the caller owns. */
  getWeights(): Tensor[] {
    return this.weights.map(copyOf)
  }

  /**
   * Replaces the weights in place: one value for each of `weights`, in their order. Nothing changes when one does not
   * fit.
   */
  setWeights(values: readonly TensorLike[]): void {
    const targets = this.weights
    if (!this.built)
      throw this.error('ERR_STATE', 'setWeights: the layer has no weights yet', [], 'Build it first: give inputShape, or apply it to data')
    if (!Array.isArray(values) || values.length !== targets.length) {
      throw this.error(
        'ERR_SHAPE',
        `setWeights: expected ${targets.length} weights (${targets.map((w) => `[${w.shape}]`).join(', ')}), got ${Array.isArray(values) ? values.length : typeof values}`,
      )
    }
    const sources = values.map((value, i) => {
      const target = targets[i]!
      const flat = isTypedArray(value) && value.length === target.size
      const source = value instanceof Tensor ? value : tensor(value as TensorLike, flat ? { shape: target.shape } : {})
      if (!sameShape(source.shape, target.shape)) {
        throw this.error(
          'ERR_SHAPE',
          `setWeights: weight ${i} ('${target.name}') has shape [${target.shape}], the value [${source.shape}]`,
          [target.shape, source.shape],
        )
      }
      return source
    })
    sources.forEach((source, i) => {
      targets[i]!.assign(source)
    })
  }

  /** Number of values in the weights. */
  countParams(): number {
    if (!this.built)
      throw this.error(
        'ERR_STATE',
        'countParams: the weights do not exist yet',
        [],
        'Give the first layer inputShape, or call build() or apply() first',
      )
    return this.weights.reduce((sum, w) => sum + sizeOf(w.shape), 0)
  }

  /** Frees the weights, of layers inside too. */
  dispose(): void {
    for (const { variable: v } of [...this.entries, ...this.states]) v.dispose()
    for (const layer of this.sublayers) layer.dispose()
  }
  [Symbol.dispose](): void {
    this.dispose()
  }
}
