// Tests of random numbers: the generator bit by bit against its definition, distributions, seeds and replays.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  bernoulli,
  dropout,
  grad,
  jit,
  randomInteger,
  randomNormal,
  randomUniform,
  type Tensor,
  tensor,
  truncatedNormal,
} from '../../lib/index.js'
import { advance, nextSeed, randomState, setSeed } from '../../lib/core/random.js'
import { checkRows, isProgram, type Row } from '../check.js'
import { generate, values } from '../reference.js'

const STATE = [123456789, 7, 42] as const

/** Philox4x32-10 (Salmon et al. 2011). */
function philox(counter: readonly number[], key: readonly number[]): number[] {
  const words = (x: bigint): [number, number] => [Number(x >> 32n), Number(x & 0xffffffffn)]
  let [c0, c1, c2, c3] = counter as [number, number, number, number]
  let [k0, k1] = key as [number, number]
  for (let round = 0; round < 10; round++) {
    const [high0, low0] = words(BigInt(c0) * 0xd2511f53n)
    const [high1, low1] = words(BigInt(c2) * 0xcd9e8d57n)
    ;[c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1, (high0 ^ c3 ^ k1) >>> 0, low0]
    k0 = (k0 + 0x9e3779b9) >>> 0
    k1 = (k1 + 0xbb67ae85) >>> 0
  }
  return [c0, c1, c2, c3]
}

const word = (i: number, attempt = 0): number => philox([i >>> 2, 0, STATE[2], attempt], [STATE[0], STATE[1]])[i & 3]!
const uniform = (i: number, attempt = 0): number => (word(i, attempt) >>> 8) * 2 ** -24

function normalAt(i: number, attempt = 0): number {
  const first = i - (i % 2)
  const radius = Math.sqrt(-2 * Math.log(1 - uniform(first, attempt)))
  const angle = 2 * Math.PI * uniform(first + 1, attempt)
  return radius * (i % 2 === 0 ? Math.cos(angle) : Math.sin(angle))
}

function truncatedAt(i: number): number {
  for (let attempt = 0; ; attempt++) {
    const value = normalAt(i, attempt)
    if (Math.abs(value) <= 2) return value
  }
}

const SHAPES: readonly (readonly number[])[] = [[], [1], [3, 7], [0, 2], [1000]]
const state = (): Tensor => tensor(Int32Array.from(STATE))

const drawn = (
  op: string,
  run: (shape: readonly number[]) => Tensor,
  at: (i: number) => number,
  dtype: NonNullable<Row['dtypes']>[number] = 'float32',
): Row[] =>
  SHAPES.map((shape) => {
    let i = 0
    return {
      op,
      name: `[${shape}] of ${dtype}`,
      operands: [],
      run: () => run(shape),
      reference: () => {
        i = 0
        return generate(shape, () => at(i++))
      },
      dtypes: [dtype],
      roundings: 8,
    }
  })

const RATE = 0.3
const dropped = (shape: readonly number[]): Row => ({
  op: 'dropout',
  name: `[${shape}]`,
  operands: [{ shape }],
  run: (x) => dropout(x!, RATE, { state: state() }),
  reference: (x) =>
    values(
      shape,
      x!.data.map((v, i) => (uniform(i) >= RATE ? v / (1 - RATE) : 0)),
    ),
})

export const rows: readonly Row[] = checkRows(import.meta.url, [
  ...drawn('randomUniform', (shape) => randomUniform(shape, { state: state() }), uniform),
  ...drawn(
    'randomUniform',
    (shape) => randomUniform(shape, { low: -3, high: 5, state: state(), dtype: 'float64' }),
    (i) => -3 + 8 * uniform(i),
    'float64',
  ),
  ...drawn('randomNormal', (shape) => randomNormal(shape, { state: state() }), normalAt),
  ...drawn(
    'randomNormal',
    (shape) => randomNormal(shape, { mean: 2, deviation: 3, state: state(), dtype: 'bfloat16' }),
    (i) => 2 + 3 * normalAt(i),
    'bfloat16',
  ),
  ...drawn('truncatedNormal', (shape) => truncatedNormal(shape, { state: state() }), truncatedAt),
  ...drawn(
    'bernoulli',
    (shape) => bernoulli(shape, 0.25, { state: state() }),
    (i) => Number(uniform(i) < 0.25),
    'bool',
  ),
  ...drawn(
    'randomInteger',
    (shape) => randomInteger(shape, -5, 12, { state: state() }),
    (i) => -5 + Math.floor((word(i) * 17) / 2 ** 32),
    'int32',
  ),
  ...SHAPES.map(dropped),
])

