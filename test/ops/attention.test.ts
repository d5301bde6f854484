// Rows of attention: masks, causality, grouped queries, dropout; and what must hold exactly.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { cast, dropout, grad, jit, ones, scaledDotProductAttention, type Tensor, tensor } from '../../lib/index.js'
import { checkRows, isProgram, type Operand, type Row } from '../check.js'
import { generator } from '../expect.js'
import { at, generate, type Values } from '../reference.js'

interface Shape {
  b: number
  tq: number
  tk: number
  h: number
  hk?: number
  d: number
  dv?: number
}
interface Options {
  causal?: boolean
  offset?: number
  scale?: number
  /** Whether query i of a head may look at key j. */
  mask?: (b: number, h: number, i: number, j: number) => boolean
  /** What a weight is multiplied with by dropout, in row-major order of [b, h, tq, tk]. */
  keep?: ArrayLike<number>
}

/** softmax(scale·q·kᵀ)·v one number after the other. */
function attention(q: Values, k: Values, v: Values, { causal, offset = 0, scale, mask, keep }: Options = {}): Values {
  const [b, tq, h, d] = q.shape as [number, number, number, number]
  const [, tk, hk, dv] = v.shape as [number, number, number, number]
  const factor = scale ?? 1 / Math.sqrt(d)
  const rows = new Map<string, number[]>()
  const weights = (n: number, i: number, head: number): number[] => {
    const key = `${n},${i},${head}`
    const known = rows.get(key)
    if (known) return known
    const other = Math.floor((head * hk) / h)
    const scores = Array.from({ length: tk }, (_, j) => {
      if ((causal && j > i + offset) || (mask && !mask(n, head, i, j))) return -Infinity
      let dot = 0
      for (let x = 0; x < d; x++) dot += at(q, [n, i, head, x]) * at(k, [n, j, other, x])
      return factor * dot
    })
    const most = Math.max(...scores)
    const terms = scores.map((s) => (most === -Infinity ? 0 : Math.exp(s - most)))
    const total = terms.reduce((x, y) => x + y, 0)
    const row = terms.map((e, j) => (total === 0 ? 0 : e / total) * (keep ? keep[((n * h + head) * tq + i) * tk + j]! : 1))
    rows.set(key, row)
    return row
  }
  return generate([b, tq, h, dv], ([n, i, head, x]) =>
    weights(n!, i!, head!).reduce((sum, p, j) => sum + (p === 0 ? 0 : p * at(v, [n!, j, Math.floor((head! * hk) / h), x!])), 0),
  )
}

const operandsOf = ({ b, tq, tk, h, hk = h, d, dv = d }: Shape): Operand[] => [
  { shape: [b, tq, h, d] },
  { shape: [b, tk, hk, d] },
  { shape: [b, tk, hk, dv] },
]
const bool = (shape: readonly number[], value: (position: number[]) => boolean): Operand => ({
  shape,
  values: generate(shape, (position) => Number(value(position))).data,
  dtype: 'bool',
})
const int32 = (values: readonly number[]): Operand => ({ shape: [values.length], values, dtype: 'int32' })

const plain = (name: string, shape: Shape, options: Options = {}): Row => ({
  op: 'attention',
  name,
  operands: operandsOf(shape),
  run: (q, k, v) => scaledDotProductAttention(q!, k!, v!, options as { causal?: boolean; offset?: number; scale?: number }),
  reference: (q, k, v) => attention(q!, k!, v!, options),
  roundings: 16,
})

/** A mask of the given extents, true where `may` of its own position says so. */
const masked = (name: string, shape: Shape, extents: readonly number[], may: (position: number[]) => boolean, causal = false): Row => ({
  op: 'attention',
  name,
  operands: [...operandsOf(shape), bool(extents, may)],
  run: (q, k, v, mask) => scaledDotProductAttention(q!, k!, v!, { mask: mask!, causal }),
  reference: (q, k, v, mask) => {
    const wide = mask!.shape.length === 2 ? { shape: [mask!.shape[0]!, 1, 1, mask!.shape[1]!], data: mask!.data } : mask!
    const look = (...position: number[]): boolean =>
      at(
        wide,
        position.map((i, axis) => (wide.shape[axis] === 1 ? 0 : i)),
      ) !== 0
    return attention(q!, k!, v!, { causal, mask: look })
  },
  roundings: 16,
})

