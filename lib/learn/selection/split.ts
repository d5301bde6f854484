// Splits: which rows train and which test. With a seed they are those of scikit-learn 1.2 for the same random_state.
import { integer } from '../../core/checks.js'
import { WeftError } from '../../core/error.js'
import { checkCall, type OptionTable, show } from '../../core/options.js'
import { warnOnce } from '../../core/warnings.js'
import { classesOf, type Label, labelsOf, type Targets } from '../metrics/targets.js'
import { RandomState } from './random.js'
import { type Rowed, rowCount } from './rows.js'

/** Row numbers of one split: { train, test }, which can be taken apart as [train, test] too. */
export type Split = readonly [train: number[], test: number[]] & { readonly train: number[]; readonly test: number[] }

/** @internal */
export function splitOf(train: number[], test: number[]): Split {
  const named = { train: { value: train }, test: { value: test } }
  return Object.defineProperties([train, test], named) as unknown as Split
}

/** Classes, or groups, of the samples. */
export type Groups = Targets

/** Splits for cross-validation. */
export interface Splitter {
  /** The rows of each split. `y` and `groups` are needed where the splitter says so. */
  split(x: Rowed, y?: Groups, groups?: Groups): Split[]
  /** The number of splits. */
  readonly nSplits: number
}

export interface KFoldOptions {
  /** Default 5. */
  nSplits?: number
  /** Shuffles the rows (of each class) first. Default false: parts of neighbouring rows. */
  shuffle?: boolean
  /** 0 to 2^32 - 1, with shuffle. Default: a new one, reproducible by setSeed(). */
  seed?: number
}
const KFOLD: OptionTable<KFoldOptions> = { nSplits: 'integer', shuffle: 'boolean', seed: 'integer' }

function foldsOf(what: string, { nSplits = 5, shuffle = false, seed }: KFoldOptions): { nSplits: number; random: RandomState | undefined } {
  integer(what, 'nSplits', nSplits, 2)
  if (!shuffle && seed !== undefined)
    throw new WeftError('ERR_ARGUMENT', `${what}: a seed changes nothing without shuffling`, { hint: 'Write { shuffle: true, seed }' })
  return { nSplits, random: shuffle ? new RandomState(what, seed) : undefined }
}

function enough(what: string, nSplits: number, n: number, of: string): void {
  if (nSplits > n)
    throw new WeftError('ERR_ARGUMENT', `${what}: ${nSplits} folds of ${n} ${of}: some would be empty`, {
      hint: `Write { nSplits: ${Math.max(2, n)} }`,
    })
}

/** The rest of n rows as training rows, in order. */
function complement(n: number, test: Iterable<number>): Split {
  const inTest = new Uint8Array(n)
  for (const row of test) inTest[row] = 1
  const split = splitOf([], [])
  for (let row = 0; row < n; row++) (inTest[row] ? split.test : split.train).push(row)
  return split
}

/** Rows in nSplits parts of nearly one size; each is the test part once. */
export function kFold(options: KFoldOptions = {}): Splitter {
  checkCall('kFold(options)', arguments, KFOLD)
  const { nSplits } = foldsOf('kFold', options)
  return {
    nSplits,
    split(x) {
      const { random } = foldsOf('kFold', options)
      const n = rowCount('kFold', x)
      enough('kFold', nSplits, n, 'rows')
      const order = random ? random.permutation(n) : Uint32Array.from({ length: n }, (_, i) => i)
      let begin = 0
      return Array.from({ length: nSplits }, (_, fold) => {
        const end = begin + Math.floor(n / nSplits) + (fold < n % nSplits ? 1 : 0)
        const split = complement(n, order.subarray(begin, end))
        begin = end
        return split
      })
    },
  }
}

const needs = (what: string, name: 'y' | 'groups', given: unknown): void => {
  if (given === undefined)
    throw new WeftError('ERR_ARGUMENT', `${what}: ${name} is missing`, {
      hint: name === 'y' ? 'Write split(x, y)' : 'Write split(x, y, groups)',
    })
}

function sameRows(what: string, name: string, x: Rowed, labels: readonly Label[]): number {
  const n = rowCount(what, x)
  if (n !== labels.length) throw new WeftError('ERR_SHAPE', `${what}: x has ${n} rows, ${name} has ${labels.length}`)
  return n
}

/** Places of the labels among `distinct`. */
function codesOf(labels: readonly Label[], distinct: readonly Label[]): Uint32Array {
  const place = new Map(distinct.map((label, i) => [label, i]))
  return Uint32Array.from(labels, (label) => place.get(label)!)
}

