// Values that a setting, a table or an integer cannot hold: each is seen, none becomes its neighbour in silence.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { jit, layers, losses, maximum, sequential, type Tensor, tensor, toCategorical, WeftError, where } from '../../lib/index.js'

async function code(run: () => unknown): Promise<string | undefined> {
  try {
    const result = await run()
    if (result && typeof (result as Tensor).data === 'function') await (result as Tensor).data()
    return undefined
  } catch (error) {
    assert.instance(error, WeftError)
    return (error as WeftError).code
  }
}

test('a number that an integer tensor cannot hold makes the dtype that can', async () => {
  const bytes = tensor(new Uint8Array([0, 1, 255]))
  const rows: readonly (readonly [Tensor, readonly unknown[]])[] = [
    [bytes.less(256), [true, true, true]],
    [bytes.equal(257), [false, false, false]],
    [bytes.equal(-1), [false, false, false]],
    [bytes.lessEqual(-1), [false, false, false]],
    [bytes.add(300), [300, 301, 555]],
    [bytes.mul(-1), [0, -1, -255]],
    [maximum(bytes, 300), [300, 300, 300]],
    [where(bytes.greater(0), bytes, -1), [-1, 1, 255]],
    [tensor(new Int32Array([5])).less(3e9), [true]],
    [tensor(new Int32Array([5])).add(3e9), [3000000000]],
  ]
  for (const [got, right] of rows)
    assert.equal(
      ((await got.array()) as number[]).map((v) => (v === 0 ? 0 : v)),
      right,
    )
  assert.is(bytes.add(7).dtype, 'uint8')
})

test('labels that are no whole numbers fail with ERR_DATA', async () => {
  const sparse = losses.sparseCategoricalCrossentropy()
  const p = tensor([[0.5, 0.5]])
  for (const label of [Number.NaN, 0.5, -0.5, 4294967296]) assert.is(await code(() => sparse([label], p)), 'ERR_DATA', String(label))
  assert.is(await code(() => losses.sparseCategoricalCrossentropy({ ignoreClass: -1 })([Number.NaN], p)), 'ERR_DATA')
  for (const label of [1.5, Number.NaN, -1]) {
    assert.is(await code(() => toCategorical([0, label, 2], 3)), 'ERR_DATA', String(label))
    assert.is(await code(() => toCategorical([0, label, 2])), 'ERR_DATA', String(label))
  }
  const net = sequential([layers.dense({ units: 2, inputShape: [1], activation: 'softmax' })])
  net.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
  assert.is(await code(() => net.fit([[1], [2]], [0, Number.NaN], { verbose: 0 })), 'ERR_DATA')
})

test('a misspelt option of a loss call throws', async () => {
  assert.is(await code(() => losses.mse()([1], [2], { sampleWeights: [1] } as object)), 'ERR_ARGUMENT')
})

test('what changed in a typed array, Map, Set or Date is another argument of a jit function', async () => {
  const numbers = new Float32Array([2])
  const byArray = jit((x: Tensor, list: Float32Array) => x.mul(list[0]!))
  const map = new Map([['by', 2]])
  const byMap = jit((x: Tensor, m: Map<string, number>) => x.mul(m.get('by')!))
  const set = new Set([1, 2])
  const bySet = jit((x: Tensor, s: Set<number>) => x.mul(s.size))
  const date = new Date(2)
  const byDate = jit((x: Tensor, d: Date) => x.mul(d.getTime()))
  const all = (): Promise<number[]> =>
    Promise.all([byArray(tensor(1), numbers), byMap(tensor(1), map), bySet(tensor(1), set), byDate(tensor(1), date)].map((t) => t.item()))
  assert.equal(await all(), [2, 2, 2, 2])
  numbers[0] = 7
  map.set('by', 7)
  for (let i = 3; i <= 7; i++) set.add(i)
  date.setTime(7)
  assert.equal(await all(), [7, 7, 7, 7])
})

test.run()
