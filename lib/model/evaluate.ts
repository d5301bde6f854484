// evaluate: loss and metrics over data, without training.
import { integer } from '../core/checks.js'
import { WeftError } from '../core/error.js'
import { type OptionTable, show } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import { freeOwned, isStream, type Rows, type StreamSource, toColumns, type ModelData } from './feed.js'
import { Ending, Meeting, meetToCompute } from './meeting.js'
import type { AnyModel } from './model.js'
import { pipeline } from './pipeline.js'
import { Progress, type Verbosity } from './progress.js'
import { rowsSource, type Shards, type Source, streamSource } from './source.js'
import type { Figures } from './step.js'

export interface EvaluateOptions {
  /** Rows per step, of arrays. Default 32. */
  batchSize?: number
  /** Weights of the samples [n]. */
  sampleWeight?: Rows
  /** Batches taken; default all. */
  steps?: number
  signal?: AbortSignal
  /**
   * In a distributed run: the data are rows of this rank alone, and the figures those of the rows of all. Default
   * false: every rank passes the same data, and computes its part.
   */
  sharded?: boolean
  /**
   * 0: silent, 1: a progress bar, 2: a line, 'auto': 1 on a terminal, else 2. Default: a bar on a terminal where it
   * takes longer than two seconds, taken away at the end.
   */
  verbose?: Verbosity
}

export const EVALUATE_OPTIONS: OptionTable<EvaluateOptions> = {
  batchSize: 'integer',
  sampleWeight: 'any',
  steps: 'integer',
  signal: 'any',
  sharded: 'boolean',
  verbose: 'any',
}

/** Throws ERR_ARGUMENT unless the signal is one of an AbortController. */
export function checkSignal(what: string, signal: unknown): void {
  if (signal === undefined || signal instanceof AbortSignal) return
  throw new WeftError('ERR_ARGUMENT', `${what}: signal is an AbortSignal, got ${show(signal)}`, {
    hint: 'Write { signal: controller.signal } with const controller = new AbortController()',
  })
}

/** The indices begin ... end - 1. */
export const ascending = (begin: number, end: number): Int32Array => Int32Array.from({ length: end - begin }, (_, i) => begin + i)

export const checkCount = (what: string, name: string, value: number): number => integer(what, name, value, 1)

export async function evaluate(
  model: AnyModel,
  x: ModelData | StreamSource,
  y: ModelData | undefined,
  options: EvaluateOptions,
): Promise<Figures> {
  const { signal, verbose, steps } = options
  const owned: Tensor[] = []
  const meeting = new Meeting('evaluate')
  const sharded = options.sharded === true && !meeting.alone
  const whole = model.trainingRun?.shards !== undefined
  let source: Source | undefined
  let progress: Progress | undefined
  try {
    checkSignal('evaluate', signal)
    const batchSize = checkCount('evaluate', 'batchSize', options.batchSize ?? 32)
    if (steps !== undefined) checkCount('evaluate', 'steps', steps)
    signal?.throwIfAborted()
    progress = new Progress(verbose, 1, meeting.rank === 0)
    let rows = 0
    const open = (): Source => {
      void model.compiled
      if (isStream(x)) return streamSource(model.forms, x, { steps, option: 'evaluate: steps', meeting, sharded, whole })
      const columns = toColumns(model.forms, x, y, options.sampleWeight, owned)
      if (columns.rows === 0) throw new WeftError('ERR_ARGUMENT', 'evaluate: x has no rows')
      rows = columns.rows
      const order = (): Int32Array => ascending(0, rows)
      return rowsSource(columns, { batchSize, order, shards: () => shards, stepsPerEpoch: steps, classWeight: undefined })
    }
    let shards: Shards | undefined
    await meetToCompute(meeting, model, () => {
      source = open()
      return { rows: sharded ? 'of each rank' : rows, batchSize, steps, sampleWeight: options.sampleWeight !== undefined }
    })
    source ??= open()
    if (sharded && rows > 0) shards = { counts: await meeting.say(rows), rank: meeting.rank }
    return await measure(model, source, { signal, progress, meeting })
  } catch (error) {
    await meeting.fail(error)
    throw error
  } finally {
    progress?.stop()
    await source?.close()
    freeOwned(owned)
  }
}

interface Measuring {
  readonly signal?: AbortSignal | undefined
  readonly progress?: Progress
  /** The call of evaluate that several ranks take part in. */
  readonly meeting?: Meeting
}

/** One pass over a source; the figures at its end. */
export function measure(model: AnyModel, source: Source, { signal, progress, meeting }: Measuring): Promise<Figures> {
  const shared = meeting !== undefined && !meeting.alone
  return model.inTurn(async () => {
    const steps = model.steps('evaluate')
    steps.reset()
    const ending = new Ending()
    const epoch = await source.open(steps, undefined, shared ? () => signal?.aborted === true : undefined)
    progress?.begin(undefined, epoch.steps)
    let logs = {} as Figures
    let step = 0
    let submitted = 0
    try {
      const results = pipeline({
        next: () => epoch.next(),
        depth: 4,
        signal: shared ? undefined : signal,
        halted: () => ending.halted(submitted),
        begin: () => void submitted++,
      })
      for await (const figures of results) {
        logs = steps.logs(figures)
        figures.dispose()
        ending.hear(steps.stops)
        progress?.step(++step, logs)
      }
    } finally {
      await epoch.end()
    }
    if (shared && ending.asked) {
      meeting.known(signal?.reason)
      signal?.throwIfAborted()
      throw new WeftError('ERR_DISTRIBUTED', 'evaluate: the signal of another rank has ended it')
    }
    progress?.end(logs)
    return logs
  })
}

export async function evaluateBatch(
  model: AnyModel,
  x: ModelData,
  y: ModelData | undefined,
  options: { sampleWeight?: Rows },
): Promise<Figures> {
  const owned: Tensor[] = []
  try {
    const { x: inputs, y: targets, sampleWeight } = toColumns(model.forms, x, y, options.sampleWeight, owned)
    return await model.inTurn(async () => {
      const steps = model.steps('evaluateBatch')
      const run = steps.onBatch.submit({ x: inputs, y: targets, sampleWeight }, undefined, true, undefined)
      await run.done
      return steps.logs(run.outputs)
    })
  } finally {
    freeOwned(owned)
  }
}
