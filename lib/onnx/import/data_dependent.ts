// Operators whose results have shapes that depend on values: they are computed on the host, from values that are known.
import { sizeOf } from '../../core/spec.js'
import * as ops from '../../ops/index.js'
import { type Call, type OperatorTable } from './operator.js'
import { numbersTensor, Value } from './values.js'

/** Positions of a flat index in a shape. */
function placeOf(index: number, shape: readonly number[]): number[] {
  const place: number[] = []
  for (let axis = shape.length - 1, rest = index; axis >= 0; axis--) {
    place.unshift(rest % shape[axis]!)
    rest = Math.floor(rest / shape[axis]!)
  }
  return place
}

function nonZero(call: Call): Value {
  const { shape } = call.value(0)
  const places = call.numbers(0).flatMap((value, i) => (value !== 0 ? [placeOf(i, shape)] : []))
  const rank = Math.max(shape.length, 1)
  const rows = Array.from({ length: rank }, (_, axis) => places.map((place) => place[axis] ?? 0)).flat()
  return new Value(numbersTensor(rows, [rank, places.length], 'int32'))
}

function compress(call: Call): Value {
  const value = call.value(0)
  const hasAxis = call.attributes.has('axis')
  const x = hasAxis ? value.plain : ops.reshape(value.plain, [-1])
  const axis = hasAxis ? call.axis(call.attributes.int('axis', 0), value.rank) : 0
  const places = call.numbers(1).flatMap((flag, i) => (flag !== 0 && i < x.shape[axis]! ? [i] : []))
  return new Value(ops.gather(x, numbersTensor(places, [places.length], 'int32'), axis), { type: value.type })
}

function unique(call: Call): Value[] {
  const value = call.value(0)
  const hasAxis = call.attributes.has('axis')
  const axis = hasAxis ? call.axis(call.attributes.int('axis', 0), value.rank) : 0
  const shape = hasAxis ? value.shape : [value.size]
  const [outer, n, inner] = [sizeOf(shape.slice(0, axis)), shape[axis]!, sizeOf(shape.slice(axis + 1))]
  const numbers = call.numbers(0)
  const parts = Array.from({ length: n }, (_, i) =>
    Array.from({ length: outer * inner }, (_, j) => numbers[(Math.floor(j / inner) * n + i) * inner + (j % inner)]!),
  )
  const first = new Map<string, number>()
  const inverse = parts.map((part, i) => {
    const key = part.join()
    if (!first.has(key)) first.set(key, i)
    return first.get(key)!
  })
  const chosen = [...first.values()]
  if (call.attributes.int('sorted', 1) !== 0)
    chosen.sort((a, b) => {
      const at = parts[a]!.findIndex((number, i) => number !== parts[b]![i])
      return at < 0 ? 0 : parts[a]![at]! - parts[b]![at]!
    })
  const rank = new Map(chosen.map((index, i) => [index, i]))
  const list = (values: readonly number[]): Value => new Value(numbersTensor(values, [values.length], 'int32'))
  const x = hasAxis ? value.plain : ops.reshape(value.plain, [-1])
  return [
    new Value(ops.gather(x, numbersTensor(chosen, [chosen.length], 'int32'), axis), { type: value.type }),
    list(chosen),
    list(inverse.map((index) => rank.get(index)!)),
    list(chosen.map((index) => inverse.filter((other) => other === index).length)),
  ]
}

interface Box {
  readonly top: number
  readonly left: number
  readonly bottom: number
  readonly right: number
}

function overlap(a: Box, b: Box): number {
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top)
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left)
  if (height <= 0 || width <= 0) return 0
  const area = (box: Box): number => (box.bottom - box.top) * (box.right - box.left)
  const shared = height * width
  return shared / (area(a) + area(b) - shared)
}

/**
 * For each batch and class, boxes by score; each drops those that overlap it too much. Rows are [batch, class, box].
 */
