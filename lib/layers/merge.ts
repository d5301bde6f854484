// Merging: several inputs made one.
import { integer, isInteger, isIntegers } from '../core/checks.js'
import { type DynamicShape, shapeText } from '../core/spec.js'
import type { NoOptions } from './declare.js'
import { type OptionTable, show } from '../core/options.js'
import { type LayerFactory, layer } from './declare.js'
import { WeftError } from '../core/error.js'
import * as ops from '../ops/index.js'
import type { Tensor } from '../core/tensor.js'
import { type InputShapes, Layer, type LayerOptions } from './layer.js'

abstract class Merge<C extends object = object> extends Layer<C, readonly Tensor[]> {
  protected override readonly supportsMasking: boolean = true

  protected checkList(shapes: InputShapes, count?: number): readonly DynamicShape[] {
    if (!Array.isArray(shapes[0]))
      throw this.error('ERR_ARGUMENT', 'takes a list of tensors, got one', [shapes as DynamicShape], 'Write apply([a, b])')
    const list = shapes as readonly DynamicShape[]
    if (count !== undefined && list.length !== count) throw this.error('ERR_ARGUMENT', `takes ${count} tensors, got ${list.length}`, list)
    return list
  }

  protected mismatch(shapes: readonly DynamicShape[], why: string): WeftError {
    return this.error('ERR_SHAPE', `inputs of shapes ${shapes.map(shapeText).join(' and ')} ${why}`, shapes)
  }
}

/** Element by element, with numpy broadcasting. A step is data when it is data in all inputs. */
abstract class Elementwise extends Merge {
  protected readonly count: number | undefined = undefined

  override build(shapes: readonly DynamicShape[]): void {
    const list = this.checkList(shapes, this.count)
    const rank = Math.max(...list.map((shape) => shape.length))
    for (let axis = 1; axis <= rank; axis++) {
      const extents = new Set(
        list.map((shape) => shape.at(-axis)).filter((extent) => extent !== undefined && extent !== null && extent !== 1),
      )
      if (extents.size > 1) throw this.mismatch(list, 'do not broadcast')
    }
  }

  protected abstract merge(a: Tensor, b: Tensor): Tensor

  call(inputs: readonly Tensor[]): Tensor {
    const merged = inputs.slice(1).reduce((a, b) => this.merge(a, b), inputs[0]!)
    // operations carry the masks of some inputs; computeMask asks for all
    if (inputs.length > 1) merged.mask = undefined
    return merged
  }

  override computeMask(_inputs: readonly Tensor[], _mask: Tensor | undefined, masks: readonly (Tensor | undefined)[]): Tensor | undefined {
    return masks.every((mask) => mask !== undefined) ? masks.reduce((a, b) => ops.logicalAnd(a!, b!)) : undefined
  }
}

export class Add extends Elementwise {
  static override readonly className: string = 'Add'
  static override readonly options: OptionTable<NoOptions> = {}
  protected merge(a: Tensor, b: Tensor): Tensor {
    return ops.add(a, b)
  }
}

/** The sum of the inputs; apply([a, b]). */
export const add: LayerFactory<typeof Add> = layer(Add)

/** The first of two inputs less the second. */
export class Subtract extends Elementwise {
  static override readonly className: string = 'Subtract'
  static override readonly options: OptionTable<NoOptions> = {}
  protected override readonly count: number | undefined = 2
  protected merge(a: Tensor, b: Tensor): Tensor {
    return ops.sub(a, b)
  }
}

/** The first of two inputs less the second. */
export const subtract: LayerFactory<typeof Subtract> = layer(Subtract)

export class Multiply extends Elementwise {
  static override readonly className: string = 'Multiply'
  static override readonly options: OptionTable<NoOptions> = {}
  protected merge(a: Tensor, b: Tensor): Tensor {
    return ops.mul(a, b)
  }
}

/** The product of the inputs. */
export const multiply: LayerFactory<typeof Multiply> = layer(Multiply)

export class Average extends Elementwise {
  static override readonly className: string = 'Average'
  static override readonly options: OptionTable<NoOptions> = {}
  protected merge(a: Tensor, b: Tensor): Tensor {
    return ops.add(a, b)
  }
  override call(inputs: readonly Tensor[]): Tensor {
    return ops.div(super.call(inputs), inputs.length)
  }
}

/** The mean of the inputs. */
export const average: LayerFactory<typeof Average> = layer(Average)

export class Maximum extends Elementwise {
  static override readonly className: string = 'Maximum'
  static override readonly options: OptionTable<NoOptions> = {}
  protected merge(a: Tensor, b: Tensor): Tensor {
    return ops.maximum(a, b)
  }
}

/** The largest of the inputs, element by element. */
export const maximum: LayerFactory<typeof Maximum> = layer(Maximum)

export class Minimum extends Elementwise {
  static override readonly className: string = 'Minimum'
  static override readonly options: OptionTable<NoOptions> = {}
  protected merge(a: Tensor, b: Tensor): Tensor {
    return ops.minimum(a, b)
  }
}

/** The smallest of the inputs, element by element. */
export const minimum: LayerFactory<typeof Minimum> = layer(Minimum)

export interface ConcatenateOptions {
  /** Default -1. */
  axis?: number
}