async function mean(t: Tensor): Promise<number> {
  const data = (await t.cast('float32').data()) as Float32Array
  return data.reduce((a, b) => a + b, 0) / data.length
}

if (isProgram(import.meta.url)) {
  const test = suite()
  test('Philox gives the published numbers', () => {
    assert.equal(philox([0, 0, 0, 0], [0, 0]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8])
  })
  test('randomInteger: in range, every value, none favoured', async () => {
    const data = (await randomInteger([6000], -2, 4, { seed: 1 }).data()) as Int32Array
    const counts = new Map<number, number>()
    for (const v of data) counts.set(v, (counts.get(v) ?? 0) + 1)
    assert.equal(
      [...counts.keys()].sort((a, b) => a - b),
      [-2, -1, 0, 1, 2, 3],
    )
    for (const count of counts.values()) assert.ok(Math.abs(count - 1000) < 150, `count ${count}`)
    assert.is((await randomInteger([0], 0, 3).data()).length, 0)
  })
  test('means and deviations', async () => {
    assert.ok(Math.abs((await mean(randomUniform([40000], { seed: 2 }))) - 0.5) < 0.01)
    assert.ok(Math.abs((await mean(randomNormal([40000], { seed: 3, mean: 1 }))) - 1) < 0.02)
    assert.ok(Math.abs((await mean(randomNormal([40000], { seed: 3 }).square())) - 1) < 0.03)
    // of a normal cut at two deviations
    assert.ok(Math.abs((await mean(truncatedNormal([40000], { seed: 4 }).square())) - 0.7737) < 0.03)
    assert.ok(Math.abs((await mean(bernoulli([40000], 0.3, { seed: 5 }))) - 0.3) < 0.01)
  })
  test('setSeed makes what follows reproducible, calls differ, a seed of its own repeats', async () => {
    setSeed(11)
    const [a, b] = [await randomUniform([4]).array(), await randomUniform([4]).array()]
    setSeed(11)
    assert.equal(await randomUniform([4]).array(), a)
    assert.equal(await randomUniform([4]).array(), b)
    assert.not.equal(a, b)
    assert.equal(await randomNormal([3], { seed: 5 }).array(), await randomNormal([3], { seed: 5 }).array())
    setSeed(12)
    assert.not.equal(await randomUniform([4]).array(), a)
  })
  test('nextSeed: new at each call, the same after setSeed', () => {
    setSeed(3)
    const first = [nextSeed(), nextSeed(), nextSeed()]
    setSeed(3)
    assert.equal([nextSeed(), nextSeed(), nextSeed()], first)
    assert.is(new Set(first).size, 3)
  })
  test('advance: the state before, and the variable one further', async () => {
    const variable = randomState(9)
    const before = await variable.array()
    assert.equal(await advance(variable).array(), before)
    assert.equal(await variable.array(), [(before as number[])[0], (before as number[])[1], ((before as number[])[2] as number) + 1])
  })
  test('replays draw new numbers, two call sites differ, a seed holds them still', async () => {
    const f = jit(() => ({ a: randomUniform([5]), b: randomUniform([5]), c: randomUniform([5], { seed: 1 }) }))
    const [first, second] = [f(), f()]
    assert.not.equal(await first.a.array(), await second.a.array())
    assert.not.equal(await first.a.array(), await first.b.array())
    assert.equal(await first.c.array(), await second.c.array())
  })
  test('dropout: gradients pass where values did; rate 0 and 1', async () => {
    const g = grad((x: Tensor) => dropout(x, 0.5, { seed: 8 }).sum())(tensor(new Float32Array(20).fill(1)))
    assert.equal(await g.array(), await dropout(new Float32Array(20).fill(1), 0.5, { seed: 8 }).array())
    assert.equal(await dropout([1, 2], 0).array(), [1, 2])
    assert.equal(await dropout([1, 2], 1).array(), [0, 0])
  })
  test.run()
}
