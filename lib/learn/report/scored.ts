// scoredOf: any model as scorers and reports see it: a model of weftjs/learn as it is, a network by what y holds.
import { WeftError } from '../../core/error.js'
import { isFloat } from '../../core/spec.js'
import { Tensor } from '../../core/tensor.js'
import { Model } from '../../model/model.js'
import { compareLabels, type Label, type LabelsLike, type MatrixLike, readLabelList } from '../matrix.js'
import { accuracyScore } from '../metrics/confusion.js'
import { r2Score } from '../metrics/regression.js'
import type { Scored } from '../metrics/scorers.js'
import type { Targets } from '../metrics/targets.js'
import { isClassifier } from '../selection/cross_validation.js'
import { floatsOf, type Outputs, predictorOf, type Samples, topOutputs } from './predictor.js'

/** A model with what it tells. */
export interface ScoredModel extends Scored {
  readonly tells: 'classes' | 'numbers'
}

/** The classes that the outputs of a network are of; undefined where it tells numbers. */
function classesOf(y: LabelsLike, labels: readonly Label[], { columns, data }: Outputs): Label[] | undefined {
  const count = Math.max(2, columns)
  if (!data.every((value) => value >= -1e-6 && value <= 1 + 1e-6)) return undefined
  const distinct = [...new Set(labels)].sort(compareLabels)
  if (typeof labels[0] !== 'number') return distinct.length === count ? distinct : undefined
  const places = (distinct as number[]).every((label) => Number.isInteger(label) && label >= 0 && label < count)
  // floats of 0 and 1 may be classes too, as binaryCrossentropy takes them
  if (!places || (columns > 1 && y instanceof Tensor && isFloat(y.dtype) && y.rank > 1 && y.shape[1] !== 1)) return undefined
  return Array.from({ length: count }, (_, i) => i)
}

/**
 * The model as a scored one. A network tells classes where its outputs are within [0, 1] and y has their places (0 and
 * 1 for one output) or as many different texts; else numbers.
 * @param x rows by which a network's outputs are looked at
 */
export async function scoredOf(what: string, model: unknown, x: Samples, y: LabelsLike): Promise<ScoredModel> {
  if (!(model instanceof Model)) {
    const own = model as Scored | null
    if (typeof own?.predict === 'function' && typeof own.score === 'function')
      return Object.create(own, { tells: { value: isClassifier(own) ? 'classes' : 'numbers' } }) as ScoredModel
    throw new WeftError('ERR_ARGUMENT', `${what}: expected a model of weftjs/learn or a network`, {
      hint: 'It needs predict(x) and score(x, y)',
    })
  }
  const predictor = predictorOf(what, model)
  const run = async (rows: Samples): Promise<Outputs> => {
    const { x: t, own } = floatsOf(what, rows, model.device)
    try {
      return await predictor.predict(t)
    } finally {
      if (own) t.dispose()
    }
  }
  const outputs = await run(x)
  const classes = classesOf(y, await readLabelList(what, y, outputs.rows), outputs)
  const rowsOf = ({ data, rows, columns }: Outputs): number[][] =>
    Array.from({ length: rows }, (_, row) => [...data.subarray(row * columns, (row + 1) * columns)])
  if (classes === undefined) {
    const predict = async (rows: MatrixLike): Promise<number[] | number[][]> => {
      const found = await run(rows as Samples)
      return found.columns === 1 ? [...found.data] : rowsOf(found)
    }
    return { tells: 'numbers', predict, score: async (rows, own) => r2Score(own as Targets, (await predict(rows)) as Targets) }
  }
  const predict = async (rows: MatrixLike): Promise<Label[]> => {
    const found = await run(rows as Samples)
    if (found.columns === 1) return Array.from(found.data, (p) => classes[p > 0.5 ? 1 : 0]!)
    return Array.from(topOutputs(found), (at) => classes[at]!)
  }
  return {
    tells: 'classes',
    classes,
    predict,
    async predictProba(rows) {
      const found = await run(rows as Samples)
      return found.columns === 1 ? Array.from(found.data, (p) => [1 - p, p]) : rowsOf(found)
    },
    score: async (rows, own) => accuracyScore(own as Targets, (await predict(rows)) as Targets),
  }
}
