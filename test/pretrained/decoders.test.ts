// Causal language models of Hugging Face folders beside an oracle in PyTorch: logits, generation, training.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { jit, loadPretrained, losses, optimizers, type PretrainedDecoder, tensor } from '../../lib/index.js'
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
  for await (const id of model.generate(prompt, { maxTokens, stopTokens: [] })) ids.push(id)
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
    assert.equal(await model.generateBatch(expected.prompts, { maxTokens: 12, stopTokens: [] }), expected.greedy, 'batched')
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

test.run()