export class Concatenate extends Merge<ConcatenateOptions> {
  static override readonly className: string = 'Concatenate'
  static override readonly options: OptionTable<ConcatenateOptions> = { axis: 'integer' }

  constructor(config: ConcatenateOptions & LayerOptions = {}) {
    super(config)
    integer('layers.concatenate', 'axis', config.axis ?? -1)
  }

  private axisOf(rank: number): number {
    const { axis = -1 } = this.config
    return axis < 0 ? axis + rank : axis
  }

  override build(shapes: readonly DynamicShape[]): void {
    const list = this.checkList(shapes)
    const rank = list[0]!.length
    const axis = this.axisOf(rank)
    if (axis <= 0 || axis >= rank)
      throw this.error(
        'ERR_SHAPE',
        `axis ${this.config.axis ?? -1} is not an axis of samples of rank ${rank - 1}`,
        list,
        `Axes are 1 to ${rank - 1}, or -1 to ${1 - rank}`,
      )
    const differs = list.some((shape) => shape.length !== rank || shape.some((extent, i) => i !== axis && extent !== list[0]![i]))
    if (differs) throw this.mismatch(list, `must be equal but for axis ${axis}`)
  }

  call(inputs: readonly Tensor[]): Tensor {
    return ops.concat([...inputs], this.axisOf(inputs[0]!.rank))
  }

  /**
   * Along the steps, masks follow each other; along features, a step is data when it is in any input (an input without
   * mask: everywhere).
   */
  override computeMask(inputs: readonly Tensor[], _mask: Tensor | undefined, masks: readonly (Tensor | undefined)[]): Tensor | undefined {
    if (masks.every((mask) => mask === undefined)) return undefined
    const wide = inputs.map((x, i) => {
      const mask = masks[i]
      if (mask === undefined) return ops.cast(ops.onesLike(x), 'bool')
      return mask.rank < x.rank ? ops.broadcastTo(ops.expandDims(mask, -1), x.shape) : mask
    })
    return ops.any(ops.concat(wide, this.axisOf(inputs[0]!.rank)), -1)
  }
}

/** The inputs joined along an axis. */
export const concatenate: LayerFactory<typeof Concatenate> = layer(Concatenate)

export interface DotOptions {
  /** Axes to sum over, of each input or of both; batch is axis 0. */
  axes: number | readonly [number, number]
  /** Divides by the lengths along the axes: cosine proximity. Default false. */
  normalize?: boolean
}

/**
 * Sums of products along one axis of each of two inputs; the remaining axes of the first come before those of the
 * second.
 */
export class Dot extends Merge<DotOptions> {
  static override readonly className: string = 'Dot'
  static override readonly options: OptionTable<DotOptions> = { axes: 'any', normalize: 'boolean' }

  constructor(config: DotOptions & LayerOptions) {
    super(config)
    const { axes } = config
    const fits = isInteger(axes) || isIntegers(axes, undefined, 2)
    if (!fits)
      throw new WeftError(
        'ERR_ARGUMENT',
        `layers.dot: axes must be an integer or two of them, got ${axes === undefined ? 'nothing' : show(axes)}`,
      )
  }

  private axesOf(ranks: readonly number[]): [number, number] {
    const { axes } = this.config
    const [a, b] = typeof axes === 'number' ? [axes, axes] : axes
    return [a < 0 ? a + ranks[0]! : a, b < 0 ? b + ranks[1]! : b]
  }

  override build(shapes: readonly DynamicShape[]): void {
    const list = this.checkList(shapes, 2)
    if (list.some((shape) => shape.length < 2 || shape.length > 3)) throw this.mismatch(list, 'must have rank 2 or 3')
    const [a, b] = this.axesOf(list.map((shape) => shape.length))
    if (a < 1 || b < 1 || list[0]![a] === undefined || list[0]![a] !== list[1]![b])
      throw this.mismatch(list, `do not have the same extent along axes ${show(this.config.axes)}`)
  }

  call(inputs: readonly Tensor[]): Tensor {
    const axes = this.axesOf(inputs.map((x) => x.rank))
    const [a, b] = inputs.map((x, i) => {
      if (!this.config.normalize) return x
      const length = ops.sqrt(ops.maximum(ops.sum(ops.square(x), axes[i]!, { keepDims: true }), 1e-12))
      return ops.div(x, length)
    }) as [Tensor, Tensor]
    // a [batch, rows, d], b [batch, d, columns]
    const left = a.rank === 2 ? ops.expandDims(a, 1) : axes[0] === 2 ? a : ops.transpose(a, [0, 2, 1])
    const right = b.rank === 2 ? ops.expandDims(b, 2) : axes[1] === 1 ? b : ops.transpose(b, [0, 2, 1])
    const product = ops.matMul(left, right)
    if (a.rank === 2 && b.rank === 2) return ops.squeeze(product, 2)
    return a.rank === 2 ? ops.squeeze(product, 1) : b.rank === 2 ? ops.squeeze(product, 2) : product
  }

  override computeMask(): undefined {
    return undefined
  }
}

/** Products of two inputs summed along an axis. */
export const dot: LayerFactory<typeof Dot> = layer(Dot)
