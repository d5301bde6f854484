// trainTestSplit: rows to train with and rows to test with. With a seed they are those of scikit-learn 1.2 for the same
// random_state.
import { WeftError } from '../../core/error.js'
import { type OptionTable, checkOptions, show } from '../../core/options.js'
import { isRecord } from '../../core/tree.js'
import { isShaped } from '../../data/host.js'
import { classesOf, labelsOf, type Targets } from '../metrics/targets.js'
import { RandomState } from './random.js'
import { type Rowed, rowCount, takeRows } from './rows.js'

export interface TrainTestSplitOptions {
  /** Share of the rows (below 1), or their number. Default: what trainSize leaves, else 0.25. */
  testSize?: number
  /** Share of the rows (below 1), or their number. Default: what testSize leaves. */
  trainSize?: number
  /** Classes whose shares both parts keep, usually y. */
  stratify?: Targets
  /** False: the first rows train, the last test, as series need. Default true. */
  shuffle?: boolean
  /** 0 to 2^32 - 1. Default: a new one, reproducible by setSeed(). */
  seed?: number
}
const OPTIONS: OptionTable<TrainTestSplitOptions> = {
  testSize: 'number',
  trainSize: 'number',
  stratify: 'any',
  shuffle: 'boolean',
  seed: 'integer',
}
const NAME = 'trainTestSplit'

/** [xTrain, xTest, yTrain, yTest], which have these names too. */
export type TrainTestParts<X extends Rowed, Y extends Rowed> = [X, X, Y, Y] & { xTrain: X; xTest: X; yTrain: Y; yTest: Y }

/**
 * Splits data into random parts: trainTestSplit(x, y, options) gives [xTrain, xTest, yTrain, yTest]. Any number of data
 * of the same rows can be given. Lists, typed arrays, Tensors and { data, shape } stay what they are.
 */
export function trainTestSplit<X extends Rowed, Y extends Rowed>(x: X, y: Y, options?: TrainTestSplitOptions): TrainTestParts<X, Y>
export function trainTestSplit<X extends Rowed>(x: X, options?: TrainTestSplitOptions): [X, X]
export function trainTestSplit(...data: (Rowed | TrainTestSplitOptions)[]): Rowed[]
export function trainTestSplit(...args: unknown[]): unknown {
  const last = args.at(-1)
  const options = (args.length > 1 && isRecord(last) && !isShaped(last) ? last : {}) as TrainTestSplitOptions
  const arrays = (options === last || (last === undefined && args.length > 1) ? args.slice(0, -1) : args) as Rowed[]
  checkOptions(NAME, options, OPTIONS, 'x, y')
  if (arrays.length === 0) throw new WeftError('ERR_ARGUMENT', `${NAME}: there is nothing to split`, { hint: `Write ${NAME}(x, y)` })
  const n = rowCount(NAME, arrays[0]!)
  arrays.forEach((values, i) => {
    const own = rowCount(NAME, values)
    if (own !== n) throw new WeftError('ERR_SHAPE', `${NAME}: argument 0 has ${n} rows, argument ${i} has ${own}`)
  })
  const { train, test } = splitRows(n, options)
  const parts = arrays.flatMap((values) => [takeRows(values, train), takeRows(values, test)])
  if (arrays.length !== 2) return parts
  const [xTrain, xTest, yTrain, yTest] = parts
  return Object.defineProperties(
    parts,
    Object.fromEntries(Object.entries({ xTrain, xTest, yTrain, yTest }).map(([name, value]) => [name, { value, enumerable: false }])),
  )
}

/** The number of rows that a size means; undefined where none is given. */
function rowsOf(name: 'testSize' | 'trainSize', size: number | undefined, n: number, round: (x: number) => number): number | undefined {
  if (size === undefined) return undefined
  if (size > 0 && size < 1) return round(size * n)
  if (Number.isInteger(size) && size >= 1 && size < n) return size
  throw new WeftError('ERR_ARGUMENT', `${NAME}: ${name} is a share below 1 or a number of rows below ${n}, got ${show(size)}`)
}