const positioned = (name: string, shape: Shape, offset: number): Row => ({
  op: 'attention',
  name,
  operands: [...operandsOf(shape), int32([offset])],
  run: (q, k, v, start) => scaledDotProductAttention(q!, k!, v!, { causal: true, offset: start! }),
  reference: (q, k, v) => attention(q!, k!, v!, { causal: true, offset }),
  roundings: 16,
})

const STATE = [5, 3, 2] as const
const RATE = 0.3
/** The factors by which `dropout` itself multiplies n numbers. */
const keeps = async (n: number): Promise<number[]> => {
  const drawn = (await dropout(ones([n]), RATE, { state: tensor(new Int32Array(STATE)) }).data()) as Float32Array
  return Array.from(drawn, (x) => (x === 0 ? 0 : 1 / (1 - RATE)))
}

const dropped = async (name: string, shape: Shape, causal: boolean): Promise<Row> => {
  const keep = await keeps(shape.b * shape.h * shape.tq * shape.tk)
  return {
    op: 'attention',
    name,
    operands: [...operandsOf(shape), int32(STATE)],
    run: (q, k, v, state) => scaledDotProductAttention(q!, k!, v!, { causal, dropout: { rate: RATE, state: state! } }),
    reference: (q, k, v) => attention(q!, k!, v!, { causal, keep }),
    roundings: 16,
  }
}

const SMALL: Shape = { b: 1, tq: 3, tk: 4, h: 2, d: 2 }

export const rows: readonly Row[] = checkRows(import.meta.url, [
  plain('of one query and key', { b: 1, tq: 1, tk: 1, h: 1, d: 1 }),
  {
    // its score and its sum of exponentials are both 1
    ...plain('of one key with the score 1', { b: 1, tq: 1, tk: 1, h: 1, d: 1 }),
    operands: [1, 1, 3].map((value) => ({ shape: [1, 1, 1, 1], values: [value] })),
  },
  plain('of two heads', { b: 2, tq: 3, tk: 3, h: 2, d: 2 }),
  plain('with values of another width', { b: 1, tq: 2, tk: 5, h: 2, d: 3, dv: 1 }),
  plain('with a scale', SMALL, { scale: 2 }),
  plain('causal', { b: 1, tq: 4, tk: 4, h: 2, d: 2 }, { causal: true }),
  plain('causal, fewer queries than keys, later', { b: 1, tq: 2, tk: 5, h: 1, d: 3 }, { causal: true, offset: 3 }),
  plain('causal, a negative offset leaves queries nothing', { b: 1, tq: 4, tk: 2, h: 1, d: 3 }, { causal: true, offset: -2 }),
  positioned('causal, offset in a tensor', { b: 1, tq: 2, tk: 4, h: 2, d: 2 }, 1),
  positioned('causal, one query in a cache', { b: 2, tq: 1, tk: 7, h: 1, d: 2 }, 3),
  plain('of grouped queries', { b: 1, tq: 3, tk: 3, h: 4, hk: 2, d: 2 }),
  plain('of grouped queries with one head of keys, causal', { b: 1, tq: 3, tk: 3, h: 3, hk: 1, d: 2 }, { causal: true }),
  masked('with a mask of keys', { b: 2, tq: 2, tk: 3, h: 2, d: 2 }, [2, 3], ([b, j]) => j! <= b! + 1),
  masked('with a mask of all extents, causal', SMALL, [1, 2, 3, 4], ([, h, i, j]) => (h! + i! + j!) % 3 !== 0, true),
  masked('with a mask of queries and keys', SMALL, [1, 1, 3, 4], ([, , i, j]) => i !== j),
  masked('with a mask of heads', SMALL, [1, 2, 1, 4], ([, h, , j]) => h !== j),
  masked('with a query that may look at nothing', SMALL, [1, 1, 3, 4], ([, , i]) => i !== 1),
  masked('with a batch that may look at nothing', { b: 2, tq: 2, tk: 2, h: 1, d: 2 }, [2, 2], ([b]) => b === 1),
  await dropped('with dropout', SMALL, false),
  await dropped('with dropout, causal', { b: 2, tq: 3, tk: 3, h: 1, d: 2 }, true),
  plain('over no keys', { b: 1, tq: 2, tk: 0, h: 2, d: 2 }),
  plain('of no queries', { b: 1, tq: 0, tk: 2, h: 2, d: 2 }),
  plain('of no batch', { b: 0, tq: 2, tk: 2, h: 2, d: 2 }),
  // extents around those that blocks are made of
  plain('of 37 queries and 53 keys', { b: 2, tq: 37, tk: 53, h: 3, d: 19, dv: 21 }),
  plain('of 3 queries and 53 keys', { b: 2, tq: 3, tk: 53, h: 4, hk: 2, d: 37, dv: 21 }),
  plain('of 130 queries and keys, causal', { b: 1, tq: 130, tk: 130, h: 2, d: 32 }, { causal: true }),
  plain('of 17 queries and 300 keys, causal, later', { b: 1, tq: 17, tk: 300, h: 2, d: 16 }, { causal: true, offset: 270 }),
  plain('of one query and 700 keys', { b: 2, tq: 1, tk: 700, h: 2, hk: 1, d: 33 }),
  masked(
    'of 70 queries and 90 keys with a mask',
    { b: 2, tq: 70, tk: 90, h: 2, d: 8 },
    [2, 1, 70, 90],
    ([b, , i, j]) => (b! + i! * j!) % 7 < 3,
  ),
  await dropped('of 40 queries and 50 keys with dropout', { b: 1, tq: 40, tk: 50, h: 2, d: 8 }, false),
])

