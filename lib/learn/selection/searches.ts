// gridSearch, randomSearch, halvingSearch: what each of them tries. Rules of halving: scikit-learn's
// HalvingGridSearchCV (Jamieson and Talwalkar 2016).
import { integer } from '../../core/checks.js'
import { WeftError } from '../../core/error.js'
import { type OptionTable, show } from '../../core/options.js'
import { register, reviveStored } from '../estimator.js'
import type { LabelsLike } from '../matrix.js'
import type { Scoring } from '../metrics/scorers.js'
import { labelsOf } from '../metrics/targets.js'
import type { Step } from '../preprocessing/steps.js'
import { drawnFrom, gridOf, type ParamDistributions, type ParamGrid, type Params } from './candidates.js'
import { isClassifier } from './cross_validation.js'
import { RandomState } from './random.js'
import { type Rowed, rowCount } from './rows.js'
import { type Round, SEARCH, Search, type SearchOptions, topOf } from './search.js'
import { type Split, splitOf } from './split.js'

/** Tries every combination of the values: gridSearch(model, { C: [0.1, 1, 10] }). Of a pipeline: { svc__C: [...] }. */
export function gridSearch(model: Step, grid: ParamGrid, options: SearchOptions = {}): Search {
  const candidates = gridOf('gridSearch', grid)
  return new Search('gridSearch', model, { begin: (_x, _y, splits) => ({ candidates, splits }) }, options, SEARCH)
}

export interface RandomSearchOptions extends SearchOptions {
  /** How many combinations are tried. Default 10. */
  nIter?: number
  /** 0 to 2^32 - 1. Default: a new one, reproducible by setSeed(). */
  seed?: number
}

/** Tries drawn combinations: randomSearch(model, { C: logUniform(0.01, 100), kernel: ['rbf', 'linear'] }). */
export function randomSearch(model: Step, distributions: ParamDistributions, options: RandomSearchOptions = {}): Search {
  const what = 'randomSearch'
  const table: OptionTable<RandomSearchOptions> = { ...SEARCH, nIter: 'integer', seed: 'integer' }
  const { nIter = 10, seed } = options ?? {}
  integer(what, 'nIter', nIter, 1)
  const random = new RandomState(what, seed)
  const draw = (from: RandomState): Params[] => drawnFrom(what, distributions, nIter, from)
  void draw(random) // refuses what it cannot draw from
  const plan = {
    seed: random.seed,
    begin: (_x: Rowed, _y: LabelsLike, splits: readonly Split[], own: number): Round => ({
      candidates: draw(new RandomState(what, own)),
      splits,
    }),
  }
  return new Search(what, model, plan, options, table)
}

export interface HalvingSearchOptions extends SearchOptions {
  /** Each round keeps one in `factor` candidates, with `factor` times the resources. Default 3. */
  factor?: number
  /** What grows: the rows ('nSamples', the default), or a parameter with integers, as 'epochs' of a network. */
  resource?: string
  /** Of the first round. Default: so that the last round uses all. */
  minResources?: number
  /** Of the last round. Default: all rows; of another resource it must be said. */
  maxResources?: number
  /** 0 to 2^32 - 1, of the rows that are drawn. Default: a new one, reproducible by setSeed(). */
  seed?: number
}

