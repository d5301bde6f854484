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
import { drawingFrom, errorOf, type SentError, type Spread, seedsOf, sentError } from './spread.js'
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
  readonly spread: Spread
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
/** What a worker thread is told to do. */
export interface Told extends Trial {
  readonly seed: number
}

/** The outcome of each trial, in order. `done` is told of each as it comes. */
export async function runTrials(
  context: TrialContext,
  trials: readonly Trial[],
  done: (at: number, outcome: Outcome) => void,
): Promise<Outcome[]> {
  const { spread } = context
  const seeds = seedsOf(trials.length)
  const told = trials.map((trial, at): Told => ({ ...trial, seed: seeds[at]! }))
  /** Errors of this process are thrown as they are. */
  const own = new Map<number, Outcome>()
  type Sent = Exclude<Outcome, { error: unknown }> | { error: SentError }
  const run = async (places: readonly number[]): Promise<Sent[]> => {
    const some = places.map((at) => told[at]!)
    const tell = (i: number, outcome: Outcome): void => done(places[i]!, outcome)
    const outcomes = context.workers > 1 && some.length > 1 ? await inWorkers(context, some, tell) : await here(context, some, tell)
    outcomes.forEach((outcome, i) => void own.set(places[i]!, outcome))
    return outcomes.map((outcome) => ('error' in outcome ? { error: sentError(outcome.error) } : outcome))
  }
  const received = (sent: Sent): Outcome => ('error' in sent ? { error: errorOf(sent.error) } : sent)
  const all = await spread.deal(trials.length, run, (at, sent) => done(at, received(sent)))
  return all.map((sent, at) => own.get(at) ?? received(sent))
}

async function here(context: TrialContext, trials: readonly Told[], done: (at: number, outcome: Outcome) => void): Promise<Outcome[]> {
  const { model, x, y, scoring, withTrain, signal } = context
  const outcomes: Outcome[] = []
  for (const { params, split, seed } of trials) {
    signal?.throwIfAborted()
    try {
      const own = model.clone()
      own.setParams(params)
      const fold = await drawingFrom(seed, () => runFold(own, x, y, split, scoring, withTrain))
      outcomes.push({ testScore: fold.testScore, trainScore: fold.trainScore, fitMs: fold.fitMs })
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

async function inWorkers(context: TrialContext, trials: readonly Told[], done: (at: number, outcome: Outcome) => void): Promise<Outcome[]> {
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
          const { params, split, seed } = trials[at]!
          // names of a list are not sent
          worker.postMessage({ params, split: { train: split.train, test: split.test }, seed })
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
