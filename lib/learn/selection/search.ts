// Searches: gridSearch tries every combination of parameters, randomSearch drawn ones, halvingSearch all on few
// resources and the better ones on more. The best is then fitted on all rows.
import { integer } from '../../core/checks.js'
import { WeftError } from '../../core/error.js'
import { checkOptions, type OptionTable } from '../../core/options.js'
import type { Place } from '../../core/place.js'
import type { Verbosity } from '../../core/progress_bar.js'
import { settingsText, shownAs } from '../../core/shown.js'
import type { Stored } from '../estimator.js'
import type { Label, LabelsLike } from '../matrix.js'
import { scorerOf } from '../metrics/scorers.js'
import type { PipelineInput } from '../preprocessing/pipeline.js'
import { checkStep, type LooseStep, type Step } from '../preprocessing/steps.js'
import type { Params } from './candidates.js'
import { CROSS_VALIDATION, type CrossValidationOptions, checkData, reportFailures, splitsOf } from './cross_validation.js'
import { saveEstimator } from '../store.js'
import { NetworkModel } from './network.js'
import type { Rowed } from './rows.js'
import { foundIn, savedValue, storedSearch } from './saved_search.js'
import { SearchProgress } from './search_progress.js'
import { drawingFrom, factsOfData, Spread, seedsOf } from './spread.js'
import type { Split } from './split.js'
import { type Outcome, runTrials } from './trials.js'

export interface SearchOptions extends CrossValidationOptions {
  /** Fits the best parameters on all rows. Default true. */
  refit?: boolean
  returnTrainScore?: boolean
  /**
   * Trials in so many worker threads. They need models and parameters that can be sent: those of weftjs/learn, without
   * functions; networks whose `build` is the URL of a module. Default 1: in this thread, where Weft's operations use
   * all cores already.
   */
  workers?: number
  /**
   * 1: a progress bar over all trials of a round, 2: a line for each candidate, 'auto' (default): 1 on a terminal, else
   * 2; 0: silent.
   */
  verbose?: Verbosity
  /** Called after each round of trials; of several ranks on rank 0. */
  onRound?: (round: { round: number; candidates: number; resources: number | undefined; bestScore: number }) => void
}
export const SEARCH: OptionTable<SearchOptions> = {
  ...CROSS_VALIDATION,
  refit: 'boolean',
  returnTrainScore: 'boolean',
  workers: 'integer',
  verbose: 'any',
  onRound: 'function',
}

/** A value for each candidate, in the order tried. */
export interface SearchResults {
  params: Params[]
  meanTestScore: number[]
  stdTestScore: number[]
  /** 1 is the best; equal scores share a rank. */
  rankTestScore: number[]
  /** One score for each split. */
  splitTestScores: number[][]
  meanTrainScore: number[] | undefined
  meanFitMs: number[]
  /** halvingSearch: the round of each, and its rows or value of the resource. */
  round: number[]
  resources: (number | undefined)[]
}

/** One round: candidates, the splits they are tried on, and what they are given. */
export interface Round {
  readonly candidates: readonly Params[]
  readonly splits: readonly Split[]
  readonly resources?: number
  /** Set for each candidate besides its own parameters. */
  readonly extra?: Params
}
/** What a kind of search decides. */
export interface Plan {
  /** What it draws with. */
  readonly seed?: number
  /** The first round. */
  begin(x: Rowed, y: LabelsLike, splits: readonly Split[], seed: number): Round
  /** The round after one with these mean scores; undefined after the last. */
  next?(round: Round, means: readonly number[]): Round | undefined
}

/** What a search has found: `best` is the place of the best candidate, `model` is that one, fitted on all rows. */
export interface Found {
  readonly results: SearchResults
  readonly best: number
  readonly model: LooseStep | undefined
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

/** A search: fit() tries the candidates; then it predicts as the best of them. */
export class Search {
  readonly kind: string
  private readonly model: LooseStep
  private readonly plan: Plan
  private readonly options: SearchOptions
  private readonly table: OptionTable<SearchOptions>
  private found: Found | undefined

  /** @internal Users call gridSearch() and its like. */
  constructor(kind: string, model: Step, plan: Plan, options: SearchOptions, table: OptionTable<SearchOptions>) {
    checkStep(kind, model)
    checkOptions(kind, options, table, 'model, parameters')
    scorerOf(kind, options.scoring)
    void new SearchProgress(kind, options.verbose ?? 'auto') // refuses what it is not
    if (options.workers !== undefined) integer(kind, 'workers', options.workers, 1)
    this.kind = kind
    this.model = model
    this.plan = plan
    this.options = options
    this.table = table
  }

