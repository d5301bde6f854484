// Adapters beside an oracle in PyTorch: PEFT's files, training of the adapter alone, merging.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type LoraOptions,
  loadPretrained,
  lora,
  losses,
  optimizers,
  type PretrainedEncoder,
  safetensors,
  savePretrained,
  tensor,
} from '../../lib/index.js'
import { codeOf, rejects } from '../expect.js'
import { distance, expectedOf, fixture } from './fixtures.js'

const folder = await mkdtemp(path.join(os.tmpdir(), 'weft-lora-'))
test.after(() => rm(folder, { recursive: true }))

const shifted = (ids: number[][]): [number[][], number[][]] => [ids.map((row) => row.slice(0, -1)), ids.map((row) => row.slice(1))]
const jsonOf = async (file: string): Promise<Record<string, unknown>> => JSON.parse(await readFile(file, 'utf8'))

for (const base of ['llama', 'gpt2']) {
  test(`${base}: PEFT's adapter is read, trained alone, written and merged`, async () => {
    const expected = await expectedOf<{ ids: number[][]; logits: number[]; losses: number[] }>(`${base}-lora`)
    const { model } = await loadPretrained(fixture(base))
    const ids = tensor(expected.ids, { dtype: 'int32' })
    const before = await model.apply(ids).data()
    const tuned = await lora.load(model, fixture(`${base}-lora`))
    const error = await distance(tuned.apply(ids), expected.logits)
    assert.ok(error < 1e-4, `logits differ by ${error}`)
    const place = path.join(folder, base)
    await tuned.save(place)
    const [written, read] = await Promise.all(
      [place, fixture(`${base}-lora`)].map((dir) => safetensors.open(path.join(dir, 'adapter_model.safetensors'))),
    )
    assert.equal([...written!.names].sort(), [...read!.names].sort())
    for (const name of read!.names) assert.equal(await written!.get(name).data(), await read!.get(name).data(), name)
    const facts = ['r', 'lora_alpha', 'lora_dropout', 'target_modules', 'fan_in_fan_out', 'task_type', 'peft_type']
    const [config, given] = await Promise.all([place, fixture(`${base}-lora`)].map((dir) => jsonOf(path.join(dir, 'adapter_config.json'))))
    for (const fact of facts) assert.equal(config![fact], given![fact], fact)
    tuned.compile({ optimizer: optimizers.adam({ learningRate: 1e-2 }), loss: losses.sparseCategoricalCrossentropy({ fromLogits: true }) })
    assert.is(tuned.trainableWeights.length, 2 * tuned.adapters.size)
    const [x, y] = shifted(expected.ids)
    for (const [step, loss] of expected.losses.entries()) {
      const found = await tuned.trainOnBatch(x, y)
      assert.ok(Math.abs(found.loss - loss) < 1e-4, `step ${step}: loss ${found.loss}, expected ${loss}`)
    }
    const trained = await tuned.apply(ids).data()
    await rejects('ERR_STATE', /adapter of lora\(\) stands beside/, model.save(path.join(folder, 'refused')))
    await rejects('ERR_STATE', /adapter of lora\(\) stands beside/, savePretrained(model, path.join(folder, 'refused')))
    const merged = tuned.merge()
    assert.is(merged, model)
    assert.ok((await distance(model.apply(ids), Array.from(trained, Number))) < 1e-4)
    assert.ok((await distance(model.apply(ids), Array.from(before, Number))) > 1e-2)
    assert.is(
      codeOf(() => tuned.apply(ids)),
      'ERR_STATE',
    )
    model.dispose()
  })
}

test('a fresh adapter changes nothing, fits without compile(), and writes texts', async () => {
  const { model } = await loadPretrained(fixture('llama'), { dtype: 'bfloat16' })
  const ids = tensor([[1, 2, 3, 4]], { dtype: 'int32' })
  const before = await model.apply(ids).data()
  const frozen = await model.weights[0]!.data()
  const tuned = lora(model, { rank: 2, alpha: 4, target: ['query', 'value', 'gate'], dropout: 0.1, seed: 1 })
  assert.equal(await tuned.apply(ids).data(), before)
  const [x, y] = shifted((await expectedOf<{ ids: number[][] }>('llama')).ids)
  const history = await tuned.fit(x, y, { epochs: 3, verbose: 0 })
  assert.is(history.history.loss!.length, 3)
  assert.ok((await distance(tuned.apply(ids), Array.from(before, Number))) > 0)
  assert.equal(await model.weights[0]!.data(), frozen)
  const prompt = [3, 5, 7]
  const greedy = { maxTokens: 5, stopTokens: [], temperature: 0, repetitionPenalty: 1 }
  const one: number[] = []
  for await (const id of tuned.generate(prompt, greedy)) one.push(id)
  assert.equal(await tuned.generateBatch([prompt, [1]], greedy).then((all) => all[0]), one)
  tuned.unload()
  assert.equal(await model.apply(ids).data(), before)
  model.dispose()
})

test('a new head is trained and saved with the adapter', async () => {
  const options = { task: 'sequenceClassification', numLabels: 3 } as const
  const { model } = await loadPretrained<PretrainedEncoder>(fixture('bert-encoder'), options)
  const tuned = lora(model, { target: 'all-linear', modulesToSave: ['classifier'] })
  assert.ok(tuned.trainableWeights.length === 2 * tuned.adapters.size + 2)
  await tuned.fit(
    [
      [5, 6, 7],
      [8, 9, 10],
    ],
    [0, 2],
    { epochs: 2, verbose: 0 },
  )
  const place = path.join(folder, 'head')
  await tuned.save(place)
  const file = await safetensors.open(path.join(place, 'adapter_model.safetensors'))
  assert.ok(file.has('base_model.model.classifier.weight') && file.has('base_model.model.bert.encoder.layer.0.output.dense.lora_A.weight'))
  const other = await loadPretrained<PretrainedEncoder>(fixture('bert-encoder'), options)
  const again = await lora.load(other.model, place)
  const ids = tensor([[5, 6, 7]], { dtype: 'int32' })
  assert.equal(await again.apply(ids).data(), await tuned.apply(ids).data())
  model.dispose()
})

test('what does not fit is refused', async () => {
  const { model } = await loadPretrained(fixture('llama'))
  const bad: LoraOptions[] = [
    { rank: 0 },
    { target: ['q'] },
    { target: [] },
    { alpha: Number.NaN },
    { dropout: 1 },
    { modulesToSave: ['x'] },
  ]
  for (const options of bad)
    assert.is(
      codeOf(() => lora(model, options)),
      'ERR_ARGUMENT',
      JSON.stringify(options),
    )
  const tuned = lora(model)
  assert.is(
    codeOf(() => lora(model)),
    'ERR_STATE',
  )
  tuned.unload()
  await rejects('ERR_FORMAT', /fit no module|has shape/, lora.load(model, fixture('gpt2-lora')))
  model.dispose()
})

test.run()
