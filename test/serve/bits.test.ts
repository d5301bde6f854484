// Bits: an answer is the same alone and in any batch. WEFT_TEST_WIDE=1: 10,000 batches of each kind of model.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { bert, layers, type Model, sequential, setSeed } from '../../lib/index.js'
import type { AnyModel } from '../../lib/model/model.js'
import { Executor, type Work } from '../../lib/serve/executor.js'
import type { HostTensor } from '../../lib/serve/host_tensor.js'
import { generator } from '../expect.js'

const BATCHES = process.env['WEFT_TEST_WIDE'] === '1' ? 10_000 : 250
const LARGEST = 16
/** Requests that batches are drawn from. */
const REQUESTS = 40

const models: Record<string, { make: () => unknown; input: (rows: number, random: () => number) => HostTensor; form?: Work['form'] }> = {
  perceptron: {
    make: () =>
      sequential([layers.dense({ units: 33, activation: 'relu', inputShape: [19] }), layers.dense({ units: 7, activation: 'softmax' })]),
    input: (rows, random) => floats(rows, [19], random),
  },
  convolutions: {
    make: () =>
      sequential([
        layers.conv2d({ filters: 5, kernelSize: 3, activation: 'relu', inputShape: [9, 9, 2] }),
        layers.batchNormalization(),
        layers.maxPooling2d({ poolSize: 2 }),
        layers.flatten(),
        layers.dense({ units: 3 }),
      ]),
    input: (rows, random) => floats(rows, [9, 9, 2], random),
  },
  recurrent: {
    make: () => sequential([layers.lstm({ units: 9, inputShape: [6, 4] }), layers.dense({ units: 2 })]),
    input: (rows, random) => floats(rows, [6, 4], random),
  },
  attention: {
    make: () => bert({ vocabularySize: 20, sequenceLength: 7, numLayers: 1, numHeads: 2, hiddenDim: 8 }),
    input: (rows, random) => ({
      dtype: 'int32',
      shape: [rows, 7],
      bytes: new Uint8Array(Int32Array.from({ length: rows * 7 }, () => Math.floor(random() * 20)).buffer),
    }),
  },
}
function floats(rows: number, sample: readonly number[], random: () => number): HostTensor {
  const length = sample.reduce((size, extent) => size * extent, rows)
  return { dtype: 'float32', shape: [rows, ...sample], bytes: new Uint8Array(Float32Array.from({ length }, () => 4 * random() - 2).buffer) }
}

for (const [name, { make, input }] of Object.entries(models))
  test(`${BATCHES} random batches of ${name}`, async () => {
    setSeed(5)
    const random = generator(11)
    const model = make() as Model & AnyModel
    const executor = new Executor(model, LARGEST)
    const works = Array.from(
      { length: REQUESTS },
      (): Work => ({ inputs: [input(1 + Math.floor(random() ** 3 * 6), random)], form: ([x]) => x, key: name }),
    )
    const alone = await Promise.all(works.map(async (work) => (await executor.run([work])).results[0]!.outputs))
    let others = 0
    for (let batch = 0; batch < BATCHES; batch++) {
      const picked: number[] = []
      let rows = 0
      for (;;) {
        const index = Math.floor(random() * REQUESTS)
        rows += works[index]!.inputs[0]!.shape[0]!
        if (rows > LARGEST || (picked.length > 0 && random() < 0.1)) break
        picked.push(index)
      }
      others += picked.length - 1
      const { results } = await executor.run(picked.map((index) => works[index]!))
      for (const [i, index] of picked.entries())
        for (const [output, { bytes }] of results[i]!.outputs.entries())
          assert.is(
            Buffer.compare(bytes, alone[index]![output]!.bytes),
            0,
            `batch ${batch}, request ${index} at ${i} of [${picked}], output ${output}`,
          )
    }
    assert.ok(others > BATCHES, 'the batches have several requests')
    executor.dispose()
    model.dispose()
  })

test.run()
