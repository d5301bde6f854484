// Causal language models of Hugging Face folders beside an oracle in PyTorch: logits, generation, training.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type GenerateOptions, jit, loadPretrained, losses, optimizers, type PretrainedDecoder, tensor } from '../../lib/index.js'
import { rejects } from '../expect.js'
import { distance, expectedOf, fixture } from './fixtures.js'

interface Expected {
  ids: number[][]
  logits: number[]
  prompts: number[][]
  greedy: number[][]
  losses?: number[]
}

const NAMES = [
  'gpt2',
  'llama',
  'llama-bfloat16',
  'rope-linear',
  'rope-dynamic',
  'rope-yarn',
  'rope-llama3',
  'rope-longrope',
  'mistral',
  'qwen2',
  'qwen3',
  'gemma',
  'gemma2',
  'gemma3',
]

const written = async (model: PretrainedDecoder, prompt: number[], maxTokens: number): Promise<number[]> => {
  const ids: number[] = []
  for await (const id of model.generate(prompt, { maxTokens, stopTokens: [], temperature: 0, repetitionPenalty: 1 })) ids.push(id)
  return ids
}

for (const name of NAMES) {
  test(name, async () => {
    const expected = await expectedOf<Expected>(name)
    // the dynamic rates begin where the trained length ends
    const { model } = await loadPretrained(fixture(name), { sequenceLength: 32 })
    const ids = tensor(expected.ids, { dtype: 'int32' })
    const logits = model.apply(ids)
    const error = await distance(logits, expected.logits)
    assert.ok(error < 1e-4, `logits differ by ${error}`)
    for (const [i, prompt] of expected.prompts.entries())
      assert.equal(await written(model, prompt, 12), expected.greedy[i], `cached, prompt ${i}`)
    assert.equal(
      await model.generateBatch(expected.prompts, { maxTokens: 12, stopTokens: [], temperature: 0, repetitionPenalty: 1 }),
      expected.greedy,
      'batched',
    )
    if (expected.losses) {
      model.compile({
        optimizer: optimizers.adam({ learningRate: 1e-3 }),
        loss: losses.sparseCategoricalCrossentropy({ fromLogits: true }),
      })
      const [x, y] = [expected.ids.map((row) => row.slice(0, -1)), expected.ids.map((row) => row.slice(1))]
      for (const [step, loss] of expected.losses.entries()) {
        const found = await model.trainOnBatch(x, y)
        assert.ok(Math.abs(found.loss - loss) < 1e-4, `step ${step}: loss ${found.loss}, expected ${loss}`)
      }
    }
    model.dispose()
  })
}

test('cached logits are those of the whole text', async () => {
  for (const name of ['gpt2', 'llama', 'mistral', 'rope-longrope', 'rope-dynamic', 'gemma2']) {
    const expected = await expectedOf<Expected>(name)
    const { model } = await loadPretrained(fixture(name), { sequenceLength: 32 })
    const text = expected.ids[0]!
    const caches = model.makeCaches(1, 32)
    const step = jit((ids: ReturnType<typeof tensor>, position: ReturnType<typeof tensor>) =>
      model.logits(model.callCached(ids, caches, position, { end: position.add(1) })),
    )
    let worst = 0
    for (let at = 0; at < text.length; at++) {
      const found = step(tensor([[text[at]!]], { dtype: 'int32' }), tensor(Int32Array.of(at)))
      const whole = model.apply(tensor([text.slice(0, at + 1)], { dtype: 'int32' }))
      const last = (await whole.data()).slice(-model.config.vocabularySize)
      // keys of earlier lengths have other rates where those follow the length
      worst = Math.max(worst, await distance(found, Array.from(last, Number)))
    }
    assert.ok(worst < 1e-4, `${name}: cached logits differ by ${worst}`)
    model.dispose()
  }
})

