// Rotary positions of loaded models (Su et al. 2021), with the ways in which they are stretched over longer texts.
import { tensor } from '../core/create.js'
import { outsideTrace } from '../core/graph.js'
import { show } from '../core/options.js'
import { isRecord } from '../core/tree.js'
import type { Tensor, Variable } from '../core/tensor.js'
import { variable } from '../core/variable.js'
import { cos, exp, greater, maximum, mul, neg, log, reshape, sin, sub, where, add } from '../ops/index.js'
import type { ConfigReader } from './config.js'

/** How fast each pair of features turns. */
export interface Rope {
  /** Pairs of features. */
  readonly half: number
  /** Radians per position of each pair, in a text of `length` positions. */
  readonly rates: (length: number) => Float64Array
  /** Factor of cosines and sines. */
  readonly factor: number
  /**
   * Where the rates depend on the length of the text: those for lengths float32 [n, 1], as [n, half] or [1, half].
   */
  readonly ratesOf: ((lengths: Tensor) => Tensor) | undefined
  /** Tells tables of different rates apart. */
  readonly key: string
}

const geometric = (half: number, base: number): Float64Array => Float64Array.from({ length: half }, (_, i) => base ** (-i / half))

/**
 * The rates of a config: rope_theta with rope_scaling, or rope_parameters. ERR_FORMAT for a kind that is not known.
 * @param dim features of a head
 * @param positions max_position_embeddings
 * @param theta the base, where it is not that of the config
 * @param plain whether to leave the scaling out, as in layers of a sliding window
 */
export function ropeOf(config: ConfigReader, dim: number, positions: number, theta?: number, plain = false): Rope {
  const given = config.optional('rope_parameters') ?? config.optional('rope_scaling')
  const scaling: Record<string, unknown> = isRecord(given) && !plain ? given : {}
  const base = theta ?? config.number('rope_theta', Number((isRecord(given) ? given['rope_theta'] : undefined) ?? 10_000))
  const kind = String(scaling['rope_type'] ?? scaling['type'] ?? 'default')
  const half = dim / 2
  if (!Number.isInteger(half)) throw config.wrong(`heads of ${dim} features cannot be turned in pairs`)
  const known = new Set(['rope_type', 'type', 'rope_theta', ...(FIELDS[kind] ?? [])])
  if (!(kind in FIELDS))
    throw config.wrong(`rope_scaling of the type ${show(kind)} is not supported`, `Known: ${Object.keys(FIELDS).join(', ')}`)
  for (const [name, value] of Object.entries(scaling))
    if (!known.has(name) && value !== null) throw config.wrong(`rope_scaling of the type '${kind}' has ${name}, which is not known`)
  const number = (name: string, otherwise?: number): number => {
    const value = scaling[name] ?? otherwise
    if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value
    throw config.wrong(`rope_scaling: ${name} must be a number, got ${show(value)}`)
  }
  const fixed = (rates: Float64Array, factor = 1): Rope => ({
    half,
    rates: () => rates,
    factor,
    ratesOf: undefined,
    key: JSON.stringify([kind, dim, base, scaling, positions]),
  })
  const plainRates = geometric(half, base)
  switch (kind) {
    case 'linear':
      return fixed(plainRates.map((rate) => rate / number('factor')))
    case 'dynamic':
      return dynamic(fixed(plainRates), base, number('factor'), number('original_max_position_embeddings', positions))
    case 'yarn':
      return yarn(fixed, { plainRates, dim, base, positions, scaling, number })
    case 'llama3':
      return fixed(llama3(plainRates, number))
    case 'longrope':
      return longrope(fixed(plainRates), config, positions, scaling, number)
    default:
      return fixed(plainRates)
  }
}

const FIELDS: Readonly<Record<string, readonly string[]>> = {
  default: [],
  linear: ['factor'],
  dynamic: ['factor', 'original_max_position_embeddings'],
  yarn: [
    'factor',
    'original_max_position_embeddings',
    'attention_factor',
    'beta_fast',
    'beta_slow',
    'mscale',
    'mscale_all_dim',
    'truncate',
  ],
  llama3: ['factor', 'low_freq_factor', 'high_freq_factor', 'original_max_position_embeddings'],
  longrope: ['factor', 'short_factor', 'long_factor', 'attention_factor', 'original_max_position_embeddings'],
}

type Numbers = (name: string, otherwise?: number) => number

/** The base grows with the text beyond the trained length (NTK-aware scaling, as Transformers computes it). */
function dynamic(plain: Rope, base: number, factor: number, trained: number): Rope {
  const { half } = plain
  const power = half / (half - 1)
  const grown = (length: number): number => base * ((factor * Math.max(length, trained)) / trained - (factor - 1)) ** power
  const exponents = Float32Array.from({ length: half }, (_, i) => i / half)
  return {
    ...plain,
    rates: (length) => geometric(half, length > trained ? grown(length) : base),
    ratesOf: (lengths) => {
      const longer = sub(mul(maximum(lengths, trained), factor / trained), factor - 1)
      const logarithm = add(mul(log(longer), power), Math.log(base)) // [n, 1]
      return exp(neg(mul(logarithm, reshape(tensor(exponents, { device: lengths.device }), [1, half]))))
    },
  }
}

