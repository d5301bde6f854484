// Layer: weights and a function of tensors; the base class of every layer and model.
import { type DType, type DynamicShape, isFloat, knownExtent } from '../core/spec.js'
import { WeftError } from '../core/error.js'
import { inLayer, outsideTrace } from '../core/graph.js'
import { factoryName } from '../core/named.js'
import { checkOptions, type Kind, type OptionTable, show } from '../core/options.js'
import { settingsText, shownAs } from '../core/shown.js'
import { cast } from '../ops/index.js'
import { Tensor } from '../core/tensor.js'
import { isRecord, mapTree } from '../core/tree.js'
import { keepLoss, nextPass } from './added_losses.js'
import { type ApplyOptions, wrongOption } from './apply_options.js'
import { areBytes, markBytes, warnOfBytes } from './bytes.js'
import { context, inPass } from './context.js'
import { checkShapes, type InputSpec, mapShapes, misfitOf } from './input_spec.js'
import { countLayer } from './loading.js'
import { maskedResult } from './masked_result.js'
import { classNameOf, isAutomatic, nameOf } from './names.js'
import { callsOf, inferSpecs, isSymbolic, layerNode, mapSpecs, placeholder, withoutBatch } from './symbolic.js'
import { whileBuilding } from './stored_weights.js'
import { Weighted } from './weights.js'

export type { ApplyOptions } from './apply_options.js'
export type { InputSpec } from './input_spec.js'

// biome-ignore lint/suspicious/noExplicitAny: layers of different inputs and results live in one list
export type AnyLayer = Layer<any, any, any>

/** The shape of a layer's input, or the shapes of its inputs; null for the batch and other extents that vary. */
export type InputShapes = DynamicShape | readonly DynamicShape[]

/** Options of every layer. */
export interface LayerOptions {
  /** Unique in its model. Default: the kind with a number, as dense, dense_1. */
  name?: string
  /** False: its weights stay as they are in training. Default true. */
  trainable?: boolean
  /** What it computes in. Default float32. */
  dtype?: DType
  /** Shape of one sample; for the first layer of a model. */
  inputShape?: DynamicShape
}

/** What a layer's call is told; `training`: whether it is part of a training step. */
export interface CallOptions {
  training: boolean
  /** Which steps of the (first) input are data: bool [batch, time]. */
  mask: Tensor | undefined
  /** The mask of each input, for layers of several. */
  masks: readonly (Tensor | undefined)[]
}

/** A layer: `config` is what it was made with, JSON unless it holds functions. Subclasses write build() and call(). */
export abstract class Layer<C extends object = object, I = Tensor, O = Tensor> extends Weighted {
  /** The class's name in saved models; default: the class's own. */
  static className?: string
  /** What stands before the factory's name in messages. */
  static namespace: string = 'layers.'
  /** Options of the class without those of every layer, each with its kind; undefined: any. */
  static options?: Readonly<Record<string, Kind>>

  readonly name: string
  readonly config: C & LayerOptions
  readonly dtype: DType
  /** The shapes it was built for. */
  builtFor: InputShapes | undefined
  /** The activation at its end, which apply({ withoutActivation: true }) leaves out. */
  activationName: string | undefined
  /** @internal What it ends in, where that makes its results no probabilities: 'no activation', ... */
  notProbabilities: string | undefined

  /** Inputs of other dtypes are cast to the layer's; false for indices and for layers that only move values. */
  protected readonly castsInputs: boolean = true
  /** Passes masks on. Others drop them. */
  protected readonly supportsMasking: boolean = false
  /** Its outputs are in the range of its inputs (pooling, padding, ...). */
  protected readonly keepsRange: boolean = false
  protected inputSpec: InputSpec | undefined

  constructor(config: C & LayerOptions = NO_CONFIG as C & LayerOptions) {
    super()
    const known = Object.hasOwn(new.target, 'options') ? new.target.options : undefined
    const className = classNameOf(new.target)
    const what = `${new.target.namespace}${factoryName(className)}`
    countLayer(className)
    // a constructor that takes its config without a default needs one
    if (config === NO_CONFIG && known && new.target.length > 0) {
      const first = Object.keys(known)[0]
      throw new WeftError('ERR_ARGUMENT', `${what}: expected options, got nothing`, {
        hint: `Write ${what}({ ${first === undefined ? '' : `${first}: `}... })`,
      })
    }
    if (known) checkOptions(what, config ?? null, { ...known, ...LAYER_OPTIONS })
    else if (typeof config !== 'object' || config === null)
      throw new WeftError('ERR_ARGUMENT', `${className}: options are an object, got ${show(config)}`, {
        hint: `Write new ${className}({ ... })`,
      })
    this.name = nameOf(this, className, config.name)
    this.config = config
    this.dtype = config.dtype ?? 'float32'
    if (typeof this.dtype !== 'string' || !isFloat(this.dtype))
      throw this.error('ERR_DTYPE', `dtype must be a float, got ${show(this.dtype)}`)
    this.learns = config.trainable ?? true
    // however build is called, it runs once and outside any recording
    const build = this.build.bind(this)
    Object.defineProperty(this, 'build', {
      value: (shape: InputShapes) => {
        if (this.built) return
        checkShapes(`layer '${this.name}' (${className})`, shape)
        const free = mapShapes(shape, (s) => {
          this.checkInput(s)
          return withoutBatch(s)
        }) as InputShapes
        try {
          outsideTrace(() => whileBuilding(this.name, () => build(free)))
        } catch (error) {
          throw this.located(error)
        }
        this.built = true
        this.builtFor = free
        this.afterBuild()
      },
    })
  }

