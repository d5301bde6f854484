// Trials: one fit and score for each pair of parameters and split, here or in worker threads.
import { existsSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { device } from '../../core/device.js'
import { WeftError } from '../../core/error.js'
import { show } from '../../core/options.js'
import { Tensor } from '../../core/tensor.js'
import type { Stored } from '../estimator.js'
import { storedOf } from '../estimator.js'
import type { Scoring } from '../metrics/scorers.js'
import type { LooseStep } from '../preprocessing/steps.js'
import type { Params } from './candidates.js'
import { runFold } from './cross_validation.js'
import { NetworkModel, type SentNetwork } from './network.js'
import type { Rowed } from './rows.js'
import type { Split } from './split.js'

export interface Trial {
  readonly params: Params
  readonly split: Split
}
export type Outcome = { testScore: number; trainScore: number | undefined; fitMs: number } | { error: unknown }

export interface TrialContext {
  readonly what: string
  readonly model: LooseStep
  readonly x: Rowed
  readonly y: Rowed
  readonly scoring: Scoring | undefined
  readonly withTrain: boolean
  readonly workers: number
  readonly signal: AbortSignal | undefined
}

/** What a worker thread is started with. */
export interface WorkerData {
  readonly stored: Stored | undefined
  /** In the place of `stored`. */
  readonly network: SentNetwork | undefined
  readonly device: string
  readonly x: Rowed
  readonly y: Rowed
  readonly scoring: Scoring | undefined
  readonly withTrain: boolean
}
/** A failed trial as a worker tells of it. */
export interface SentError {
  readonly code: string | undefined
  readonly message: string
}

/** The outcome of each trial, in order. `done` is told of each as it comes. */
export async function runTrials(
  context: TrialContext,
  trials: readonly Trial[],
  done: (at: number, outcome: Outcome) => void,
): Promise<Outcome[]> {
  if (context.workers > 1 && trials.length > 1) return await inWorkers(context, trials, done)
  const outcomes: Outcome[] = []
  for (const { params, split } of trials) {
    context.signal?.throwIfAborted()
    try {
      const model = context.model.clone()
      model.setParams(params)
      const { testScore, trainScore, fitMs } = await runFold(model, context.x, context.y, split, context.scoring, context.withTrain)
      outcomes.push({ testScore, trainScore, fitMs })
    } catch (error) {
      outcomes.push({ error })
    }
    done(outcomes.length - 1, outcomes.at(-1)!)
  }
  return outcomes
}

/** Data that another thread can be given: a Tensor as its values. */
async function sendable(values: Rowed): Promise<Rowed> {
  if (!(values instanceof Tensor)) return values
  const data = await values.data()
  return values.rank === 1 ? Array.from(data as Float32Array, Number) : { data, shape: values.shape }
}

async function inWorkers(
  context: TrialContext,
  trials: readonly Trial[],
  done: (at: number, outcome: Outcome) => void,
): Promise<Outcome[]> {
  const { what, model, scoring, withTrain, signal } = context
  const refuse = (why: string, model?: unknown): WeftError =>
    new WeftError('ERR_ARGUMENT', `${what}: the trials cannot be sent to worker threads: ${why}`, {
      hint:
        model instanceof NetworkModel
          ? `Export the function from a module: ${model.kind}(new URL('./build.js', import.meta.url)), or leave out { workers }`
          : 'Leave out { workers }',
    })
  if (typeof scoring === 'function') throw refuse('scoring is a function, give its name')
  const network = model instanceof NetworkModel ? model.sent() : undefined
  const stored = (model as unknown as { stored?(): Stored }).stored === undefined ? undefined : storedOf(model as never)
  if (stored === undefined && network === undefined) throw refuse(`${show(model)} is not saved by weftjs/learn`, model)
  const workerData: WorkerData = {
    stored,
    network,
    device: device(),
    x: await sendable(context.x),
    y: await sendable(context.y),
    scoring,
    withTrain,
  }
  try {
    structuredClone({ stored, network, params: trials.map(({ params }) => params) })
  } catch (cause) {
    throw new WeftError('ERR_ARGUMENT', `${refuse((cause as Error).message).message}`, { cause })
  }
  const file = new URL('./trial_worker.js', import.meta.url)
  if (!existsSync(file)) throw refuse('the package is not built')
  const outcomes = new Array<Outcome>(trials.length)
  let next = 0
  const one = async (): Promise<void> => {
    const worker = new Worker(file, { workerData })
    let settle: { resolve: (outcome: Outcome) => void; reject: (error: unknown) => void } | undefined
    worker.on('message', ({ error, ...rest }: { error?: SentError }) => {
      const outcome = error === undefined ? rest : { error: errorOf(error) }
      settle?.resolve(outcome as Outcome)
    })
    worker.on('error', (error) => settle?.reject(error))
    worker.on('exit', (code) => settle?.reject(new WeftError('ERR_STATE', `${what}: a worker thread ended with code ${code}`)))
    try {
      while (next < trials.length) {
        signal?.throwIfAborted()
        const at = next++
        outcomes[at] = await new Promise<Outcome>((resolve, reject) => {
          settle = { resolve, reject }
          const { params, split } = trials[at]!
          // names of a list are not sent
          worker.postMessage({ params, split: { train: split.train, test: split.test } })
        })
        done(at, outcomes[at])
      }
    } finally {
      settle = undefined
      await worker.terminate()
    }
  }
  await Promise.all(Array.from({ length: Math.min(context.workers, trials.length) }, one))
  return outcomes
}

const errorOf = ({ code, message }: SentError): Error =>
  code === undefined ? new Error(message) : new WeftError(code as 'ERR_DATA', message)