if (isProgram(import.meta.url)) {
  const drawn = (shape: readonly number[], seed: number): Tensor => {
    const next = generator(seed)
    return tensor(
      Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 2 * next() - 1),
      { shape },
    )
  }
  const operands = ({ b, tq, tk, h, hk = h, d, dv = d }: Shape): [Tensor, Tensor, Tensor] => [
    drawn([b, tq, h, d], 1),
    drawn([b, tk, hk, d], 2),
    drawn([b, tk, hk, dv], 3),
  ]
  const LARGE: Shape = { b: 2, tq: 45, tk: 45, h: 4, hk: 2, d: 24 }

  test('gradients of larger extents are those of float64', async () => {
    const next = generator(4)
    const looks = Array.from({ length: 2 * 45 * 45 }, (_, i) => i >= 45 && next() < 0.7) // the first query of batch 0 looks at nothing
    const cases = [{}, { causal: true }, { masked: true }, { masked: true, causal: true, rate: RATE }]
    for (const { masked: withMask = false, causal = false, rate = 0 } of cases) {
      const loss = (q: Tensor, k: Tensor, v: Tensor): Tensor => {
        const y = scaledDotProductAttention(q, k, v, {
          causal,
          ...(withMask ? { mask: tensor(looks, { shape: [2, 1, 45, 45], device: q.device }) } : {}),
          ...(rate > 0 ? { dropout: { rate, state: tensor(new Int32Array(STATE), { device: q.device }) } } : {}),
        })
        return y.mul(y).mul(y.add(1)).sum()
      }
      const given = operands(LARGE)
      const run = grad(loss, { wrt: [0, 1, 2] })
      const narrow = run(...given)
      const wide = run(...(given.map((t) => cast(t.to('cpu'), 'float64')) as [Tensor, Tensor, Tensor]))
      for (const [i, t] of narrow.entries()) {
        const [actual, expected] = [(await t.data()) as Float32Array, (await wide[i]!.data()) as Float64Array]
        const scale = expected.reduce((m, x) => Math.max(m, Math.abs(x)), 0)
        actual.forEach((x, j) => {
          if (!(Math.abs(x - expected[j]!) <= 4e-6 * scale)) assert.unreachable(`gradient ${i}, value ${j}: ${x}, ${expected[j]}`)
        })
      }
    }
  })

  test('nothing flows from a query to later keys, nor from one that may look at nothing', async () => {
    const [q, k, v] = operands(LARGE)
    const seen = 20
    const loss = (a: Tensor, b: Tensor, c: Tensor): Tensor =>
      scaledDotProductAttention(a, b, c, { causal: true }).slice([0, 0], [2, seen]).square().sum()
    for (const t of grad(loss, { wrt: [0, 1, 2] })(q, k, v)) {
      const later = (await t.slice([0, seen]).data()) as Float32Array
      assert.ok(later.every((x) => x === 0))
      assert.ok(((await t.slice([0, 0], [2, 1]).data()) as Float32Array).some((x) => x !== 0) || t.shape[2] === 4)
    }
    const blind = { mask: tensor(new Array<boolean>(90).fill(false), { shape: [2, 45] }) }
    const none = grad((a: Tensor, b: Tensor, c: Tensor) => scaledDotProductAttention(a, b, c, blind).add(1).square().sum(), {
      wrt: [0, 1, 2],
    })
    for (const t of [scaledDotProductAttention(q, k, v, blind), ...none(q, k, v)])
      assert.ok(((await t.data()) as Float32Array).every((x) => x === 0))
  })

  test('a result does not depend on the rest of the batch', async () => {
    const [q, k, v] = operands({ ...LARGE, b: 3 })
    const all = (await scaledDotProductAttention(q, k, v, { causal: true }).slice([1], [1]).data()) as Float32Array
    const [one, two, three] = [q, k, v].map((t) => t.slice([1], [1])) as [Tensor, Tensor, Tensor]
    assert.equal(await scaledDotProductAttention(one, two, three, { causal: true }).data(), all)
  })

  test('a query in a cache is answered as among all queries', async () => {
    const [q, k, v] = operands({ b: 2, tq: 40, tk: 40, h: 2, d: 16 })
    const all = scaledDotProductAttention(q, k, v, { causal: true })
    const step = jit((x: Tensor, keys: Tensor, values: Tensor, offset: Tensor) =>
      scaledDotProductAttention(x, keys, values, { causal: true, offset }),
    )
    for (const i of [0, 1, 15, 39]) {
      const y = step(q.slice([0, i], [2, 1]), k, v, tensor(new Int32Array([i])))
      const [actual, expected] = [(await y.data()) as Float32Array, (await all.slice([0, i], [2, 1]).data()) as Float32Array]
      actual.forEach((x, j) => assert.ok(Math.abs(x - expected[j]!) <= 1e-6, `position ${i}: ${x}, ${expected[j]}`))
    }
  })

  test('dropout draws new weights at each call, the same with a seed', async () => {
    const [q, k, v] = operands(LARGE)
    const draw = (seed?: number): Promise<unknown> =>
      scaledDotProductAttention(q, k, v, { dropout: { rate: 0.5, ...(seed === undefined ? {} : { seed }) } }).data()
    assert.equal(await draw(7), await draw(7))
    assert.not.equal(await draw(), await draw())
    const none = (await scaledDotProductAttention(q, k, v, { dropout: { rate: 1 } }).data()) as Float32Array
    assert.ok(none.every((x) => x === 0))
  })

  test('mistakes are named', () => {
    const [q, k, v] = operands(SMALL)
    const code = (run: () => unknown, expected: string): void => {
      assert.throws(run, (error: { code: string }) => error.code === expected)
    }
    const mask = (shape: readonly number[]): Tensor => cast(ones(shape), 'bool')
    code(() => scaledDotProductAttention(q.reshape([3, 2, 2]), k, v), 'ERR_SHAPE')
    code(() => scaledDotProductAttention(q, k, v.slice([0, 1])), 'ERR_SHAPE')
    code(() => scaledDotProductAttention(q, drawn([1, 4, 3, 2], 1), drawn([1, 4, 3, 2], 1)), 'ERR_SHAPE')
    code(() => scaledDotProductAttention(q, k, v, { mask: mask([1, 3]) }), 'ERR_SHAPE')
    code(() => scaledDotProductAttention(q, k, v, { mask: mask([1, 1, 1, 1]) }), 'ERR_SHAPE')
    code(() => scaledDotProductAttention(q, k, v, { mask: ones([1, 4]) }), 'ERR_DTYPE')
    code(() => scaledDotProductAttention(q, k, v, { offset: 2 }), 'ERR_ARGUMENT')
    code(() => scaledDotProductAttention(q, k, v, { causal: true, offset: 0.5 }), 'ERR_ARGUMENT')
    code(() => scaledDotProductAttention(q, k, v, { dropout: { rate: 2 } }), 'ERR_ARGUMENT')
    code(() => scaledDotProductAttention(q, k, v, { scale: Number.NaN }), 'ERR_ARGUMENT')
    code(() => scaledDotProductAttention(q, k, v, { casual: true } as object), 'ERR_ARGUMENT')
    code(() => scaledDotProductAttention(q, cast(k, 'float16'), v), 'ERR_DTYPE')
  })

  test.run()
}
