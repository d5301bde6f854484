// evaluate: loss and metrics over data, without training.
import { integer } from '../core/checks.js'
import { WeftError } from '../core/error.js'
import { type OptionTable, show } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import { freeOwned, isStream, type Rows, type StreamSource, toColumns, type ModelData } from './feed.js'
import type { AnyModel } from './model.js'
import { pipeline } from './pipeline.js'
import { Progress, type Verbosity } from './progress.js'
import { rowsSource, type Source, streamSource } from './source.js'
import type { Figures } from './step.js'

export interface EvaluateOptions {
  /** Rows per step, of arrays. Default 32. */
  batchSize?: number
  /** Weights of the samples [n]. */
  sampleWeight?: Rows
  /** Batches taken; default all. */
  steps?: number
  signal?: AbortSignal
  /** 0: silent (default), 1: a progress bar, 2: a line, 'auto': 1 on a terminal, else 2. */
  verbose?: Verbosity
}

export const EVALUATE_OPTIONS: OptionTable<EvaluateOptions> = {
  batchSize: 'integer',
  sampleWeight: 'any',
  steps: 'integer',
  signal: 'any',
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
  checkSignal('evaluate', options.signal)
  const { signal, verbose = 0, steps } = options
  const batchSize = checkCount('evaluate', 'batchSize', options.batchSize ?? 32)
  if (steps !== undefined) checkCount('evaluate', 'steps', steps)
  signal?.throwIfAborted()
  const owned: Tensor[] = []
  let source: Source
  if (isStream(x)) source = streamSource(model.forms, x, { steps, option: 'evaluate: steps' })
  else {
    const columns = toColumns(model.forms, x, y, options.sampleWeight, owned)
    if (columns.rows === 0) throw new WeftError('ERR_ARGUMENT', 'evaluate: x has no rows')
    source = rowsSource(columns, { batchSize, order: () => ascending(0, columns.rows), stepsPerEpoch: steps, classWeight: undefined })
  }
  const progress = new Progress(verbose, 1)
  try {
    return await measure(model, source, signal, progress)
  } finally {
    progress.stop()
    await source.close()
    freeOwned(owned)
  }
}

/** One pass over a source; the figures at its end. */
export function measure(model: AnyModel, source: Source, signal: AbortSignal | undefined, progress?: Progress): Promise<Figures> {
  return model.inTurn(async () => {
    const steps = model.steps('evaluate')
    steps.reset()
    const epoch = await source.open(steps)
    progress?.begin(undefined, epoch.steps)
    let logs = {} as Figures
    let step = 0
    try {
      for await (const figures of pipeline({ next: () => epoch.next(), depth: 4, signal })) {
        logs = steps.logs(figures)
        figures.dispose()
        progress?.step(++step, logs)
      }
    } finally {
      await epoch.end()
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
      const run = steps.onBatch.submit({ x: inputs, y: targets, sampleWeight }, undefined, true, false)
      await run.done
      return steps.logs(run.outputs)
    })
  } finally {
    freeOwned(owned)
  }
}