  /** @internal */
  text(): string {
    const found = this.found === undefined ? ', not fitted' : `: best score ${this.bestScore}${settingsText(this.bestParams)}`
    return `${this.kind} of ${String((this.model as { kind?: string }).kind)}${found}`
  }

  /** Scores every candidate on every split, and fits the best one on all rows. Resolves with the search. */
  async fit(x: PipelineInput, y: LabelsLike): Promise<this> {
    const { kind, options, model } = this
    const { returnTrainScore: withTrain = false, errorScore = Number.NaN } = options
    const spread = new Spread(`${kind}.fit`, options.ranks)
    const { splits, seed } = await spread.meet(() => {
      checkData(`${kind}.fit`, x, y)
      const value = { splits: splitsOf(kind, model, x as Rowed, y, options), seed: this.plan.seed ?? 0 }
      return { value, facts: { ...factsOfData(kind, spread, x as Rowed, y as Rowed), splits: value.splits.length } }
    })
    const context = {
      what: kind,
      model,
      x: x as Rowed,
      y: y as Rowed,
      scoring: options.scoring,
      withTrain,
      workers: options.workers ?? 1,
      signal: options.signal,
      spread,
    }
    const progress = new SearchProgress(kind, spread.rank === 0 ? (options.verbose ?? 'auto') : 0)
    const results = empty(withTrain)
    let best = -1
    let number = 0
    let first: Round | undefined
    const begin = (): Round => (first ??= this.plan.begin(x as Rowed, y, splits, seed))
    await spread.meet(() => ({ value: null, facts: { candidates: savedValue(begin().candidates) } }))
    for (let round: Round | undefined = begin(); round !== undefined; number++) {
      const { extra } = round
      const trials = round.candidates.flatMap((params) => round!.splits.map((split) => ({ params: { ...params, ...extra }, split })))
      progress.begin(round.candidates, round.splits.length, round.resources)
      const outcomes = await runTrials(context, trials, (at, outcome) => progress.trial(at, outcome)).finally(() => progress.stop())
      const errors = outcomes.flatMap((outcome) => ('error' in outcome ? [outcome.error] : []))
      if (errorScore === 'raise' && errors.length > 0) throw errors[0]
      reportFailures(kind, errors, outcomes.length, errorScore, spread.rank)
      const from = results.params.length
      addRound(results, round, outcomes, number, errorScore as number)
      const means = results.meanTestScore.slice(from)
      // the best of the last round, where all have the most resources
      best = from + bestOf(means)
      if (spread.rank === 0)
        options.onRound?.({
          round: number,
          candidates: round.candidates.length,
          resources: round.resources,
          bestScore: results.meanTestScore[best]!,
        })
      round = this.plan.next?.(round, means)
    }
    if (Number.isNaN(results.meanTestScore[best]))
      throw new WeftError('ERR_DATA', `${kind}: no candidate has a score`, { hint: "To see why a fit fails write { errorScore: 'raise' }" })
    results.rankTestScore = ranks(results.meanTestScore)
    let refitted: LooseStep | undefined
    if (options.refit ?? true) {
      const whole = model.clone()
      const [own] = seedsOf(1)
      // each rank for itself: the model is that of one process
      await spread.together(async () => {
        whole.setParams(results.params[best]!)
        await drawingFrom(own!, async () => void (await whole.fit(x, y)))
        return null
      })
      refitted = whole
    }
    this.found = { results, best, model: refitted }
    return this
  }

  /** The parameters of the best mean score. */
  get bestParams(): Params {
    const { results, best } = this.state('bestParams')
    return results.params[best]!
  }
  get bestScore(): number {
    const { results, best } = this.state('bestScore')
    return results.meanTestScore[best]!
  }
  /** The place of the best among cvResults. */
  get bestIndex(): number {
    return this.state('bestIndex').best
  }
  /** The model with the best parameters, fitted on all rows. */
  get bestEstimator(): Step {
    return this.best('bestEstimator') as unknown as Step
  }
  get cvResults(): SearchResults {
    return this.state('cvResults').results
  }
  get classes(): readonly Label[] {
    return (this.best('classes') as unknown as { classes: readonly Label[] }).classes
  }