  get className(): string {
    return classNameOf(this.constructor as typeof Layer)
  }

  /** Makes the weights. `inputShape` has null for the batch, and for other extents that vary. */
  build(_inputShape: InputShapes): void {}

  /** What follows once the weights are there. */
  protected afterBuild(): void {}

  /** The extent of an axis that weights depend on; negative axes count from the end. ERR_SHAPE where it is unknown. */
  protected extentOf(shape: DynamicShape, axis: number): number {
    const index = axis < 0 ? axis + shape.length : axis
    const sample = shape.slice(1).map((extent, i) => (i === index - 1 ? 'n' : String(extent)))
    return knownExtent('input', shape, axis, `a number for n in inputShape: [${sample.join(', ')}]`)
  }

  /** The layer's function. */
  abstract call(x: I, options: CallOptions): O

  /** call() up to the activation; of layers with an activationName. */
  callWithoutActivation(x: I, options: CallOptions, _which?: readonly boolean[]): O {
    return this.call(x, options)
  }

  /** The mask of the result. */
  computeMask(_x: I, mask: Tensor | undefined, _masks: readonly (Tensor | undefined)[]): Tensor | undefined {
    return this.supportsMasking ? mask : undefined
  }

  /** The result's shape (a tree of them, where there are several results) for inputs of a shape; null: unknown. */
  computeOutputShape(inputShape: InputShapes): DynamicShape {
    checkShapes(`layer '${this.name}' (${this.className})`, inputShape)
    this.build(inputShape)
    const inputs = mapShapes(inputShape, (shape) => placeholder({ shape, dtype: this.dtype }))
    return mapSpecs(
      inferSpecs(inputs, (values) => this.apply(values as I)),
      (spec) => spec.shape,
    ) as DynamicShape
  }

  /**
   * The layer on data: builds it when needed, computes (records, while a function is traced) and carries masks. On
   * symbolic tensors: adds it to the model being wired.
   */
  apply(x: I, options: ApplyOptions = {}): O {
    const wrong = wrongOption(options)
    if (wrong !== undefined) throw this.error('ERR_ARGUMENT', `apply: ${wrong}`)
    const inputs = inputsOf(x)
    const stranger = inputs.length === 0 ? x : inputs.find((t) => !(t instanceof Tensor))
    if (inputs.length === 0 || !inputs.every((t) => t instanceof Tensor)) {
      const got = Array.isArray(stranger) && stranger.length > 0 ? 'arrays' : show(stranger)
      throw this.error('ERR_ARGUMENT', `apply takes tensors, got ${got}`, [], 'Make one with tensor(values)')
    }
    if (inputs.some(isSymbolic)) return layerNode(this, x, options.training) as O
    const training = options.training ?? context.training
    this.build(mapTree(x, (t) => t.shape) as InputShapes)
    if (this.inputSpec) for (const t of inputs) this.checkInput(t.shape)
    const masks = inputs.map((t, i) => (i === 0 ? (options.mask ?? t.mask) : t.mask))
    this.checkTracked()
    context.scope?.layers.add(this)
    const pass = context.caller === undefined ? nextPass() : context.pass
    try {
      return inLayer(this.name, () => this.compute(x, { training, mask: masks[0], masks }, pass, options.withoutActivation))
    } catch (error) {
      throw this.located(error)
    }
  }

  /** call(), with the input's dtype, range and mask seen to. */
  private compute(x: I, options: CallOptions, pass: number, which: ApplyOptions['withoutActivation']): O {
    const raw = this.noteRange(inputsOf(x), options.training)
    const value = this.castsInputs ? (mapTree(x, (t) => (t.dtype === this.dtype ? t : cast(t, this.dtype))) as I) : x
    const result = inPass({ training: options.training, caller: this, pass }, options.masks, () =>
      which === undefined || which === false
        ? this.call(value, options)
        : this.callWithoutActivation(value, options, which === true ? undefined : which),
    )
    if (result === undefined || result === null)
      throw this.error('ERR_ARGUMENT', `call() returned ${show(result)}, not a Tensor`, [], 'Does its last line begin with return?')
    if (raw && this.keepsRange) markBytes(result)
    return options.masks.some((mask) => mask !== undefined) ? this.carryMask(x, result, options.masks) : result
  }