function nonMaxSuppression(call: Call): Value {
  const [batch, count] = call.value(0).shape as [number, number]
  const classes = call.value(1).shape[1]!
  const [corners, scores] = [call.numbers(0), call.numbers(1)]
  const most = call.number(2, 0)
  const [limit, least] = [call.number(3, 0), call.number(4, Number.NEGATIVE_INFINITY)]
  const isCentered = call.attributes.int('center_point_box', 0) !== 0
  const box = (n: number, i: number): Box => {
    const [a, b, c, d] = corners.slice((n * count + i) * 4, (n * count + i) * 4 + 4) as [number, number, number, number]
    if (isCentered) return { left: a - c / 2, right: a + c / 2, top: b - d / 2, bottom: b + d / 2 }
    return { top: Math.min(a, c), bottom: Math.max(a, c), left: Math.min(b, d), right: Math.max(b, d) }
  }
  const rows: number[] = []
  for (let n = 0; n < batch; n++) {
    const boxes = Array.from({ length: count }, (_, i) => box(n, i))
    for (let kind = 0; kind < classes; kind++) {
      const own = scores.slice((n * classes + kind) * count, (n * classes + kind + 1) * count)
      const order = own.flatMap((score, i) => (score > least ? [i] : [])).sort((i, j) => own[j]! - own[i]! || i - j)
      const kept: number[] = []
      for (const i of order) {
        if (kept.length >= most) break
        if (kept.every((j) => overlap(boxes[i]!, boxes[j]!) <= limit)) kept.push(i)
      }
      for (const i of kept) rows.push(n, kind, i)
    }
  }
  return new Value(numbersTensor(rows, [rows.length / 3, 3], 'int32'))
}

/** Counts of n-grams of whole numbers, weighted. */
function tfIdf(call: Call): Value {
  const { attributes } = call
  const value = call.value(0)
  const numbers = call.numbers(0)
  const columns = value.rank === 0 ? 1 : value.shape.at(-1)!
  const rows = value.rank > 1 ? value.shape[0]! : 1
  const pool = attributes.ints('pool_int64s') ?? []
  const starts = attributes.ints('ngram_counts') ?? []
  const indexes = attributes.ints('ngram_indexes') ?? []
  const weights = attributes.floats('weights')
  const [shortest, longest, skips] = [
    attributes.int('min_gram_length', 1),
    attributes.int('max_gram_length', 1),
    attributes.int('max_skip_count', 0),
  ]
  const mode = attributes.string('mode', 'TF')
  const grams = new Map<string, number>()
  let id = 0
  starts.forEach((start, i) => {
    const length = i + 1
    const end = starts[i + 1] ?? pool.length
    for (let at = start; at + length <= end; at += length) {
      const index = id++
      if (length >= shortest && length <= longest) grams.set(pool.slice(at, at + length).join(), index)
    }
  })
  const size = call.host(indexes.reduce((a, b) => Math.max(a, b), -1) + 1, 'columns')
  const result = new Float64Array(rows * size)
  for (let row = 0; row < rows; row++) {
    const own = numbers.slice(row * columns, (row + 1) * columns)
    const count = (length: number, distance: number): void => {
      for (let at = 0; at + (length - 1) * distance < columns; at++) {
        const found = grams.get(Array.from({ length }, (_, j) => own[at + j * distance]).join())
        if (found !== undefined) result[row * size + indexes[found]!]!++
      }
    }
    for (let length = shortest; length <= longest; length++)
      for (let distance = 1; distance <= (length === 1 ? 1 : skips + 1); distance++) count(length, distance)
  }
  const weight = new Map(indexes.map((index, i) => [index, weights?.[i] ?? 1]))
  const values = Array.from(result, (n, i) => {
    const times = mode === 'TF' ? 1 : weight.get(i % size)!
    return (mode === 'IDF' ? Math.min(n, 1) : n) * times
  })
  return new Value(numbersTensor(values, value.rank > 1 ? [rows, size] : [size], 'float32'))
}

export const dataDependentOperators: OperatorTable = {
  NonZero: { since: 9, reads: [0], run: nonZero },
  Compress: { since: 9, reads: [1], run: compress },
  Unique: { since: 11, reads: [0], run: unique },
  NonMaxSuppression: { since: 10, reads: [0, 1, 2, 3, 4], run: nonMaxSuppression },
  TfIdfVectorizer: {
    since: 9,
    reads: [0],
    run: tfIdf,
    refuses: ({ attributes }) => (attributes.has('pool_strings') ? 'n-grams of text have no dtype here' : undefined),
  },
}
