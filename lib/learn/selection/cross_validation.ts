// Cross-validation: a model fitted on a part of the rows and scored on the others, for each split. Every fit begins
// with a clone, so nothing that was learned elsewhere reaches it.
import { isInteger } from '../../core/checks.js'
import { WeftError } from '../../core/error.js'
import { checkCall, type OptionTable, show } from '../../core/options.js'
import { ProgressBar, type Verbosity } from '../../core/progress_bar.js'
import { Tensor } from '../../core/tensor.js'
import type { LabelsLike, MatrixLike } from '../matrix.js'
import { type Scored, scorerOf, type Scoring } from '../metrics/scorers.js'
import { checkStep, type LooseStep, type Step } from '../preprocessing/steps.js'
import type { PipelineInput } from '../preprocessing/pipeline.js'
import { type Rowed, rowCount, takeRows } from './rows.js'
import { drawingFrom, errorOf, factsOfData, type SentError, Spread, seedsOf, sentError } from './spread.js'
import { type Groups, kFold, type Split, type Splitter, splitOf, stratifiedKFold } from './split.js'

/** A number of folds (of classes in even shares for classifiers), a splitter, or the splits themselves. */
export type CrossValidation = number | Splitter | readonly RowSplit[]
/** Row numbers to train and to test with. */
export type RowSplit =
  | { readonly train: ArrayLike<number>; readonly test: ArrayLike<number> }
  | readonly [ArrayLike<number>, ArrayLike<number>]

export interface CrossValidationOptions {
  /** Default 5. */
  cv?: CrossValidation
  /** What models are compared by. Default: model.score(). */
  scoring?: Scoring
  /** Groups of the rows, for groupKFold. */
  groups?: Groups
  /**
   * The score of a fit that fails, with a warning; 'raise' throws instead. Default NaN. Where all fail, the first error
   * is thrown.
   */
  errorScore?: number | 'raise'
  signal?: AbortSignal
  /**
   * 1: a progress bar over the splits, 2: a line for each, 'auto': 1 on a terminal, else 2; 0: silent. Default: a bar
   * on a terminal where it takes longer than two seconds, taken away at the end.
   */
  verbose?: Verbosity
  /**
   * In a distributed run every rank calls with the same data; each fits its part, as if it were alone, and all get the
   * same scores. Default false: each rank fits all.
   */
  ranks?: boolean
}
export const CROSS_VALIDATION: OptionTable<CrossValidationOptions> = {
  cv: 'any',
  scoring: 'any',
  groups: 'any',
  errorScore: 'any',
  signal: 'object',
  verbose: 'any',
  ranks: 'boolean',
}

/** A model with fit() and score(). */
export type Candidate = Step

/** The last step of a pipeline, what a search tries, or the model itself. */
function lastOf(model: unknown): object {
  const own = model as { kind?: unknown; steps?: readonly (readonly [string, object])[]; getParams?(): { estimator?: object } }
  if (Array.isArray(own.steps) && own.steps.length > 0) return lastOf(own.steps.at(-1)![1])
  const { estimator } = own.getParams?.() ?? {}
  return typeof estimator === 'object' && estimator !== null ? lastOf(estimator) : own
}
export const isClassifier = (model: unknown): boolean => 'classes' in lastOf(model)

/** Whether the model has probabilities: a support-vector machine has them only where they were asked for. */
export function tellsProbabilities(model: unknown): boolean {
  const last = lastOf(model) as { predictProba?: unknown; getParams?(): { probability?: unknown } }
  return typeof last.predictProba === 'function' && last.getParams?.().probability !== false
}

/** The splits that `cv` says. */
export function splitsOf(what: string, model: unknown, x: Rowed, y: LabelsLike | undefined, options: CrossValidationOptions): Split[] {
  const { cv = 5, groups } = options
  if (typeof cv === 'number') {
    if (!isInteger(cv, 2)) throw new WeftError('ERR_ARGUMENT', `${what}: cv is a number of folds of at least 2, got ${cv}`)
    return (isClassifier(model) ? stratifiedKFold : kFold)({ nSplits: cv }).split(x, y as Groups)
  }
  const list = typeof (cv as Splitter | null)?.split === 'function' ? (cv as Splitter).split(x, y as Groups, groups) : cv
  const n = rowCount(what, x)
  const good = (rows: unknown): rows is ArrayLike<number> => {
    const own = rows as ArrayLike<number> | undefined
    return typeof own === 'object' && own !== null && own.length > 0 && Array.from(own).every((row) => isInteger(row, 0, n - 1))
  }
  const found = (Array.isArray(list) ? (list as readonly RowSplit[]) : []).flatMap((split): Split[] => {
    const { train, test } = 'train' in split ? split : { train: split[0], test: split[1] }
    return good(train) && good(test) ? [splitOf(Array.from(train), Array.from(test))] : []
  })
  if (found.length === 0 || found.length !== (list as readonly unknown[]).length)
    throw new WeftError(
      'ERR_ARGUMENT',
      `${what}: cv is a number, a splitter, or a list of { train, test } of row numbers below ${n}, got ${show(cv)}`,
    )
  return found
}

