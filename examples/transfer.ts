// Transfer learning: a network that has learned to tell clothes (Fashion-MNIST) learns handwritten digits from 50 of
// them: its convolutions are kept, with a new head, and then trained on. Beside it the same network from scratch, and a
// logistic regression, on the same rows; all of it for two draws of the rows.
import { datasets, images, layers, optimizers, type Sequential, sequential, type Tensor, toCategorical } from 'weftjs'
import { logisticRegression } from 'weftjs/learn'
import { head, majority, options, orExit, split } from './shared/setup.js'

const { epochs, limit, verbose } = options({ epochs: 3 })
/** Rows of digits to learn from, how often each is looked at, and draws of them. */
const [ROWS, ROUNDS, DRAWS] = [50, 20, 2]

/** Convolutions over images of 28 by 28 bytes. */
const convolutions = (): Sequential =>
  sequential([
    layers.rescaling({ scale: 1 / 255, inputShape: [28, 28, 1] }),
    layers.conv2d({ filters: 32, kernelSize: 3, activation: 'relu' }),
    layers.maxPooling2d({ poolSize: 2 }),
    layers.conv2d({ filters: 64, kernelSize: 3, activation: 'relu' }),
    layers.maxPooling2d({ poolSize: 2 }),
    layers.conv2d({ filters: 64, kernelSize: 3, activation: 'relu' }),
    layers.flatten(),
  ])
/** A network with a head of its own for ten classes. */
const classifier = (base: Sequential): Sequential =>
  sequential([base, layers.dropout({ rate: 0.3 }), layers.dense({ units: 10, activation: 'softmax' })])

async function train(net: Sequential, x: Tensor, y: Tensor, learningRate: number, rounds: number): Promise<void> {
  net.compile({ optimizer: optimizers.adam({ learningRate }), loss: 'categoricalCrossentropy', metrics: ['accuracy'] })
  await net.fit(x, y, { epochs: rounds, batchSize: 10, verbose: 0 })
}

// clothes, turned and mirrored, so that the convolutions learn edges of all kinds
const clothes = await orExit(datasets.fashionMnist())
const rows = Math.min(limit, 12_000)
const base = convolutions()
const source = sequential([
  layers.randomFlip({ mode: 'horizontal', inputShape: [28, 28, 1] }),
  layers.randomRotation({ factor: 0.1, fillMode: 'constant' }),
  classifier(base),
])
source.compile({ optimizer: 'adam', loss: 'categoricalCrossentropy', metrics: ['accuracy'] })
await source.fit(head(clothes.train.x, rows), toCategorical(head(clothes.train.y, rows), 10), { epochs, batchSize: 64, verbose })
const learned = base.getWeights()

// digits of 8 by 8 from 0 to 16, as 28 by 28 from 0 to 255
const digits = await datasets.digits()
const large = images.resize(digits.x.mul(255 / 16), [28, 28], { method: 'bicubic' }).clip(0, 255)
const flat = (t: Tensor): Tensor => t.reshape([t.shape[0]!, 28 * 28]).div(255)

const found: number[][] = []
for (let draw = 0; draw < DRAWS; draw++) {
  const { train: all, test } = split(large, digits.y, Number.POSITIVE_INFINITY)
  const [x, few] = [head(all.x, ROWS), head(all.y, ROWS)]
  const [y, yTest] = [toCategorical(few, 10), toCategorical(test.y, 10)]
  const accuracyOf = async (net: Sequential): Promise<number> => (await net.evaluate(test.x, yTest, { verbose: 0 }))['accuracy']!

  const kept = convolutions()
  kept.setWeights(learned)
  const net = classifier(kept)
  // a new head alone: what the convolutions know is not spoilt by its first steps
  kept.trainable = false
  await train(net, x, y, 3e-3, ROUNDS)
  const frozen = await accuracyOf(net)
  // then all of it, in smaller steps
  kept.trainable = true
  await train(net, x, y, 1e-3, ROUNDS)

  const fresh = classifier(convolutions())
  await train(fresh, x, y, 1e-3, 2 * ROUNDS)
  const regression = await logisticRegression().fit(flat(x), few)
  const linear = await regression.score(flat(test.x), test.y)
  found.push([frozen, await accuracyOf(net), await accuracyOf(fresh), linear, await majority(few, test.y)])
}

const mean = (i: number): string => (found.reduce((sum, row) => sum + row[i]!, 0) / DRAWS).toFixed(4)
console.log(`${ROWS} digits to learn from, means of ${DRAWS} draws; a new head alone: ${mean(0)}`)
console.log(`test accuracy ${mean(1)}, from scratch ${mean(2)}, logistic regression ${mean(3)} (always the commonest class: ${mean(4)})`)
