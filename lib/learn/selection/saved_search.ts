// Searches as they are saved: the results, and the best model.
import { WeftError } from '../../core/error.js'
import { show } from '../../core/options.js'
import { isRecord } from '../../core/tree.js'
import { reviveStored, type Stored } from '../estimator.js'
import type { Scoring } from '../metrics/scorers.js'
import { type LooseStep, storedStep } from '../preprocessing/steps.js'
import type { Params } from './candidates.js'
import type { Found, SearchResults } from './search.js'

/** Marks a model among parameters. */
const STEP = '$step'

const isStep = (value: unknown): value is LooseStep => typeof (value as { stored?: unknown } | null)?.stored === 'function'
/** Values of parameters: models as they are stored; of what is no data, the text that shows it. */
export function savedValue(value: unknown): unknown {
  if (isStep(value)) return { [STEP]: storedStep('save', value) }
  if (typeof value === 'function' || typeof value === 'symbol' || typeof value === 'bigint') return show(value)
  if (Array.isArray(value)) return value.map(savedValue)
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value
  return isRecord(value) && Object.getPrototypeOf(value) === Object.prototype
    ? Object.fromEntries(Object.entries(value).map(([name, own]) => [name, savedValue(own)]))
    : show(value)
}
function revivedValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(revivedValue)
  if (!isRecord(value) || ArrayBuffer.isView(value)) return value
  if (Object.hasOwn(value, STEP)) return reviveStored(value[STEP])
  return Object.fromEntries(Object.entries(value).map(([name, own]) => [name, revivedValue(own)]))
}

/** What is saved of a search; `model`: the one it tries candidates of, unless that is a network. */
export function storedSearch(kind: string, model: LooseStep | undefined, found: Found, scoring: Scoring | undefined): Stored {
  const what = `${kind}.save`
  const { results, best } = found
  return {
    kind,
    params: {
      estimator: model && { ...storedStep(what, model), state: undefined },
      scoring: typeof scoring === 'function' ? undefined : scoring,
      ownScoring: typeof scoring === 'function',
    },
    state: {
      results: { ...results, params: results.params.map(savedValue) },
      best,
      model: model && found.model && storedStep(what, found.model),
    },
  }
}

/**
 * What `state` of a stored search says was found. `model`: the best one, where it is saved apart. ERR_FORMAT for
 * another value.
 */
export function foundIn(state: unknown, model?: LooseStep): Found {
  const { results, best, model: stored } = (isRecord(state) ? state : {}) as { results?: SearchResults; best?: number; model?: unknown }
  const lists = ['params', 'meanTestScore', 'stdTestScore', 'rankTestScore', 'splitTestScores', 'meanFitMs', 'round', 'resources'] as const
  const count = Array.isArray(results?.params) ? results.params.length : 0
  if (
    results === undefined ||
    !Number.isInteger(best) ||
    !(best! >= 0 && best! < count) ||
    lists.some((name) => !Array.isArray(results[name]) || results[name].length !== count) ||
    !results.params.every(isRecord) ||
    ![...results.meanTestScore, ...results.stdTestScore, ...results.rankTestScore].every((value) => typeof value === 'number')
  )
    throw new WeftError('ERR_FORMAT', 'load: the results of the search are not as they were saved', { hint: 'Save the search again' })
  return {
    results: {
      ...results,
      params: results.params.map((params) => revivedValue(params) as Params),
      meanTrainScore: results.meanTrainScore ?? undefined,
      resources: results.resources.map((value) => value ?? undefined),
    },
    best: best!,
    model: model ?? (isRecord(stored) ? (reviveStored(stored) as unknown as LooseStep) : undefined),
  }
}
