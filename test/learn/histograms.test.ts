// Histograms of boosting: counts, what is left of a parent, and the best split, against sums that are written out.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { native } from '../../lib/core/addon.js'
import { guard } from '../../lib/core/error.js'
import { bin } from '../../lib/learn/boosting/bins.js'
import { Histograms, type Sums } from '../../lib/learn/boosting/histograms.js'
import { Random } from '../../lib/learn/random.js'
import { throws } from '../expect.js'

const ROWS = 300
const COLUMNS = 7
const random = new Random(1)
/** Columns of few values, of many, of one, mostly 0; some with gaps. */
const data = Float64Array.from({ length: ROWS * COLUMNS }, (_, i) => {
  const column = i % COLUMNS
  if (column % 3 === 1 && random.uniform() < 0.1) return Number.NaN
  if (column === 0) return 5
  if (column === 2) return random.uniform() < 0.8 ? 0 : random.integer(4)
  return column < 5 ? random.integer(3) : random.normal()
})
const slopes = Float64Array.from({ length: ROWS }, () => random.normal())
const curves = Float64Array.from({ length: ROWS }, () => 0.1 + random.uniform())
const order = random.shuffle(Int32Array.from({ length: ROWS }, (_, row) => row))
const binned = bin({ data, rows: ROWS, columns: COLUMNS }, 40)

const sumsOf = (begin: number, end: number): Sums => {
  let [gradient, hessian] = [0, 0]
  for (const row of order.subarray(begin, end)) {
    gradient += slopes[row]!
    hessian += curves[row]!
  }
  return { begin, end, gradient, hessian, histogram: undefined, split: undefined }
}

/** The gain of the best split of rows, tried threshold by threshold on the values themselves. */
function bestGain(begin: number, end: number, least: number, l2: number): number {
  const rows = [...order.subarray(begin, end)]
  const worth = (part: number[]): number => {
    const g = part.reduce((sum, row) => sum + slopes[row]!, 0)
    return (g * g) / (part.reduce((sum, row) => sum + curves[row]!, 0) + l2)
  }
  let best = 0
  for (let c = 0; c < COLUMNS; c++)
    for (const threshold of [...binned.thresholds[c]!, Number.POSITIVE_INFINITY])
      for (const missingLeft of [false, true]) {
        const goesLeft = (row: number): boolean => {
          const value = data[row * COLUMNS + c]!
          return Number.isNaN(value) ? missingLeft : value <= threshold
        }
        const [left, right] = [rows.filter(goesLeft), rows.filter((row) => !goesLeft(row))]
        if (left.length >= least && right.length >= least) best = Math.max(best, worth(left) + worth(right) - worth(rows))
      }
  return best
}

test('the best splits of a node, and of the rest of its parent', () => {
  for (const [least, l2] of [
    [1, 0],
    [20, 0],
    [5, 3],
  ] as const) {
    const histograms = new Histograms(binned, least, l2)
    const root = sumsOf(0, ROWS)
    histograms.fill(root, undefined, undefined, order, slopes, curves)
    assert.ok(Math.abs(root.split!.gain - bestGain(0, ROWS, least, l2)) < 1e-9)
    const left = histograms.leftOf(root.histogram!, root.split!)
    assert.ok(Number.isFinite(left.gradient) && left.hessian > 0)
    const [node, rest] = [sumsOf(0, 110), sumsOf(110, ROWS)]
    histograms.fill(node, rest, root.histogram, order, slopes, curves)
    assert.ok(Math.abs(node.split!.gain - bestGain(0, 110, least, l2)) < 1e-9)
    assert.ok(Math.abs(rest.split!.gain - bestGain(110, ROWS, least, l2)) < 1e-9)
  }
})

test('histograms are sums of rows, and those of parts add up', () => {
  const histograms = new Histograms(binned, 1, 0)
  const [whole, part, again] = [sumsOf(0, ROWS), sumsOf(0, 90), sumsOf(90, ROWS)]
  histograms.fill(whole, undefined, undefined, order, slopes, curves)
  const parent = whole.histogram!.slice()
  histograms.fill(part, undefined, undefined, order, slopes, curves)
  histograms.fill(again, undefined, undefined, order, slopes, curves)
  let counted = 0
  for (let i = 0; i < parent.length; i++) assert.ok(Math.abs(parent[i]! - part.histogram![i]! - again.histogram![i]!) < 1e-9)
  for (let i = 2; i < parent.length; i += 3) counted += parent[i]!
  // features come in fours: the eighth has all rows in one bin
  assert.is(counted, ROWS * 8)
})

test('arrays that do not fit together', () => {
  const facts = { words: new Int32Array(4), common: new Int32Array(1), begins: Int32Array.of(0, 6, 12, 18, 24), missing: new Uint8Array(1) }
  const call = (rows: Int32Array, change: object = {}, histogram = new Float64Array(24)): unknown =>
    guard(() =>
      native.fillHistogram({ ...facts, ...change }, rows, new Float64Array(8), histogram, null, new Float64Array(8), new Float64Array(8)),
    )
  call(Int32Array.of(0, 3))
  const misfit = /do not fit together/
  throws('ERR_ARGUMENT', misfit, () => call(Int32Array.of(4)))
  throws('ERR_ARGUMENT', misfit, () => call(Int32Array.of(-1)))
  throws('ERR_ARGUMENT', misfit, () => call(new Int32Array(5)))
  throws('ERR_ARGUMENT', misfit, () => call(Int32Array.of(0), { begins: Int32Array.of(0, 3, 12, 18, 24) }))
  throws('ERR_ARGUMENT', misfit, () => call(Int32Array.of(0), { missing: new Uint8Array(5) }))
  throws('ERR_ARGUMENT', misfit, () => call(Int32Array.of(0), {}, new Float64Array(23)))
  throws('ERR_ARGUMENT', /another type/, () => call(Int32Array.of(0), { words: new Float64Array(4) }))
})
test.run()