interface YarnParts {
  plainRates: Float64Array
  dim: number
  base: number
  positions: number
  scaling: Record<string, unknown>
  number: Numbers
}

/** Slow pairs are stretched, fast ones are not, those between in part (Peng et al. 2023). */
function yarn(
  fixed: (rates: Float64Array, factor: number) => Rope,
  { plainRates, dim, base, positions, scaling, number }: YarnParts,
): Rope {
  const trained = number('original_max_position_embeddings', positions)
  const factor = number('factor', positions / trained)
  const magnitude = (weight: number): number => (factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1)
  const both = scaling['mscale'] && scaling['mscale_all_dim']
  const attention = both ? magnitude(number('mscale')) / magnitude(number('mscale_all_dim')) : magnitude(1)
  const pairOf = (turns: number): number => (dim * Math.log(trained / (turns * 2 * Math.PI))) / (2 * Math.log(base))
  const [fast, slow] = [pairOf(number('beta_fast', 32)), pairOf(number('beta_slow', 1))]
  const cut = scaling['truncate'] !== false
  const low = Math.max(cut ? Math.floor(fast) : fast, 0)
  let high = Math.min(cut ? Math.ceil(slow) : slow, dim - 1)
  if (low === high) high += 0.001
  const rates = plainRates.map((rate, i) => {
    const stretched = Math.min(1, Math.max(0, (i - low) / (high - low)))
    return (rate / factor) * stretched + rate * (1 - stretched)
  })
  return fixed(rates, number('attention_factor', attention))
}

/** As Llama 3.1 (Grattafiori et al. 2024): by the wavelength of a pair, with a smooth passage. */
function llama3(plainRates: Float64Array, number: Numbers): Float64Array {
  const [factor, low, high] = [number('factor'), number('low_freq_factor'), number('high_freq_factor')]
  const trained = number('original_max_position_embeddings')
  return plainRates.map((rate) => {
    const wavelength = (2 * Math.PI) / rate
    if (wavelength > trained / low) return rate / factor
    if (wavelength < trained / high) return rate
    const kept = (trained / wavelength - low) / (high - low)
    return ((1 - kept) * rate) / factor + kept * rate
  })
}

/** A factor for each pair, of two lists: for texts up to the trained length, and for longer ones (Ding et al. 2024). */
function longrope(plain: Rope, config: ConfigReader, positions: number, scaling: Record<string, unknown>, number: Numbers): Rope {
  const { half } = plain
  const trained = number('original_max_position_embeddings', config.number('original_max_position_embeddings', positions))
  const list = (name: string): number[] => {
    const value = scaling[name]
    if (Array.isArray(value) && value.length === half && value.every((x) => typeof x === 'number' && x > 0)) return value as number[]
    throw config.wrong(`rope_scaling: ${name} must be a list of ${half} positive numbers, got ${show(value)}`)
  }
  const [short, long] = [list('short_factor'), list('long_factor')].map((factors) =>
    plain.rates(0).map((rate, i) => rate / factors[i]!),
  ) as [Float64Array, Float64Array]
  const stretch = number('factor', positions / trained)
  const usual = stretch <= 1 ? 1 : Math.sqrt(1 + Math.log(stretch) / Math.log(trained))
  return {
    ...plain,
    factor: number('attention_factor', usual),
    rates: (length) => (length > trained ? long : short),
    ratesOf: (lengths) => {
      const row = (rates: Float64Array): Tensor => reshape(tensor(Float32Array.from(rates), { device: lengths.device }), [1, half])
      return where(greater(lengths, trained), row(long), row(short))
    },
  }
}

/** Cosines and sines by what they are of. Variables, because models share them whatever tidy() is around. */
const tables = new Map<string, readonly [Variable, Variable]>()
const MOST_TABLES = 32

/** Cosines and sines [rows, half] of the positions 0 to rows - 1, of a text of `length` positions. */
export function ropeTable(rope: Rope, rows: number, length: number, device: string): readonly [Tensor, Tensor] {
  const varies = rope.ratesOf === undefined ? 0 : length
  const key = [rope.key, rows, varies, device].join()
  const found = tables.get(key)
  if (found) return found
  const { half, factor } = rope
  const rates = rope.rates(length)
  const made = outsideTrace(() =>
    (['cos', 'sin'] as const).map((which) => {
      const values = Float32Array.from({ length: rows * half }, (_, i) => Math[which](Math.floor(i / half) * rates[i % half]!) * factor)
      const t = tensor(values, { shape: [rows, half], device })
      const kept = variable(t, { name: `rope/${which}`, trainable: false })
      t.dispose()
      return kept
    }),
  ) as unknown as readonly [Variable, Variable]
  if (tables.size >= MOST_TABLES) tables.delete(tables.keys().next().value!)
  tables.set(key, made)
  return made
}

/** The same of positions float32 [n], in texts of lengths float32 [n] or [1]; for rates that depend on the length. */
export function ropeOfPositions(rope: Rope, positions: Tensor, lengths: Tensor): readonly [Tensor, Tensor] {
  const rates = rope.ratesOf!(reshape(lengths, [lengths.size, 1]))
  const angles = mul(reshape(positions, [positions.size, 1]), rates)
  return [mul(cos(angles), rope.factor), mul(sin(angles), rope.factor)]
}
