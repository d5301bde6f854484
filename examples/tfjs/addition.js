// A recurrent network learns to add: texts like '12+7' come in as one-hot characters, the sum comes out as characters.
import { startAlike } from './start.js'

const CHARACTERS = '+0123456789 '

function encoded(text, length) {
  const padded = text.padEnd(length, ' ')
  return Array.from(padded, (character) => Array.from(CHARACTERS, (known) => (known === character ? 1 : 0)))
}

export async function run(tf) {
  const questions = []
  const answers = []
  for (let a = 0; a < 20; a++)
    for (let b = 0; b < 10; b++) {
      questions.push(encoded(`${a}+${b}`, 4))
      answers.push(encoded(String(a + b), 2))
    }
  const xs = tf.tensor3d(questions)
  const ys = tf.tensor3d(answers)
  const model = tf.sequential()
  model.add(tf.layers.simpleRNN({ units: 24, recurrentInitializer: 'glorotNormal', inputShape: [4, CHARACTERS.length] }))
  model.add(tf.layers.repeatVector({ n: 2 }))
  model.add(tf.layers.lstm({ units: 24, recurrentInitializer: 'glorotNormal', returnSequences: true }))
  model.add(tf.layers.timeDistributed({ layer: tf.layers.dense({ units: CHARACTERS.length }) }))
  model.add(tf.layers.activation({ activation: 'softmax' }))
  startAlike(tf, model)
  model.compile({ loss: 'categoricalCrossentropy', optimizer: 'adam', metrics: ['accuracy'] })
  const { history } = await model.fit(xs, ys, { epochs: 4, batchSize: 40, shuffle: false, verbose: 0 })
  return [history.acc.length, ...history.loss]
}
