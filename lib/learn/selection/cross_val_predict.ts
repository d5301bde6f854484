// Cross-validated predictions: of every row by a model that was fitted without it.
import { WeftError } from '../../core/error.js'
import { checkCall, type OptionTable } from '../../core/options.js'
import type { Label, LabelsLike } from '../matrix.js'
import type { PipelineInput } from '../preprocessing/pipeline.js'
import { checkStep, type LooseStep } from '../preprocessing/steps.js'
import { type Candidate, type CrossValidation, checkData, splitsOf } from './cross_validation.js'
import { type Rowed, rowCount, takeRows } from './rows.js'
import type { Groups, Split } from './split.js'
import { drawingFrom, factsOfData, Spread, seedsOf } from './spread.js'

export interface CrossValPredictOptions {
  /** Default 5. Each row must be in exactly one test part. */
  cv?: CrossValidation
  groups?: Groups
  /** Default 'predict'. */
  method?: 'predict' | 'predictProba'
  /** As for crossValScore. */
  ranks?: boolean
}

/** The prediction of every row by a model that was fitted without it. */
export async function crossValPredict(
  model: Candidate,
  x: PipelineInput,
  y: LabelsLike,
  options: CrossValPredictOptions = {},
): Promise<(Label | number[])[]> {
  const what = 'crossValPredict'
  const table: OptionTable<CrossValPredictOptions> = { cv: 'any', groups: 'any', method: ['predict', 'predictProba'], ranks: 'boolean' }
  checkCall(`${what}(model, x, y, options)`, arguments, table)
  const { method = 'predict', ranks, ...rest } = options
  const spread = new Spread(what, ranks)
  const splits = await spread.meet(() => {
    checkStep(what, model)
    checkData(what, x, y)
    const value = splitsOf(what, model, x as Rowed, y, rest)
    checkCover(what, value, rowCount(what, x as Rowed))
    return { value, facts: { ...factsOfData(what, spread, x as Rowed, y as Rowed), splits: value.length } }
  })
  const seeds = seedsOf(splits.length)
  const one = async (at: number): Promise<(Label | number[])[]> => {
    const { train, test } = splits[at]!
    const own = (model as unknown as LooseStep).clone()
    await own.fit(takeRows(x as Rowed, train), takeRows(y as Rowed, train))
    return (await own[method]!(takeRows(x as Rowed, test))) as (Label | number[])[]
  }
  const run = async (places: readonly number[]): Promise<(Label | number[])[][]> => {
    const predicted: (Label | number[])[][] = []
    for (const at of places) predicted.push(await drawingFrom(seeds[at]!, () => one(at)))
    return predicted
  }
  const found = new Array<Label | number[]>(rowCount(what, x as Rowed))
  const parts = await spread.deal(splits.length, run, () => undefined)
  parts.forEach((predicted, at) => {
    splits[at]!.test.forEach((row, i) => {
      found[row] = predicted[i]!
    })
  })
  return found
}

function checkCover(what: string, splits: readonly Split[], n: number): void {
  const tested = splits.flatMap(({ test }) => test)
  if (tested.length !== n || new Set(tested).size !== n)
    throw new WeftError('ERR_ARGUMENT', `${what}: the splits test ${new Set(tested).size} of ${n} rows, some more than once`, {
      hint: 'Use kFold() or stratifiedKFold()',
    })
}