function sizesOf(n: number, { testSize, trainSize }: TrainTestSplitOptions): { train: number; test: number } {
  const asked = testSize ?? (trainSize === undefined ? 0.25 : undefined)
  const given = { test: rowsOf('testSize', asked, n, Math.ceil), train: rowsOf('trainSize', trainSize, n, Math.floor) }
  const test = given.test ?? n - given.train!
  const train = given.train ?? n - test
  if (train + test > n)
    throw new WeftError('ERR_ARGUMENT', `${NAME}: ${train} rows to train and ${test} to test are more than the ${n} there are`)
  if (train < 1 || test < 1)
    throw new WeftError('ERR_ARGUMENT', `${NAME}: of ${n} rows ${train} would train and ${test} test: a part is empty`, {
      hint: 'Give more rows, or another testSize',
    })
  return { train, test }
}

function splitRows(n: number, options: TrainTestSplitOptions): { train: ArrayLike<number>; test: ArrayLike<number> } {
  const { shuffle = true, stratify, seed } = options
  const { train, test } = sizesOf(n, options)
  if (!shuffle) {
    if (stratify !== undefined)
      throw new WeftError('ERR_ARGUMENT', `${NAME}: stratify needs shuffling`, { hint: 'Leave out shuffle: false' })
    if (seed !== undefined) throw new WeftError('ERR_ARGUMENT', `${NAME}: a seed changes nothing without shuffling`)
    const all = Uint32Array.from({ length: train + test }, (_, i) => i)
    return { train: all.subarray(0, train), test: all.subarray(train) }
  }
  const random = new RandomState(NAME, seed)
  if (stratify !== undefined) return stratified(n, labelsOf(NAME, 'stratify', stratify), train, test, random)
  const order = random.permutation(n)
  return { test: order.subarray(0, test), train: order.subarray(test, test + train) }
}

function stratified(n: number, labels: readonly (number | string)[], train: number, test: number, random: RandomState) {
  if (labels.length !== n) throw new WeftError('ERR_SHAPE', `${NAME}: stratify has ${labels.length} values for ${n} rows`)
  const classes = classesOf(NAME, labels)
  const place = new Map(classes.map((label, i) => [label, i]))
  const rows: number[][] = classes.map(() => [])
  labels.forEach((label, row) => rows[place.get(label)!]!.push(row))
  const few = rows.findIndex((own) => own.length < 2)
  if (few >= 0)
    throw new WeftError('ERR_DATA', `${NAME}: the class ${show(classes[few])} has one sample, which cannot be in both parts`, {
      hint: 'Drop it, join classes, or leave out stratify',
    })
  for (const [name, size] of [
    ['train', train],
    ['test', test],
  ] as const)
    if (size < classes.length)
      throw new WeftError('ERR_ARGUMENT', `${NAME}: ${size} rows to ${name} are fewer than the ${classes.length} classes`)
  const ofTrain = shares(
    rows.map((own) => own.length),
    train,
    random,
  )
  const ofTest = shares(
    rows.map((own, i) => own.length - ofTrain[i]!),
    test,
    random,
  )
  const parts: { train: number[]; test: number[] } = { train: [], test: [] }
  rows.forEach((own, i) => {
    const order = Array.from(random.permutation(own.length), (at) => own[at]!)
    parts.train.push(...order.slice(0, ofTrain[i]!))
    parts.test.push(...order.slice(ofTrain[i]!, ofTrain[i]! + ofTest[i]!))
  })
  const mixed = (list: number[]): number[] => Array.from(random.permutation(list.length), (at) => list[at]!)
  return { train: mixed(parts.train), test: mixed(parts.test) }
}

/** How many of each class a part of `size` takes: the most probable numbers; what is even is drawn. */
function shares(counts: readonly number[], size: number, random: RandomState): number[] {
  const total = counts.reduce((sum, count) => sum + count, 0)
  const exact = counts.map((count) => (count / total) * size)
  const taken = exact.map(Math.floor)
  let left = size - taken.reduce((sum, count) => sum + count, 0)
  const rest = exact.map((share, i) => share - taken[i]!)
  for (const value of [...new Set(rest)].sort((a, b) => b - a)) {
    if (left <= 0) break
    const even = rest.flatMap((own, i): number[] => (own === value ? [i] : []))
    const add = Math.min(even.length, left)
    const order = random.permutation(even.length)
    for (let i = 0; i < add; i++) taken[even[order[i]!]!]!++
    left -= add
  }
  return taken
}