  async predict(x: PipelineInput): Promise<Label[]> {
    return (await this.best('predict').predict!(x)) as Label[]
  }
  async predictProba(x: PipelineInput): Promise<number[][]> {
    const best = this.best('predictProba')
    if (typeof best.predictProba !== 'function') throw new WeftError('ERR_ARGUMENT', `${this.kind}: ${best.kind} has no predictProba()`)
    return await best.predictProba(x)
  }
  /** The score of the best model, as `scoring` says. */
  async score(x: PipelineInput, y: LabelsLike): Promise<number> {
    return await scorerOf(this.kind, this.options.scoring)(this.best('score') as never, x as never, y)
  }
  /**
   * Saves what was found and the best model in a folder, which load(folder) of weftjs/learn reads. A search over
   * networks is saved as its best network, which loadModel(folder) of weftjs reads too. Functions among the parameters
   * are not saved. ERR_STATE before fit().
   */
  async save(folder: Place): Promise<void> {
    const { model } = this.state('save')
    if (model instanceof NetworkModel) await model.save(folder, storedSearch(this.kind, undefined, this.found!, this.options.scoring))
    else await saveEstimator(`${this.kind}.save`, folder, this.stored())
  }
  /** @internal */
  stored(): Stored {
    return storedSearch(this.kind, this.model, this.state('save'), this.options.scoring)
  }
  /** @internal What was found, as it was stored. `model`: the best one, where it is saved apart. */
  restore(state: unknown, model?: LooseStep): void {
    if (state !== undefined) this.found = foundIn(state, model)
  }
  getParams(): Record<string, unknown> {
    return { estimator: this.model }
  }
  setParams(): never {
    throw new WeftError('ERR_ARGUMENT', `${this.kind}: the parameters of a search are those it was made with`)
  }
  clone(): this {
    return new Search(this.kind, this.model.clone() as unknown as Step, this.plan, this.options, this.table) as this
  }

  private state(name: string): Found {
    if (this.found !== undefined) return this.found
    throw new WeftError('ERR_STATE', `${this.kind}: ${name} before the search`, { hint: 'Write await search.fit(X, y) first' })
  }
  private best(name: string): LooseStep {
    const { model } = this.state(name)
    if (model !== undefined) return model
    throw new WeftError('ERR_STATE', `${this.kind}: ${name} needs the best model fitted`, { hint: 'Leave out refit: false' })
  }
}
shownAs<Search>(Search.prototype, (one) => one.text())

const empty = (withTrain: boolean): SearchResults => ({
  params: [],
  meanTestScore: [],
  stdTestScore: [],
  rankTestScore: [],
  splitTestScores: [],
  meanTrainScore: withTrain ? [] : undefined,
  meanFitMs: [],
  round: [],
  resources: [],
})

function addRound(results: SearchResults, round: Round, outcomes: readonly Outcome[], number: number, errorScore: number): void {
  const width = round.splits.length
  round.candidates.forEach((params, i) => {
    const own = outcomes.slice(i * width, (i + 1) * width)
    const scores = own.map((outcome) => ('error' in outcome ? errorScore : outcome.testScore))
    const mean = meanOf(scores)
    results.params.push({ ...params, ...round.extra })
    results.splitTestScores.push(scores)
    results.meanTestScore.push(mean)
    results.stdTestScore.push(Math.sqrt(meanOf(scores.map((score) => (score - mean) ** 2))))
    results.meanTrainScore?.push(meanOf(own.map((outcome) => ('error' in outcome ? errorScore : outcome.trainScore!))))
    results.meanFitMs.push(meanOf(own.map((outcome) => ('error' in outcome ? Number.NaN : outcome.fitMs))))
    results.round.push(number)
    results.resources.push(round.resources)
  })
}

/** NaN is worse than everything. */
const worth = (score: number): number => (Number.isNaN(score) ? Number.NEGATIVE_INFINITY : score)

/** The place of the first of the best scores. */
function bestOf(scores: readonly number[]): number {
  let best = 0
  for (let i = 1; i < scores.length; i++)
    if (worth(scores[i]!) > worth(scores[best]!) || (Number.isNaN(scores[best]) && !Number.isNaN(scores[i]))) best = i
  return best
}

const ranks = (scores: readonly number[]): number[] =>
  scores.map((score) => 1 + scores.filter((other) => worth(other) > worth(score)).length)

/** The places of the `count` best scores, the best first; of equal ones the earlier. */
export const topOf = (scores: readonly number[], count: number): number[] =>
  scores
    .map((_, i) => i)
    .sort((a, b) => (worth(scores[a]!) === worth(scores[b]!) ? a - b : worth(scores[b]!) - worth(scores[a]!)))
    .slice(0, count)
