// Report: size, latency and accuracy of a model, before and after it was made smaller.
import { bytesOf } from '../core/spec.js'
import { isStream, type StreamSource, type Tree } from '../model/feed.js'
import type { AnyModel } from '../model/model.js'
import { type CompressData, eachBatch, partsOf } from './data.js'

/** What is measured of a model. */
export interface Measures {
  /** Bytes of the weights, as they are saved. */
  readonly bytes: number
  readonly parameters: number
  /** Share of the weights that is 0. */
  readonly zeros: number
  /** Median milliseconds of predict() on `rows` rows; undefined without data. */
  readonly latency: number | undefined
  /** What evaluate() says, loss and metrics; undefined without labels, or for a model that is not compiled. */
  readonly figures: Readonly<Record<string, number>> | undefined
}

/** A figure of both models. */
export interface Change<T> {
  readonly before: T
  readonly after: T
}

export interface MeasureOptions {
  readonly data: CompressData | undefined
  readonly validationData: CompressData | undefined
  readonly batchSize: number
}

/** Calls of predict() whose median is taken. */
const CALLS = 15
const ROWS = 64

async function figuresOf(model: AnyModel, data: CompressData | undefined, batchSize: number): Promise<Measures['figures']> {
  if (data === undefined || !model.isCompiled) return undefined
  if (isStream(data)) return model.evaluate(data as StreamSource)
  const { x, y } = partsOf(data)
  return y === undefined ? undefined : model.evaluate(x, y, { batchSize })
}

const middle = (list: readonly number[]): number => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)]!

/** Median milliseconds of predict() of each model, in turns, so that both see the same load of the machine. */
async function latencies(models: readonly AnyModel[], data: CompressData): Promise<{ times: number[]; rows: number }> {
  let times = models.map(() => 0)
  let rows = 0
  await eachBatch('compress', models[0]!, data, ROWS, async (x) => {
    if (rows > 0) return
    rows = firstRows(x)
    const taken: number[][] = models.map(() => [])
    for (let call = 0; call < CALLS + 2; call++)
      for (const [i, model] of models.entries()) {
        const begin = performance.now()
        const outputs = (await model.predict(x, { batchSize: rows })) as Tree
        // the first calls trace
        if (call >= 2) taken[i]!.push(performance.now() - begin)
        for (const t of Object.values('dispose' in outputs ? [outputs] : outputs)) (t as { dispose(): void }).dispose()
      }
    times = taken.map(middle)
  })
  return { times, rows }
}

const firstRows = (x: Tree): number => ('shape' in x ? (x as { shape: readonly number[] }).shape[0]! : Object.values(x)[0]!.shape[0]!)

function zerosOf(model: AnyModel): number {
  let [zeros, all] = [0, 0]
  for (const weight of model.weights) {
    if (weight.shape.length < 2 || !['float32', 'int8'].includes(weight.dtype)) continue
    for (const value of weight.dataSync() as Float32Array) zeros += Number(value === 0)
    all += weight.size
  }
  return all === 0 ? 0 : zeros / all
}

/** What compress() measured. String(report) is a table. */
export class Report {
  readonly before: Measures
  readonly after: Measures
  /** Rows of the batch whose latency was measured. */
  readonly rows: number

  private constructor(before: Measures, after: Measures, rows: number) {
    this.before = before
    this.after = after
    this.rows = rows
  }

  /** @internal Measures both models. */
  static async of(before: AnyModel, after: AnyModel, { data, validationData, batchSize }: MeasureOptions): Promise<Report> {
    const models = [before, after]
    const timed = data === undefined ? undefined : await latencies(models, data)
    const found: Measures[] = []
    for (const [i, model] of models.entries())
      found.push({
        bytes: model.weights.reduce((sum, { size, dtype }) => sum + size * bytesOf(dtype), 0),
        parameters: model.countParams(),
        zeros: zerosOf(model),
        latency: timed?.times[i],
        figures: await figuresOf(model, validationData, batchSize),
      })
    return new Report(found[0]!, found[1]!, timed?.rows ?? 0)
  }

  /** Bytes of the weights. */
  get size(): Change<number> {
    return { before: this.before.bytes, after: this.after.bytes }
  }
  /** Median milliseconds of predict() on `rows` rows; undefined without data. */
  get latency(): Change<number> | undefined {
    const [before, after] = [this.before.latency, this.after.latency]
    return before === undefined || after === undefined ? undefined : { before, after }
  }
  /** What the metric 'accuracy' says; undefined where the model is not compiled with it, or there are no labels. */
  get accuracy(): Change<number> | undefined {
    const [before, after] = [this.before.figures?.['accuracy'], this.after.figures?.['accuracy']]
    return before === undefined || after === undefined ? undefined : { before, after }
  }

  /** Size after as a share of that before. */
  get ratio(): number {
    return this.after.bytes / this.before.bytes
  }
  /** How many times faster predict() is; undefined without data. */
  get speedup(): number | undefined {
    return this.before.latency && this.after.latency ? this.before.latency / this.after.latency : undefined
  }

  toString(): string {
    const { before, after } = this
    const times = (value: number): string => `${value.toFixed(2)}×`
    const rows: string[][] = [
      ['', 'before', 'after', ''],
      ['size', sizeText(before.bytes), sizeText(after.bytes), times(this.ratio)],
      ['zeros', percent(before.zeros), percent(after.zeros), ''],
    ]
    if (before.latency !== undefined && after.latency !== undefined) {
      const speed = `${times(this.speedup ?? 1)} as fast`
      rows.push([`latency, ${this.rows} rows`, `${before.latency.toFixed(3)} ms`, `${after.latency.toFixed(3)} ms`, speed])
    }
    for (const [name, value] of Object.entries(before.figures ?? {})) {
      const now = after.figures?.[name]
      if (now !== undefined) rows.push([name, value.toFixed(4), now.toFixed(4), `${now < value ? '' : '+'}${(now - value).toFixed(4)}`])
    }
    const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]!.length)))
    return rows
      .map((row) =>
        row
          .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
          .join('  ')
          .trimEnd(),
      )
      .join('\n')
  }
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

const sizeText = (bytes: number): string =>
  bytes < 1e3 ? `${bytes} B` : bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(2)} MB`
