// DriftMonitor: how the rows that a version is asked about differ from those that it was trained on.
import { binOf, type DataStatistics, type FeatureStatistics } from '../../data/statistics.js'
import { sizeOfShape, type WireTensor } from '../protocol/tensors.js'
import { readerOf } from './values.js'

export interface FeatureDrift {
  readonly feature: string
  /** Population stability index of the last rows against the training data. */
  readonly psi: number
  /** Share of NaN and infinite values; that of the training data beside it. */
  readonly missing: number
  readonly missingInTraining: number
  /** Share of the values below the smallest or above the largest one of the training data. */
  readonly outOfRange: number
}

export interface InputDrift {
  readonly input: string
  /** Rows that were looked at, of the last ones. */
  readonly rows: number
  readonly features: readonly FeatureDrift[]
}

/** Rows of a half of the window: the report is over the last half that is full, and the one being filled. */
const HALF_ROWS = 5000
/** Values of a request that are looked at: some of its rows, evenly taken. */
const MOST_VALUES = 4096
/** Share of the time that looking may take, once it has taken FREE_MS. */
const MOST_TIME = 0.01
const FREE_MS = 50
/** Shares below this count as this: a bin that is empty on one side would make the index infinite. */
const LEAST_SHARE = 1e-4

class Half {
  rows = 0
  readonly bins: Float64Array[]
  readonly missing: Float64Array
  readonly outside: Float64Array
  readonly values: Float64Array

  constructor(features: readonly FeatureStatistics[]) {
    this.bins = features.map(({ shares }) => new Float64Array(shares.length))
    this.missing = new Float64Array(features.length)
    this.outside = new Float64Array(features.length)
    this.values = new Float64Array(features.length)
  }
}

/** The last rows of an input. */
class Window {
  private full: Half
  private filling: Half

  constructor(readonly features: readonly FeatureStatistics[]) {
    this.full = new Half(features)
    this.filling = new Half(features)
  }

  add({ datatype, shape, bytes }: WireTensor): void {
    const rows = shape[0]!
    const reader = readerOf(datatype)
    const size = sizeOfShape(shape.slice(1))
    const width = this.features.length
    if (reader === undefined || rows === 0 || size === 0 || (width > 1 && shape.at(-1) !== width)) return
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const rowStride = Math.max(1, Math.ceil((rows * size) / MOST_VALUES))
    // rows of more values than that are looked at in part, each of their features alike
    const inner = Math.max(1, Math.ceil(size / MOST_VALUES))
    const valueStride = width > 1 ? 1 : inner
    for (let row = 0; row < rows; row += rowStride) {
      for (let i = 0; i < size; i += valueStride) this.count(width === 1 ? 0 : i % width, reader(view, row * size + i))
      this.filling.rows++
      if (this.filling.rows < HALF_ROWS) continue
      this.full = this.filling
      this.filling = new Half(this.features)
    }
  }

  private count(feature: number, value: number): void {
    const half = this.filling
    half.values[feature]!++
    if (!Number.isFinite(value)) {
      half.missing[feature]!++
      return
    }
    const { min, max, edges } = this.features[feature]!
    if (value < min || value > max) half.outside[feature]!++
    half.bins[feature]![binOf(edges, value)]!++
  }

  get rows(): number {
    return this.full.rows + this.filling.rows
  }

  report(): FeatureDrift[] {
    const sum = (of: (half: Half) => number): number => of(this.full) + of(this.filling)
    return this.features.map(({ name, shares, missing }, i) => {
      const all = sum((half) => half.values[i]!)
      const absent = sum((half) => half.missing[i]!)
      const present = all - absent
      const counts = shares.map((_, bin) => sum((half) => half.bins[i]![bin]!))
      return {
        feature: name,
        psi:
          present === 0
            ? 0
            : stabilityIndex(
                shares,
                counts.map((count) => count / present),
              ),
        missing: all === 0 ? 0 : absent / all,
        missingInTraining: missing,
        outOfRange: present === 0 ? 0 : sum((half) => half.outside[i]!) / present,
      }
    })
  }
}

/**
 * Population stability index: Σ (found − expected) · ln(found / expected) over the bins (Siddiqi, "Credit Risk
 * Scorecards", 2006): the divergences of Kullback and Leibler in both directions, added.
 */
export function stabilityIndex(expected: readonly number[], found: readonly number[]): number {
  return expected.reduce((sum, share, i) => {
    const [a, b] = [Math.max(found[i]!, LEAST_SHARE), Math.max(share, LEAST_SHARE)]
    return sum + (a - b) * Math.log(a / b)
  }, 0)
}

export class DriftMonitor {
  /** By input. */
  private readonly windows: ReadonlyMap<string, Window>
  private spentMs = 0
  private readonly begin: number

  /** @param inputs the names of the model's inputs */
  constructor(
    statistics: DataStatistics,
    inputs: readonly string[],
    private readonly now: () => number = () => performance.now(),
  ) {
    const entries = Object.entries(statistics.inputs)
    // a model with one input may call it otherwise
    const only = inputs.length === 1 && entries.length === 1 ? entries[0]![1] : undefined
    this.windows = new Map(
      inputs.flatMap((name): [string, Window][] => {
        const found = only ?? (Object.hasOwn(statistics.inputs, name) ? statistics.inputs[name] : undefined)
        return found === undefined ? [] : [[name, new Window(found.features)]]
      }),
    )
    this.begin = now()
  }

  /** Looks at the inputs of a request; not, where looking took too much of the time already. */
  observe(inputs: readonly WireTensor[]): void {
    const begin = this.now()
    if (this.spentMs > FREE_MS + MOST_TIME * (begin - this.begin)) return
    for (const input of inputs) this.windows.get(input.name)?.add(input)
    this.spentMs += this.now() - begin
  }

  report(): InputDrift[] {
    return [...this.windows].map(([input, window]) => ({ input, rows: window.rows, features: window.report() }))
  }
}