test('a folder with its tokenizer, chat template and generation settings', async () => {
  const { model, tokenizer, config, chatTemplate, generationConfig } = await loadPretrained(fixture('llama'), { dtype: 'bfloat16' })
  assert.is(config['model_type'], 'llama')
  assert.is(generationConfig!['top_k'], 20)
  assert.equal(model.generationDefaults, { stopTokens: [2], temperature: 0.7, topK: 20, topP: 0.9, repetitionPenalty: 1.1 })
  const prompt = tokenizer.encode('once')
  assert.is(tokenizer.decode(prompt, { skipSpecialTokens: true }), 'once')
  const text = chatTemplate!.apply([{ role: 'user', content: 'the other' }], { addGenerationPrompt: true })
  assert.is(text, '<s>user, the other</s>assistant, ')
  const read = async (options: GenerateOptions): Promise<number[]> => {
    const ids: number[] = []
    for await (const id of model.generate(prompt, { maxTokens: 20, ...options })) ids.push(id)
    return ids
  }
  assert.equal(await read({ seed: 1 }), await read({ seed: 1 }))
  // an option that is given wins over the file
  assert.equal(await read({ temperature: 0, seed: 1 }), await read({ temperature: 0, seed: 2 }))
  model.dispose()
})

test('a repetition penalty lowers what the text has, in a batch as alone', async () => {
  const { model } = await loadPretrained(fixture('gpt2'))
  const penalty = 1.7
  const lowered = async (prompt: number[], count: number): Promise<number[]> => {
    const ids = [...prompt]
    for (let i = 0; i < count; i++) {
      const logits = (await model.apply(tensor([ids], { dtype: 'int32' })).data()).slice(-40)
      const values = Array.from(logits as Float32Array, (x, id) => (ids.includes(id) ? (x > 0 ? x / penalty : x * penalty) : x))
      ids.push(values.indexOf(Math.max(...values)))
    }
    return ids.slice(prompt.length)
  }
  const options = { maxTokens: 10, stopTokens: [], repetitionPenalty: penalty }
  const prompts = [[1, 2, 3], [7], [4, 4, 9, 11]]
  const expected = await Promise.all(prompts.map((prompt) => lowered(prompt, 10)))
  assert.equal(await model.generateBatch(prompts, options), expected)
  const alone: number[] = []
  for await (const id of model.generate(prompts[0]!, options)) alone.push(id)
  assert.equal(alone, expected[0])
  assert.not.equal(alone, await model.generateBatch([prompts[0]!], { ...options, repetitionPenalty: 1 }).then(([first]) => first))
  model.dispose()
})

test('texts end at stop tokens, and options that do not fit are refused', async () => {
  const { model } = await loadPretrained(fixture('gpt2'))
  const prompts = [[1, 2, 3], [7]]
  const [first, second] = await model.generateBatch(prompts, { maxTokens: 8, stopTokens: [] })
  const stop = first![2]!
  const [ended, other] = await model.generateBatch(prompts, { maxTokens: 8, stopTokens: [stop] })
  assert.equal(ended, first!.slice(0, first!.indexOf(stop)))
  assert.equal(other, second!.includes(stop) ? second!.slice(0, second!.indexOf(stop)) : second)
  assert.equal(await model.generateBatch(prompts, { maxTokens: 0 }), [[], []])
  await rejects('ERR_ARGUMENT', /more than the model's sequenceLength 32/, model.generateBatch(prompts, { maxTokens: 31 }))
  await rejects('ERR_ARGUMENT', /expected a list of prompts/, model.generateBatch([], {}))
  await rejects('ERR_ARGUMENT', /unknown option/, model.generateBatch(prompts, { maxToken: 3 } as never))
  // a text longer than the context goes on from its last half
  const long: number[] = []
  for await (const id of model.generate([1], { maxTokens: 50, stopTokens: [] })) long.push(id)
  assert.is(long.length, 50)
  model.dispose()
})

test.run()
