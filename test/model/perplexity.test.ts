// perplexity: exp of the mean cross-entropy, over what counts.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { layers, losses, metrics, sequential, softmax, tensor } from '../../lib/index.js'
import { refuses } from '../expect.js'

const logits = [
  [
    [2, 0, -1],
    [0.5, 0.25, 1],
    [0, 3, 0],
  ],
  [
    [1, 1, 1],
    [-2, 0, 2],
    [0.1, 0.2, 0.3],
  ],
]
const ids = [
  [0, 2, 1],
  [1, 0, 2],
]

/** exp of the mean of -log softmax at the ids where `counts`. */
function expected(counts: (row: number, step: number) => boolean): number {
  const terms = ids.flatMap((row, n) =>
    row.flatMap((id, t) => {
      const z = logits[n]![t]!
      return counts(n, t) ? [Math.log(z.reduce((a, value) => a + Math.exp(value), 0)) - z[id]!] : []
    }),
  )
  return Math.exp(terms.reduce((a, b) => a + b, 0) / terms.length)
}

const near = (found: number, wanted: number): void => assert.ok(Math.abs(found - wanted) < 1e-5 * wanted, `${found}, expected ${wanted}`)
const int = (values: number[][]): ReturnType<typeof tensor> => tensor(values, { dtype: 'int32' })

test('from logits and from probabilities', async () => {
  for (const fromLogits of [true, false]) {
    const metric = metrics.perplexity({ fromLogits })
    metric.update(int(ids), fromLogits ? tensor(logits) : softmax(tensor(logits)))
    near(
      await metric.result().item(),
      expected(() => true),
    )
  }
})

test('over batches of different sizes it is the mean over all tokens', async () => {
  const metric = metrics.perplexity({ fromLogits: true })
  metric.update(int([ids[0]!]), tensor([logits[0]!]))
  metric.update(int([[1]]), tensor([[logits[1]![0]!]]))
  near(
    await metric.result().item(),
    expected((n, t) => n === 0 || t === 0),
  )
})

test('tokens that the mask or maskTokenId leaves out do not count', async () => {
  const predictions = tensor(logits)
  predictions.mask = tensor([
    [true, true, false],
    [true, false, false],
  ])
  const metric = metrics.perplexity({ fromLogits: true })
  metric.update(int(ids), predictions)
  near(
    await metric.result().item(),
    expected((n, t) => t < 2 - n),
  )
  const without = metrics.perplexity({ fromLogits: true, maskTokenId: 0 })
  without.update(int(ids), tensor(logits))
  near(
    await without.result().item(),
    expected((n, t) => ids[n]![t] !== 0),
  )
  const both = metrics.perplexity({ fromLogits: true, maskTokenId: 0 })
  both.update(int(ids), predictions)
  near(
    await both.result().item(),
    expected((n, t) => t < 2 - n && ids[n]![t] !== 0),
  )
})

test("by name in compile it is exp of the loss, of losses from logits too, and a uniform guess has the vocabulary's size", async () => {
  for (const fromLogits of [true, false]) {
    const net = sequential([
      layers.dense({ units: 7, kernelInitializer: 'zeros', inputShape: [5, 3], ...(fromLogits ? {} : { activation: 'softmax' as const }) }),
    ])
    net.compile({ optimizer: 'sgd', loss: losses.sparseCategoricalCrossentropy({ fromLogits }), metrics: ['perplexity'] })
    const x = tensor(
      Float32Array.from({ length: 4 * 15 }, (_, i) => Math.sin(i)),
      [4, 5, 3],
    )
    const y = tensor(
      Int32Array.from({ length: 20 }, (_, i) => i % 7),
      [4, 5],
    )
    near((await net.evaluate(x, y)).perplexity, 7)
    await net.fit(x, y, { epochs: 20, verbose: 0 })
    const { loss, perplexity } = await net.evaluate(x, y, { batchSize: 3 })
    near(perplexity, Math.exp(loss))
    assert.ok(perplexity < 7)
  }
})

test('unknown options are refused', () => {
  refuses(() => metrics.perplexity({ logits: true } as never), 'ERR_ARGUMENT', 'logits')
})

test.run()