/** As kFold, with the shares of the classes in each part as in the whole. */
export function stratifiedKFold(options: KFoldOptions = {}): Splitter {
  const what = 'stratifiedKFold'
  checkCall('stratifiedKFold(options)', arguments, KFOLD)
  const { nSplits } = foldsOf(what, options)
  return {
    nSplits,
    split(x, y) {
      needs(what, 'y', y)
      const { random } = foldsOf(what, options)
      const labels = labelsOf(what, 'y', y)
      const n = sameRows(what, 'y', x, labels)
      classesOf(what, labels)
      // classes by their first row, as the rows are dealt out in turn
      const distinct = [...new Set(labels)]
      const codes = codesOf(labels, distinct)
      const sizes = distinct.map(() => 0)
      for (const code of codes) sizes[code]!++
      const [least, most] = [Math.min(...sizes), Math.max(...sizes)]
      enough(what, nSplits, most, 'samples of the largest class')
      if (nSplits > least)
        warnOnce('WEFT_SPLIT', `${what}: the class ${show(distinct[sizes.indexOf(least)])} has ${least} samples for ${nSplits} folds`, what)
      // sorted codes dealt out in turn: how many of each class each fold tests
      const shares = Array.from({ length: nSplits }, () => distinct.map(() => 0))
      const sorted = codes.slice().sort()
      sorted.forEach((code, i) => shares[i % nSplits]![code]!++)
      const foldOf = new Uint32Array(n)
      distinct.forEach((_, code) => {
        const folds = shares.flatMap((share, fold) => new Array<number>(share[code]!).fill(fold))
        random?.shuffle(folds)
        let at = 0
        codes.forEach((own, row) => {
          if (own === code) foldOf[row] = folds[at++]!
        })
      })
      return shares.map((_, fold) => complement(n, rowsWhere(foldOf, fold)))
    },
  }
}

const rowsWhere = (codes: Uint32Array, value: number): number[] => {
  const rows: number[] = []
  codes.forEach((code, row) => {
    if (code === value) rows.push(row)
  })
  return rows
}

export interface GroupKFoldOptions {
  /** Default 5. */
  nSplits?: number
}

/**
 * Folds that keep the samples of a group together: no group both trains and tests. The largest groups are dealt first.
 */
export function groupKFold(options: GroupKFoldOptions = {}): Splitter {
  const what = 'groupKFold'
  checkCall('groupKFold(options)', arguments, { nSplits: 'integer' } satisfies OptionTable<GroupKFoldOptions>)
  const { nSplits } = foldsOf(what, options)
  return {
    nSplits,
    split(x, _y, groups) {
      needs(what, 'groups', groups)
      const labels = labelsOf(what, 'groups', groups)
      const n = sameRows(what, 'groups', x, labels)
      const distinct = classesOf(what, labels)
      enough(what, nSplits, distinct.length, 'groups')
      const codes = codesOf(labels, distinct)
      const sizes = distinct.map(() => 0)
      for (const code of codes) sizes[code]!++
      // from the largest on; of equal ones the last first
      const order = distinct.map((_, i) => i).sort((a, b) => sizes[b]! - sizes[a]! || b - a)
      const loads = new Array<number>(nSplits).fill(0)
      const foldOf = distinct.map(() => 0)
      for (const group of order) {
        const lightest = loads.indexOf(Math.min(...loads))
        loads[lightest]! += sizes[group]!
        foldOf[group] = lightest
      }
      const rows = codes.map((group) => foldOf[group]!)
      return loads.map((_, fold) => complement(n, rowsWhere(rows, fold)))
    },
  }
}

export interface TimeSeriesSplitOptions {
  /** Default 5. */
  nSplits?: number
  /** The most rows of a training part: the latest ones. Default: all before the test part. */
  maxTrainSize?: number
  /** Rows of a test part. Default: rows / (nSplits + 1). */
  testSize?: number
  /** Rows left out between training and test part. Default 0. */
  gap?: number
}

/** Test parts one after another in time; each is trained for by rows before it alone. */
export function timeSeriesSplit(options: TimeSeriesSplitOptions = {}): Splitter {
  const what = 'timeSeriesSplit'
  const table: OptionTable<TimeSeriesSplitOptions> = { nSplits: 'integer', maxTrainSize: 'integer', testSize: 'integer', gap: 'integer' }
  checkCall('timeSeriesSplit(options)', arguments, table)
  const { nSplits } = foldsOf(what, options.nSplits === undefined ? {} : { nSplits: options.nSplits })
  const gap = integer(what, 'gap', options.gap ?? 0, 0)
  const most = options.maxTrainSize === undefined ? Number.POSITIVE_INFINITY : integer(what, 'maxTrainSize', options.maxTrainSize, 1)
  if (options.testSize !== undefined) integer(what, 'testSize', options.testSize, 1)
  return {
    nSplits,
    split(x) {
      const n = rowCount(what, x)
      const size = options.testSize ?? Math.floor(n / (nSplits + 1))
      if (size < 1 || n - gap - size * nSplits <= 0)
        throw new WeftError(
          'ERR_ARGUMENT',
          `${what}: ${n} rows are too few for ${nSplits} test parts of ${size} rows and a gap of ${gap}`,
          {
            hint: 'Use fewer splits, or a smaller testSize',
          },
        )
      return Array.from({ length: nSplits }, (_, i) => {
        const begin = n - (nSplits - i) * size
        const end = begin - gap
        const from = Math.max(0, end - most)
        return splitOf(range(from, end), range(begin, begin + size))
      })
    },
  }
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)