  /** Throws ERR_STATE if the layer that calls this one does not hold it: its weights would not be trained or saved. */
  private checkTracked(): void {
    const { caller } = context
    if (caller === undefined || tracked.get(caller)?.has(this)) return
    if (this.weights.length > 0 && !caller.holds(this)) {
      const why = `it is called in layer '${caller.name}' (${caller.className}), which does not hold it`
      const hint = 'Keep it in a field of that layer that is not private (#), or in a list, record or Map there'
      throw this.error('ERR_STATE', `${why}, so its weights would be neither trained nor saved`, [], hint)
    }
    tracked.set(caller, (tracked.get(caller) ?? new WeakSet<AnyLayer>()).add(this))
  }

  /** The error with the layer's name, when an op in the layer threw it. */
  private located(error: unknown): unknown {
    if (!(error instanceof WeftError) || error.layer !== undefined) return error
    const { code, op, shapes, hint } = error
    const message = hint === undefined ? error.message : error.message.slice(0, -hint.length - 2)
    return new WeftError(code, `layer '${this.name}' (${this.className}): ${message}`, {
      layer: this.name,
      cause: error,
      ...(op === undefined ? {} : { op }),
      ...(shapes === undefined ? {} : { shapes }),
      ...(hint === undefined ? {} : { hint }),
    })
  }

  /** Warns when bytes reach weights in training; true when the inputs are bytes, or bytes that were only cast. */
  private noteRange(inputs: readonly Tensor[], training: boolean): boolean {
    if (!this.castsInputs && !this.keepsRange) return false
    const raw = areBytes(inputs)
    if (raw && training && this.castsInputs && this.entries.some((entry) => entry.trainable)) warnOfBytes(this.name)
    return raw
  }

  private carryMask(x: I, result: O, masks: readonly (Tensor | undefined)[]): O {
    const mask = this.computeMask(x, masks[0], masks)
    const ends = mask === undefined && !this.supportsMasking && !this.readsMask()
    // the mask of the input, unless computeMask has made another
    const passed = mask === masks[0] && !this.readsMask()
    return maskedResult(this, inputsOf(x), result, mask, { ends, passed }) as O
  }

  /** Whether the layer uses masks up without passing them on. */
  protected readsMask(): boolean {
    return this.computeMask !== Layer.prototype.computeMask
  }

  /** Throws ERR_SHAPE unless the shape is as inputSpec says. */
  protected checkInput(shape: DynamicShape): void {
    const misfit = this.inputSpec && misfitOf(this.inputSpec, shape)
    if (misfit) throw this.error('ERR_SHAPE', misfit, [shape], this.inputSpec?.hint)
  }

  /** Adds a scalar to the loss of the step under way, and to `losses` until the next call. */
  addLoss(loss: Tensor): void {
    this.checkScalar('addLoss', loss)
    context.scope?.losses.push(loss)
    keepLoss(this, loss)
  }

  /** Reports a scalar as a metric of the step under way. */
  addMetric(name: string, value: Tensor): void {
    this.checkScalar('addMetric', value)
    if (typeof name !== 'string') throw this.error('ERR_ARGUMENT', `addMetric: a name is a string, got ${show(name)}`)
    if (name === '__proto__' || name === 'loss') throw this.error('ERR_ARGUMENT', `addMetric: '${name}' cannot be the name of a metric`)
    context.scope?.metrics.set(name, value)
  }

  private checkScalar(what: string, value: unknown): void {
    if (!(value instanceof Tensor)) throw this.error('ERR_ARGUMENT', `${what} takes a Tensor, got ${show(value)}`)
    if (value.rank !== 0)
      throw this.error('ERR_SHAPE', `${what} takes a scalar, got shape [${value.shape}]`, [value.shape], 'Reduce it with mean() or sum()')
  }

  /** The symbolic result of the layer in the functional model it was called in, to make a model of an inner value. */
  get output(): O {
    const calls = callsOf(this)
    if (calls.length === 1) return calls[0] as O
    throw this.error(
      'ERR_STATE',
      `output: the layer was called on ${calls.length} symbolic inputs, so it has ${calls.length} outputs`,
      [],
      'Keep what apply() returned',
    )
  }

  /** What JSON the layer is made from again. */
  toConfig(): object {
    const { name: _, ...config } = this.config
    return { ...(isAutomatic(this) ? {} : { name: this.name }), ...config, ...(this.learns ? {} : { trainable: false }) }
  }
}

shownAs<AnyLayer>(
  Layer.prototype,
  (one) => `${one.className} '${one.name}'${settingsText(one.config)}, ${one.built ? `${one.countParams()} parameters` : 'not built'}`,
  'layer.config, or await net.save(folder) for the model that it is in',
)

const NO_CONFIG: object = {}
const LAYER_OPTIONS: OptionTable<LayerOptions> = { name: 'string', trainable: 'boolean', dtype: 'string', inputShape: 'any' }

/** Layers found in the layer that calls them. */
const tracked = new WeakMap<AnyLayer, WeakSet<AnyLayer>>()

function inputsOf(x: unknown): readonly Tensor[] {
  if (x instanceof Tensor) return [x]
  if (Array.isArray(x)) return Array.from(x as Tensor[])
  return (isRecord(x) ? Object.values(x) : [x]) as Tensor[]
}