/** Tries all combinations on few resources, and the better ones on more: successive halving. */
export function halvingSearch(model: Step, grid: ParamGrid, options: HalvingSearchOptions = {}): Search {
  const what = 'halvingSearch'
  const table: OptionTable<HalvingSearchOptions> = {
    ...SEARCH,
    factor: 'number',
    resource: 'string',
    minResources: 'integer',
    maxResources: 'integer',
    seed: 'integer',
  }
  const { factor = 3, resource = 'nSamples', seed, minResources, maxResources } = options ?? {}
  if (!(factor > 1)) throw new WeftError('ERR_ARGUMENT', `${what}: factor must be above 1, got ${show(factor)}`)
  const rows = resource === 'nSamples'
  if (!rows && maxResources === undefined)
    throw new WeftError('ERR_ARGUMENT', `${what}: the most of the resource '${resource}' is not known`, {
      hint: `Write { resource: '${resource}', maxResources: 20 }`,
    })
  const candidates = gridOf(what, grid)
  const taken = candidates.find((params) => resource in params)
  if (taken) throw new WeftError('ERR_ARGUMENT', `${what}: the resource '${resource}' cannot be in the grid too`)
  let random = new RandomState(what, seed)
  let rounds: { count: number; least: number; most: number; whole: readonly Split[] }
  const roundOf = (at: number, own: readonly Params[]): Round => {
    const { least, most, whole } = rounds
    const resources = Math.min(most, Math.floor(least * factor ** at))
    if (!rows) return { candidates: own, splits: whole, resources, extra: { [resource]: resources } }
    const share = resources / most
    return { candidates: own, splits: share >= 1 ? whole : whole.map((split) => sample(split, share, random)), resources }
  }
  let at = 0
  const plan = {
    seed: random.seed,
    begin(x: Rowed, y: LabelsLike, splits: readonly Split[], own: number): Round {
      at = 0
      random = new RandomState(what, own)
      const most = maxResources ?? rowCount(what, x)
      if (rows && most > rowCount(what, x)) throw new WeftError('ERR_ARGUMENT', `${what}: maxResources ${most} are more than the rows`)
      const classes = rows && isClassifier(model) ? new Set(labelsOf(what, 'y', y)).size : 1
      const smallest = rows ? Math.min(most, splits.length * 2 * classes) : 1
      const needed = 1 + Math.floor(Math.log(candidates.length) / Math.log(factor) + 1e-9)
      const least = minResources ?? Math.max(smallest, Math.floor(most / factor ** (needed - 1)))
      if (least < 1 || least > most) throw new WeftError('ERR_ARGUMENT', `${what}: minResources ${least} is not between 1 and ${most}`)
      const possible = 1 + Math.floor(Math.log(most / least) / Math.log(factor) + 1e-9)
      rounds = { count: Math.min(needed, possible), least, most, whole: splits }
      return roundOf(0, candidates)
    },
    next(round: Round, means: readonly number[]): Round | undefined {
      if (++at >= rounds.count) return undefined
      const kept = topOf(means, Math.ceil(round.candidates.length / factor))
      return roundOf(
        at,
        kept.map((i) => round.candidates[i]!),
      )
    },
  }
  return new Search(what, model, plan, options, table)
}

/** A share of the rows of a split, drawn without replacement; at least one of each part. */
function sample({ train, test }: Split, share: number, random: RandomState): Split {
  const some = (rows: readonly number[]): number[] => {
    const order = random.permutation(rows.length)
    return Array.from(order.subarray(0, Math.max(1, Math.floor(share * rows.length))), (i) => rows[i]!)
  }
  return splitOf(some(train), some(test))
}

/** A search that was saved: it tells what was found and predicts, but has no candidates to try. */
function savedSearch(kind: string): (params: { estimator?: unknown; scoring?: Scoring; ownScoring?: boolean }) => Search {
  return ({ estimator, scoring, ownScoring }) => {
    const unknown = (): never => {
      throw new WeftError('ERR_STATE', `${kind}: the function that scoring was is not saved`, {
        hint: 'Write load(folder, { params: { scoring } })',
      })
    }
    const begin = (): never => {
      throw new WeftError('ERR_STATE', `${kind}: a search that was loaded, or sent to a worker thread, has no candidates to try`, {
        hint: `Make it anew: ${kind}(search.bestEstimator.clone(), ...)`,
      })
    }
    const model = (estimator === undefined ? NOTHING : reviveStored(estimator)) as unknown as Step
    return new Search(kind, model, { begin }, { scoring: scoring ?? (ownScoring ? unknown : undefined) } as SearchOptions, SEARCH)
  }
}
/** Stands for the network whose candidates were tried. */
const NOTHING = { kind: 'network', fit: () => undefined, clone: () => NOTHING, getParams: () => ({}) }

for (const kind of ['gridSearch', 'randomSearch', 'halvingSearch']) register(kind, savedSearch(kind) as never)
