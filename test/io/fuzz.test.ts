// Mutated files of saved models: each loads as a valid model or is a WeftError, in under 2 seconds.
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  data,
  gpt,
  input,
  layers,
  loadModel,
  losses,
  metrics,
  model,
  schedules,
  optimizers,
  sequential,
  text,
  WeftError,
} from '../../lib/index.js'
import { generator } from '../expect.js'
import { mutator } from './mutations.js'

const folder = await mkdtemp(path.join(os.tmpdir(), 'weft-'))
test.after(() => rm(folder, { recursive: true }))

/** Mutated files of each kind; WEFT_FUZZ multiplies them, WEFT_FUZZ_SEED draws others. */
const ROUNDS = 200 * Number(process.env['WEFT_FUZZ'] ?? 1)
const MOST_MS = 2000
const random = generator(Number(process.env['WEFT_FUZZ_SEED'] ?? 11))
const { textOf, mutated, mutatedBytes } = mutator(random)

async function models(): Promise<{ name: string; place: string }[]> {
  const x = input({ shape: [6], dtype: 'int32', name: 'ids' })
  const h = layers.embedding({ inputDim: 20, outputDim: 8, maskZero: true }).apply(x)
  const encoded = layers.transformerEncoder({ numHeads: 2, intermediateDim: 8 }).apply(h)
  const functional = model({ inputs: x, outputs: layers.dense({ units: 2 }).apply(layers.lstm({ units: 3 }).apply(encoded.mul(2).add(h))) })
  functional.compile({
    optimizer: optimizers.adamw({ learningRate: schedules.cosineDecay({ initialLearningRate: 0.1, decaySteps: 9 }) }),
    loss: 'mse',
  })
  const convolution = sequential([
    layers.rescaling({ scale: 1 / 255, inputShape: [8, 8, 1] }),
    layers.conv2d({ filters: 4, kernelSize: 3, activation: 'relu', kernelRegularizer: 'l2' }),
    layers.batchNormalization(),
    layers.maxPooling2d({ poolSize: 2 }),
    layers.flatten(),
    layers.dropout({ rate: 0.5 }),
    layers.dense({ units: 3, activation: 'softmax', kernelInitializer: 'orthogonal' }),
  ])
  convolution.compile({
    optimizer: optimizers.sgd({ momentum: 0.9 }),
    loss: losses.sparseCategoricalCrossentropy(),
    metrics: ['accuracy', metrics.topKCategoricalAccuracy({ k: 2 })],
  })
  await convolution.fit({ data: new Float32Array(4 * 64), shape: [4, 8, 8, 1] }, [0, 1, 2, 0], { verbose: 0 })
  const tokenizer = text.tokenizer({ numWords: 50, oovToken: '<oov>' })
  tokenizer.fitOnTexts(['one two three', 'four five'])
  const scaler = await data.standardScaler().fit([
    [1, 2],
    [3, 5],
  ])
  const assets = { tokenizer, scaler, names: ['a', 'b'], limits: { low: 1, high: [2, 3] } }
  return Promise.all(
    Object.entries({ functional, convolution }).map(async ([name, net]) => {
      await net.save(path.join(folder, name), { assets })
      return { name, place: path.join(folder, name) }
    }),
  )
}

const saved = await models()
for (const { name, place } of saved) {
  for (const file of ['model.json', 'training.json', 'weights.safetensors', 'optimizer.safetensors']) {
    test(`${name}: ${file}`, async () => {
      const whole = await readFile(path.join(place, file))
      const target = path.join(folder, 'mutated')
      await rm(target, { recursive: true, force: true })
      await cp(place, target, { recursive: true })
      let loaded = 0
      for (let round = 0; round < ROUNDS; round++) {
        const json = file.endsWith('.json') && random() < 0.8
        const bytes = json ? Buffer.from(textOf(mutated(JSON.parse(whole.toString())))) : mutatedBytes(whole)
        await writeFile(path.join(target, file), bytes)
        const begin = process.cpuUsage()
        try {
          // checksums would hide what stands behind them
          const net = await loadModel(target, { verify: round % 10 === 0 })
          net.summary({ print: () => undefined })
          net.dispose()
          loaded++
        } catch (error) {
          const shown = (): string => `round ${round}: ${bytes.toString('latin1').slice(0, 3000)}\n${String((error as Error)?.stack)}`
          assert.ok(error instanceof WeftError, shown())
          assert.ok(['ERR_FORMAT', 'ERR_OUT_OF_MEMORY'].includes((error as WeftError).code), shown())
          assert.ok(error.message.length < 2000, shown())
        }
        // time of the processor, because others may use it
        const { user, system } = process.cpuUsage(begin)
        const took = (user + system) / 1000
        assert.ok(took < MOST_MS, `round ${round} took ${took} ms: ${bytes.toString('latin1').slice(0, 3000)}`)
      }
      assert.ok(loaded < ROUNDS, 'nothing was mutated')
    })
  }
}

test('sizes in the files are bounded by what the weights can hold', async () => {
  const net = gpt({ vocabularySize: 10, sequenceLength: 8, numLayers: 1, numHeads: 2, hiddenDim: 8 })
  net.build([null, 8] as never)
  const place = path.join(folder, 'gpt')
  await net.save(place)
  const file = path.join(place, 'model.json')
  const whole = await readFile(file, 'utf8')
  for (const name of ['numLayers', 'vocabularySize', 'sequenceLength', 'hiddenDim', 'intermediateDim']) {
    for (const size of [1000, 1e6, 2 ** 31, 1e12, 2 ** 53]) {
      const json = JSON.parse(whole) as { model: { config: Record<string, unknown> } }
      json.model.config[name] = size
      await writeFile(file, JSON.stringify(json))
      const begin = process.cpuUsage()
      const error = await loadModel(place, { verify: false }).then(
        () => undefined,
        (e: unknown) => e,
      )
      const { user, system } = process.cpuUsage(begin)
      assert.instance(error, WeftError, `${name}: ${size}`)
      assert.is((error as WeftError).code, 'ERR_FORMAT', `${name}: ${size}`)
      assert.ok((user + system) / 1000 < MOST_MS, `${name}: ${size} took ${(user + system) / 1000} ms`)
    }
  }
})

test.run()
