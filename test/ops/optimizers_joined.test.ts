// Adam bound together with the products that make its gradients (native/join.cc): the same bits as op by op, whatever
// the sizes.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { device } from '../../lib/core/device.js'
import { jit, optimizers, profile, type Tensor, tensor, variable } from '../../lib/index.js'

const values = ([rows, columns]: readonly [number, number], seed: number): Tensor =>
  tensor(
    Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i * 0.37 + seed) + Math.cos(i * i * 0.011)),
    [rows, columns],
  )

/** Inputs, outputs and rows of a batch. */
type Size = readonly [m: number, n: number, k: number]
const joins: readonly Size[] = [
  [1000, 128, 32],
  [515, 45, 100], // rows that no tile divides, a panel in part, rows of a that are packed
  [1024, 64, 96], // rows of a that would evict each other
  [1700, 10, 7], // few columns
  [300, 55, 1],
]
const apart: readonly Size[] = [
  [40, 33, 8], // small
  [256, 64, 300], // many terms
  [20, 3000, 8], // wide rows
]

/** Adam by products of a and b. With `seen` the gradients are results too, so that they are made apart. */
const training = (
  sizes: readonly Size[],
  seen: boolean,
  options: optimizers.AdamOptions = {},
): { step(t: number): void; state(): Tensor[] } => {
  const weights = [...sizes.map(([m, n], i) => variable(values([m, n], i))), variable(values([1, 5], 9))]
  const optimizer = optimizers.adam({ learningRate: 0.01, ...options })
  const update = jit((...factors: Tensor[]) => {
    const products = sizes.map((_, i) => factors[2 * i]!.matMul(factors[2 * i + 1]!, { transposeA: true }))
    optimizer.apply([...products, weights.at(-1)!.mul(2)], weights)
    return seen ? products : []
  })
  return {
    step: (t) => {
      const factors = sizes.flatMap(([m, n, k], i) => [values([k, m], t + i), values([k, n], 2 * t + i)])
      for (const tensor of [...update(...factors), ...factors]) tensor.dispose()
    },
    state: () => [...weights, ...optimizer.slots.map(({ state }) => state)],
  }
}

const afterThree = async (...given: Parameters<typeof training>): Promise<Float32Array[]> => {
  const { step, state } = training(...given)
  for (let t = 0; t < 3; t++) step(t)
  return Promise.all(state().map(async (tensor) => (await tensor.data()) as Float32Array))
}

for (const options of [{}, { amsgrad: true, weightDecay: 0.1 }] as const) {
  test(`adam ${JSON.stringify(options)} that makes its gradients has the bits of one that gets them`, async () => {
    for (const sizes of [...joins.map((size) => [size]), [...joins, ...apart]])
      assert.equal(await afterThree(sizes, false, options), await afterThree(sizes, true, options), JSON.stringify(sizes))
  })
}

if (device() === 'cpu') {
  test('adam is joined where few terms make many results', async () => {
    for (const size of [...joins, ...apart]) {
      const { step } = training([size], false)
      const { kernels } = await profile(() => step(0))
      const names = kernels.map(({ name }) => name)
      assert.is(names.includes('adam+products'), joins.includes(size), `[${size}]: ${names}`)
      assert.is(names.includes('matMul'), apart.includes(size), `[${size}]: ${names}`)
    }
  })
}

test.run()
