// Support vector machines in an ONNX graph: similarities with the support vectors, and votes of pairs.
import { WeftError } from '../../core/error.js'
import { type Machines, pairWeights } from '../svm/machines.js'
import type { SvcOptions } from '../svm/svc.js'
import type { SvmOptions } from '../svm/options.js'
import { aboveZero, labelOf, largestOf } from './classes.js'
import { centered, squaredSums } from './distances.js'
import type { Features, Made, Output, Sheet } from './sheet.js'

type Vectors = Pick<Machines, 'vectors' | 'support' | 'columns' | 'gamma'>

/** Similarities with the support vectors: [rows, vectors]. */
function similarities(sheet: Sheet, x: Features, { vectors, support, columns, gamma }: Vectors, params: Required<SvmOptions>): string {
  const { kernel, degree, coef0 } = params
  if (typeof kernel === 'function')
    throw new WeftError('ERR_ARGUMENT', 'exportOnnx: a kernel that is a function of yours cannot be exported', {
      hint: "Use 'linear', 'rbf', 'poly' or 'sigmoid'",
    })
  const rows = sheet.wide(x)
  if (kernel === 'precomputed') return sheet.gather(rows, Array.from(support))
  const scalar = (name: string, value: number): string => sheet.constant(name, [value], [])
  if (kernel === 'rbf') {
    const near = centered(sheet, rows, vectors, columns)
    const products = sheet.product(near.x, 'vectors', near.known, columns)
    const twice = sheet.sub(sheet.mul(products, scalar('two', 2)), squaredSums(sheet, near.x))
    const minus = sheet.sub(twice, sheet.constant('squares', near.squares))
    return sheet.op('Exp', [sheet.mul(sheet.op('Min', [minus, scalar('zero', 0)]), scalar('gamma', gamma))])
  }
  const products = sheet.product(rows, 'vectors', vectors, columns)
  if (kernel === 'linear') return products
  const inner = sheet.add(sheet.mul(products, scalar('gamma', gamma)), scalar('coef0', coef0))
  return kernel === 'sigmoid' ? sheet.op('Tanh', [inner]) : sheet.op('Pow', [inner, scalar('degree', degree)])
}

export function supportVectors(sheet: Sheet, x: Features, state: Machines, params: Required<SvcOptions>): Made {
  const { classes, sigmoids, support, intercept } = state
  const count = classes.length
  if (sigmoids !== null && count > 2)
    throw new WeftError('ERR_ARGUMENT', 'exportOnnx: probabilities of svc are not exported for more than two classes', {
      hint: 'Fit it with probability: false: the file gives labels and scores',
    })
  const similar = similarities(sheet, x, state, params)
  const scores = sheet.affine(similar, pairWeights(state), intercept, support.length)
  if (count === 2) {
    const label = labelOf(sheet, classes, aboveZero(sheet, scores))
    if (sigmoids === null) return { outputs: [label, { name: 'scores', from: scores, dtype: 'float64', columns: 1 }] }
    // the sigmoid is of the first class, by the score turned around, and never surer than this
    const [a, b] = [sigmoids[0]!, sigmoids[1]!]
    const inner = sheet.add(sheet.mul(scores, sheet.constant('slope', [a], [])), sheet.constant('shift', [-b], []))
    const chance = sheet.op('Sigmoid', [inner])
    const low = sheet.op('Max', [chance, sheet.constant('least', [1e-7], [])])
    const first = sheet.op('Min', [low, sheet.constant('most', [1 - 1e-7], [])])
    const from = sheet.concat([first, sheet.sub(sheet.constant('one', [1], []), first)])
    return { outputs: [label, { name: 'probabilities', from, dtype: 'float64', columns: 2 }] }
  }
  // each pair votes for its first class where its score is above 0, otherwise for its second
  const pairs = intercept.length
  const [firsts, seconds] = [new Float64Array(count * pairs), new Float64Array(count * pairs)]
  const signs = new Float64Array(count * pairs)
  for (let i = 0, p = 0; i < count; i++)
    for (let j = i + 1; j < count; j++, p++) {
      firsts[i * pairs + p] = 1
      seconds[j * pairs + p] = 1
      signs[i * pairs + p] = 1
      signs[j * pairs + p] = -1
    }
  const won = sheet.cast(sheet.op('Greater', [scores, sheet.constant('zero', [0], [])]), 'float64')
  const lost = sheet.sub(sheet.constant('one', [1], []), won)
  const votes = sheet.add(sheet.product(won, 'firsts', firsts, pairs), sheet.product(lost, 'seconds', seconds, pairs))
  const label = labelOf(sheet, classes, largestOf(sheet, votes))
  const output = (from: string, columns: number): Output => ({ name: 'scores', from, dtype: 'float64', columns })
  if (params.decisionFunctionShape === 'ovo') return { outputs: [label, output(scores, pairs)] }
  const sums = sheet.product(scores, 'signs', signs, pairs)
  const size = sheet.mul(sheet.add(sheet.op('Abs', [sums]), sheet.constant('one', [1], [])), sheet.constant('three', [3], []))
  return { outputs: [label, output(sheet.add(votes, sheet.op('Div', [sums, size])), count)] }
}

export function supportLine(
  sheet: Sheet,
  x: Features,
  state: Vectors & { dual: Float64Array; intercept: number },
  params: Required<SvmOptions>,
): Made {
  const { dual, intercept, support } = state
  const none = support.length === 0
  // where no row is a support vector, every prediction is the intercept
  const from = none
    ? sheet.affine(sheet.wide(x), new Float64Array(x.columns), [intercept], x.columns)
    : sheet.affine(similarities(sheet, x, state, params), dual, [intercept], dual.length)
  return { outputs: [{ name: 'prediction', from, dtype: 'float64', columns: 1 }] }
}