export function checkData(what: string, x: unknown, y: unknown): void {
  const rows = rowCount(what, x as Rowed)
  if (y === undefined) throw new WeftError('ERR_ARGUMENT', `${what}: y is missing`, { hint: `Write ${what}(model, x, y)` })
  const own = rowCount(what, y as Rowed)
  if (rows !== own) throw new WeftError('ERR_SHAPE', `${what}: x has ${rows} rows, y has ${own}`)
}

export interface Fold {
  readonly testScore: number
  readonly trainScore: number | undefined
  readonly model: LooseStep
  readonly fitMs: number
}

/** Fits a clone on the training rows of a split, and scores it. */
export async function runFold(
  model: LooseStep,
  x: Rowed,
  y: Rowed,
  split: Split,
  scoring: Scoring | undefined,
  withTrain: boolean,
): Promise<Fold> {
  const scorer = scorerOf('scoring', scoring)
  const parts = [x, y].flatMap((values) => [takeRows(values, split.train), takeRows(values, split.test)])
  const [xTrain, xTest, yTrain, yTest] = parts as [MatrixLike, MatrixLike, LabelsLike, LabelsLike]
  try {
    const own = model.clone()
    const begin = performance.now()
    await own.fit(xTrain, yTrain)
    const fitMs = performance.now() - begin
    const scored = own as unknown as Scored
    const testScore = await scorer(scored, xTest, yTest)
    const trainScore = withTrain ? await scorer(scored, xTrain, yTrain) : undefined
    if (typeof testScore !== 'number')
      throw new WeftError('ERR_ARGUMENT', `scoring: the scorer gave ${show(testScore)}, a number is expected`)
    return { testScore, trainScore, model: own, fitMs }
  } finally {
    for (const part of parts) if (part instanceof Tensor) part.dispose()
  }
}

/** What became of the fit on one split. */
type Outcome = { testScore: number; trainScore: number | undefined; fitMs: number } | { error: SentError }

/**
 * Fits on every split; failures become errorScore with one warning, the first error where all fail. `made` is given the
 * models that this process has fitted.
 */
async function runSplits(
  what: string,
  spread: Spread,
  count: number,
  options: CrossValidationOptions,
  run: (at: number) => Promise<Fold>,
  made: (at: number, model: Step) => void,
): Promise<Outcome[]> {
  const { errorScore = Number.NaN, signal } = options
  const errors = new Map<number, unknown>()
  const seeds = seedsOf(count)
  const bar = new ProgressBar(spread.rank === 0 ? options.verbose : 0)
  bar.begin(count)
  let ended = 0
  const tell = (at: number, outcome: Outcome): void => {
    const score = 'error' in outcome ? (errorScore as number) : outcome.testScore
    bar.step(++ended, () => what)
    bar.print(`${what} ${at + 1}/${count} - ${bar.seconds.toFixed(1)}s - score: ${Number(score).toFixed(4)}`)
  }
  const one = async (at: number): Promise<Outcome> => {
    try {
      const { testScore, trainScore, fitMs, model } = await drawingFrom(seeds[at]!, () => run(at))
      made(at, model as unknown as Step)
      return { testScore, trainScore, fitMs }
    } catch (error) {
      errors.set(at, error)
      return { error: sentError(error) }
    }
  }
  let outcomes: Outcome[]
  try {
    const runAll = async (places: readonly number[]): Promise<Outcome[]> => {
      const found: Outcome[] = []
      for (const at of places) {
        signal?.throwIfAborted()
        found.push(await one(at))
        // alone nobody waits for the other splits
        if (spread.size === 1 && errorScore === 'raise' && errors.has(at)) throw errors.get(at)
        tell(at, found.at(-1)!)
      }
      return found
    }
    outcomes = await spread.deal(count, runAll, tell)
    bar.end(() => what)
  } finally {
    bar.stop()
  }
  const failed = outcomes.flatMap((outcome, at) => ('error' in outcome ? [errors.get(at) ?? errorOf(outcome.error)] : []))
  if (errorScore === 'raise' && failed.length > 0) throw failed[0]
  reportFailures(what, failed, count, errorScore, spread.rank)
  return outcomes
}

