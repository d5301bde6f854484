// What the dashboard tells its pages, as JSON.
import type { Logs } from '../model/step.js'

/** Counts of values in buckets of one width from `min` to `max`. */
export interface Buckets {
  readonly min: number
  readonly max: number
  readonly mean: number
  readonly counts: readonly number[]
}
export interface WeightHistograms {
  readonly name: string
  /** Absent where no value is finite. */
  readonly buckets?: Buckets
}

export interface LiveFigures {
  readonly epoch: number
  readonly step: number
  /** Of the epoch, where known. */
  readonly steps?: number
  readonly logs: Logs
  readonly rate?: number
  readonly stepsPerSecond?: number
  readonly rowsPerSecond?: number
}

export interface EpochFigures {
  readonly epoch: number
  readonly logs: Logs
  readonly seconds: number
  readonly rate?: number
}

export interface ShownSample {
  /** Bytes of red, green and blue in base64, where the sample is a picture. */
  readonly picture?: { readonly width: number; readonly height: number; readonly rgb: string }
  /** The values of a sample that is no picture. */
  readonly values?: readonly number[]
  /** What it should be. */
  readonly target?: string
  /** The largest outputs, or all of them, with their names. */
  readonly outputs: readonly { readonly name: string; readonly value: number }[]
  /** Whether the largest output is the target's. */
  readonly right?: boolean
}

export interface Snapshot {
  readonly model: string
  readonly status: string
  readonly seconds: number
  /** Epochs that were asked for. */
  readonly lastEpoch: number
  readonly live: LiveFigures
  /** Losses of single batches by step. */
  readonly curve: readonly (readonly [step: number, loss: number])[]
  readonly epochs: readonly EpochFigures[]
  readonly weights: readonly WeightHistograms[]
  readonly gradients: readonly WeightHistograms[]
  readonly samples: readonly ShownSample[]
}

/** Points of a curve that are kept. */
const MOST_POINTS = 1000

/** A curve of any number of steps by few points: means of more and more steps. */
export class Curve {
  points: [step: number, value: number][] = []
  private stride = 1
  private sum = 0
  private count = 0

  add(step: number, value: number): void {
    this.sum += value
    if (++this.count < this.stride) return
    this.points.push([step, this.sum / this.count])
    this.sum = this.count = 0
    if (this.points.length < MOST_POINTS) return
    this.points = this.points.flatMap(([at, own], i, all) => (i % 2 === 0 ? [] : [[at, (own + all[i - 1]![1]) / 2] as [number, number]]))
    this.stride *= 2
  }

  get last(): readonly [number, number] | undefined {
    return this.points.at(-1)
  }
}
