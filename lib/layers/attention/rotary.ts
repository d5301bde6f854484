// Rotary positions (Su et al. 2021): the tables, queries and keys turned by them, and the layer.
import { tensor } from '../../core/create.js'
import { checkOptions, type OptionTable, show } from '../../core/options.js'
import { type LayerFactory, layer } from '../declare.js'
import { WeftError } from '../../core/error.js'
import { outsideTrace } from '../../core/graph.js'
import { dynamicSlice, reshape, rotary } from '../../ops/index.js'
import type { Tensor, Variable } from '../../core/tensor.js'
import { variable } from '../../core/variable.js'
import { Layer, type LayerOptions } from '../layer.js'

export interface RotaryOptions {
  /** Positions in which the slowest pair of features turns once, over 2π. Default 10,000. */
  maxWavelength?: number
  /** Positions are divided by it, to stretch a trained model over longer texts. Default 1. */
  scalingFactor?: number
  /** Pairs are neighbours (2i, 2i + 1) instead of (i, i + half the features). Default false. */
  interleaved?: boolean
}

const OPTIONS: OptionTable<RotaryOptions> = { maxWavelength: 'number', scalingFactor: 'number', interleaved: 'boolean' }

/** Rotary options with their defaults; `true`: the defaults, false or nothing: none. */
export function rotaryOption(what: string, value: boolean | RotaryOptions | undefined | null): Required<RotaryOptions> | undefined {
  if (value === undefined || value === null || value === false) return undefined
  const given = value === true ? {} : value
  if (typeof given !== 'object') throw new WeftError('ERR_ARGUMENT', `${what}: rotary must be true, false or options, got ${show(value)}`)
  checkOptions(`${what}: rotary`, given, OPTIONS)
  const { maxWavelength = 10_000, scalingFactor = 1, interleaved = false } = given
  for (const [name, number] of Object.entries({ maxWavelength, scalingFactor })) {
    if (typeof number !== 'number' || !(number > 0) || !Number.isFinite(number))
      throw new WeftError('ERR_ARGUMENT', `${what}: ${name} must be a positive number, got ${show(number)}`)
  }
  return { maxWavelength, scalingFactor, interleaved }
}

/**
 * Cosines or sines [rows, half] by what they are of. Variables, because layers share them whatever tidy() is around.
 */
const tables = new Map<string, Variable>()
const MOST_TABLES = 64

/** cos or sin of position / maxWavelength^(i / half), for `rows` positions. */
function table(
  which: 'cos' | 'sin',
  rows: number,
  half: number,
  like: Tensor,
  { maxWavelength, scalingFactor }: Required<RotaryOptions>,
): Variable {
  const key = [which, rows, half, like.dtype, like.device, maxWavelength, scalingFactor].join()
  let found = tables.get(key)
  if (found === undefined) {
    const values = Float64Array.from({ length: rows * half }, (_, i) =>
      Math[which](Math.floor(i / half) / scalingFactor / maxWavelength ** ((i % half) / half)),
    )
    found = outsideTrace(() => {
      const made = tensor(values, { shape: [rows, half], dtype: like.dtype, device: like.device })
      const kept = variable(made, { name: `rotary/${which}`, trainable: false })
      made.dispose()
      return kept
    })
    if (tables.size >= MOST_TABLES) tables.delete(tables.keys().next().value!)
    tables.set(key, found)
  }
  return found
}

/**
 * x [batch, steps, heads, features] with each pair of features turned by its position: p / maxWavelength^(2i /
 * features). Positions count from 0, or from `position` int32 [1], within `length`.
 */
export function rotate(x: Tensor, options: Required<RotaryOptions>, position?: Tensor, length?: number): Tensor {
  const [, steps, , features] = x.shape as [number, number, number, number]
  const [cos, sin] = (['cos', 'sin'] as const).map((which) => {
    const whole = table(which, position ? length! : steps, features / 2, x, options)
    return position ? dynamicSlice(whole, position, { axis: 0, size: steps }) : whole
  }) as [Tensor, Tensor]
  return rotary(x, cos, sin, { interleaved: options.interleaved })
}

/**
 * Turns pairs of features by the position of their step: [batch, steps, features] or [batch, steps, heads, features] →
 * the same shape.
 */
export class RotaryEmbedding extends Layer<RotaryOptions> {
  static override readonly className: string = 'RotaryEmbedding'
  static override readonly options: OptionTable<RotaryOptions> = OPTIONS
  protected override readonly supportsMasking: boolean = true
  private readonly settings: Required<RotaryOptions>

  constructor(config: RotaryOptions & LayerOptions = {}) {
    super(config)
    const { maxWavelength, scalingFactor, interleaved } = config
    const given = { maxWavelength, scalingFactor, interleaved }
    const known = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined && value !== null))
    this.settings = rotaryOption('layers.rotaryEmbedding', known)!
  }

  call(x: Tensor): Tensor {
    const { rank, shape } = x
    if ((rank !== 3 && rank !== 4) || shape.at(-1)! % 2 !== 0) {
      throw this.error(
        'ERR_SHAPE',
        `expected an input of shape [batch, steps, (heads,) features] with an even number of features, received [${shape}]`,
        [shape],
      )
    }
    if (rank === 4) return rotate(x, this.settings)
    const [batch, steps, features] = shape as [number, number, number]
    return reshape(rotate(reshape(x, [batch, steps, 1, features]), this.settings), shape)
  }
}

/** Pairs of features turned by their position. */
export const rotaryEmbedding: LayerFactory<typeof RotaryEmbedding> = layer(RotaryEmbedding)