function checkErrorScore(what: string, { errorScore }: CrossValidationOptions): void {
  if (errorScore !== undefined && errorScore !== 'raise' && typeof errorScore !== 'number')
    throw new WeftError('ERR_ARGUMENT', `${what}: errorScore is a number or 'raise', got ${show(errorScore)}`)
}

/** A warning of failed fits; the first error where all failed. */
export function reportFailures(
  what: string,
  errors: readonly unknown[],
  count: number,
  errorScore: number | 'raise',
  rank: number = 0,
): void {
  if (errors.length === 0) return
  if (errors.length === count) throw errors[0]
  if (rank > 0) return
  const message = `${what}: ${errors.length} of ${count} fits failed, their score is ${errorScore}. The first error: ${(errors[0] as Error).message}`
  process.emitWarning(message, { type: 'WeftWarning', code: 'WEFT_FIT_FAILED' })
}

/** The score of a clone of the model on the test rows of each split, fitted on its training rows. */
export async function crossValScore(
  model: Candidate,
  x: PipelineInput,
  y: LabelsLike,
  options: CrossValidationOptions = {},
): Promise<number[]> {
  const what = 'crossValScore'
  checkCall(`${what}(model, x, y, options)`, arguments, CROSS_VALIDATION)
  return (await validated(what, model, x, y, options, false)).testScore
}

export interface CrossValidateOptions extends CrossValidationOptions {
  /** Scores of the training rows too. Default false. */
  returnTrainScore?: boolean
  /** The fitted models too. Default false. */
  returnEstimator?: boolean
}
/** One value for each split. */
export interface CrossValidated {
  testScore: number[]
  trainScore: number[] | undefined
  estimator: Step[] | undefined
  fitMs: number[]
}

/** As crossValScore, with the time of each fit, and what else is asked for. */
export async function crossValidate(
  model: Candidate,
  x: PipelineInput,
  y: LabelsLike,
  options: CrossValidateOptions = {},
): Promise<CrossValidated> {
  const what = 'crossValidate'
  const table: OptionTable<CrossValidateOptions> = { ...CROSS_VALIDATION, returnTrainScore: 'boolean', returnEstimator: 'boolean' }
  checkCall(`${what}(model, x, y, options)`, arguments, table)
  if (options.returnEstimator && options.ranks)
    throw new WeftError('ERR_ARGUMENT', `${what}: returnEstimator and ranks: each rank has the models of its splits alone`, {
      hint: 'Leave out one of them',
    })
  const found = await validated(what, model, x, y, options, options.returnTrainScore ?? false)
  return options.returnEstimator ? found : { ...found, estimator: undefined }
}

async function validated(
  what: string,
  model: Candidate,
  x: PipelineInput,
  y: LabelsLike,
  options: CrossValidationOptions,
  withTrain: boolean,
): Promise<CrossValidated> {
  const spread = new Spread(what, options.ranks)
  const splits = await spread.meet(() => {
    checkStep(what, model)
    checkData(what, x, y)
    scorerOf(what, options.scoring)
    checkErrorScore(what, options)
    const value = splitsOf(what, model, x as Rowed, y, options)
    return { value, facts: { ...factsOfData(what, spread, x as Rowed, y as Rowed), splits: value.length } }
  })
  const estimator: Step[] = []
  const run = (at: number): Promise<Fold> =>
    runFold(model as unknown as LooseStep, x as Rowed, y as Rowed, splits[at]!, options.scoring, withTrain)
  const outcomes = await runSplits(what, spread, splits.length, options, run, (at, fitted) => void (estimator[at] = fitted))
  const { errorScore = Number.NaN } = options
  const each = <K extends 'trainScore' | 'fitMs'>(key: K, at: number): number =>
    (outcomes[at] as { [name in K]?: number })[key] ?? Number.NaN
  return {
    testScore: outcomes.map((outcome) => ('error' in outcome ? (errorScore as number) : outcome.testScore)),
    trainScore: withTrain ? outcomes.map((_, at) => each('trainScore', at)) : undefined,
    estimator,
    fitMs: outcomes.map((_, at) => each('fitMs', at)),
  }
}
