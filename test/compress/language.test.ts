// Language models with matrices of few bits: perplexity, texts, saving, adapters beside them.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { quantize, type QuantizeOptions } from '../../lib/compress/index.js'
import {
  bert,
  type Gpt,
  type GptOptions,
  gpt,
  loadModel,
  loadPretrained,
  lora,
  losses,
  optimizers,
  savePretrained,
  setSeed,
  type Tensor,
  tensor,
} from '../../lib/index.js'
import type { AnyModel } from '../../lib/model/model.js'
import { rejects } from '../expect.js'
import { distance, expectedOf, fixture } from '../pretrained/fixtures.js'
import { difference, scratch } from './models.js'

const folder = scratch()

const text = 'she sells sea shells by the sea shore, and the shells that she sells are sea shells for sure. '.repeat(60)
const codes = Int32Array.from(text, (letter) => letter.charCodeAt(0))
const STEPS = 32
const count = Math.floor((codes.length - 1) / STEPS)
const x = tensor(codes.slice(0, count * STEPS), [count, STEPS])
const y = tensor(codes.slice(1, count * STEPS + 1), [count, STEPS])

async function trained(options: Partial<GptOptions>): Promise<Gpt> {
  setSeed(4)
  const net = gpt({ vocabularySize: 128, sequenceLength: 48, numLayers: 2, numHeads: 2, hiddenDim: 64, dropout: 0, ...options })
  const loss = losses.sparseCategoricalCrossentropy({ fromLogits: true })
  net.compile({ optimizer: optimizers.adam({ learningRate: 3e-3 }), loss, metrics: ['perplexity'] })
  await net.fit(x, y, { epochs: 6, verbose: 0 })
  return net
}

async function written(net: Pick<Gpt, 'generate'>): Promise<number[]> {
  const ids: number[] = []
  for await (const id of net.generate([...codes.slice(0, 12)], { maxTokens: 16, temperature: 0 })) ids.push(id)
  return ids
}

const KINDS: readonly (readonly [string, Partial<GptOptions>])[] = [
  ['positions that are learned, tied tables', {}],
  ['rotary positions, shared keys, a matrix at the end', { rotary: true, normalization: 'rms', tieWeights: false, numKeyValueHeads: 1 }],
]
const METHODS: readonly (readonly [QuantizeOptions, number])[] = [
  [{ bits: 4 }, 1.02],
  [{ method: 'weightOnly' }, 1.005],
  [{ to: 'bfloat16' }, 1.005],
]

for (const [kind, options] of KINDS) {
  test(`gpt with ${kind}: perplexity within 2 % with 4 bits, and texts`, async () => {
    const net = await trained(options)
    const { perplexity } = await net.evaluate(x, y)
    assert.ok(perplexity < 6, `perplexity ${perplexity}`)
    for (const [method, most] of METHODS) {
      const small = await quantize(net, method)
      const found = await small.evaluate(x, y)
      assert.ok(found.perplexity < most * perplexity, `${JSON.stringify(method)}: ${found.perplexity} for ${perplexity}`)
      const ids = await written(small)
      assert.is(ids.length, 16)
      await small.save(folder)
      const loaded = (await loadModel(folder)) as unknown as Gpt
      assert.equal(await written(loaded), ids)
      // what is written with caches is what the whole model says
      const whole = Int32Array.from([...codes.slice(0, 12), ...ids])
      const logits = (await small.predict(tensor(whole, [1, whole.length]))) as Tensor
      assert.equal(Array.from(await logits.argMax(-1).data(), Number).slice(11, -1), ids)
    }
  })
}

test('layers in skip keep float32', async () => {
  const net = gpt({ vocabularySize: 64, sequenceLength: 8, numLayers: 2, numHeads: 2, hiddenDim: 32 })
  const small = await quantize(net, { bits: 4, skip: ['block0', 'embedding'] })
  const narrow = small.weights.filter(({ dtype }) => dtype === 'uint8').map(({ name }) => name)
  assert.is(narrow.length, 6)
  assert.ok(narrow.every((name) => name.startsWith('block1/')))
  assert.is(small.weights.filter(({ dtype }) => dtype === 'int8').length, 0)
})

for (const name of ['gpt2', 'llama']) {
  test(`${name} of a folder: logits, texts, saving, and an adapter that is trained beside 4 bits`, async () => {
    const { model } = await loadPretrained(fixture(name))
    const { ids: given } = await expectedOf<{ ids: number[][] }>(`${name}-lora`)
    const ids = tensor(given, { dtype: 'int32' })
    const own = model.apply(ids)
    const spread = difference(own, own.mul(0))
    for (const [options, most] of [
      [{ method: 'weightOnly' }, 0.03],
      [{ bits: 4 }, 0.4],
      [{ to: 'float16' }, 0.002],
    ] as const) {
      const small = await quantize(model, options as QuantizeOptions)
      const error = difference(own, small.apply(ids))
      assert.ok(error > 0 && error < most * spread, `${JSON.stringify(options)}: ${error} of ${spread}`)
      await small.save(folder)
      const loaded = (await loadModel(folder)) as typeof model
      assert.is(await distance(loaded.apply(ids), Array.from(await small.apply(ids).data(), Number)), 0)
      await rejects('ERR_DTYPE', /are not trained/, small.trainOnBatch(ids, ids))
      if ('to' in options) continue
      await rejects('ERR_STATE', /stored as/, savePretrained(small, folder))
      const tuned = lora(small, { rank: 4, target: ['query', 'value'] })
      const first = (await tuned.trainOnBatch(ids, ids)).loss
      let last = first
      for (let step = 0; step < 20; step++) last = (await tuned.trainOnBatch(ids, ids)).loss
      assert.ok(last < first, `${first} → ${last}`)
      assert.throws(() => tuned.merge(), /few bits/)
    }
  })
}

test('bert keeps its scores', async () => {
  setSeed(7)
  const net = bert({ vocabularySize: 50, sequenceLength: 12, numLayers: 1, numHeads: 2, hiddenDim: 32 }) as unknown as AnyModel
  const ids = tensor(
    Int32Array.from({ length: 24 }, (_, i) => (i * 5) % 50),
    [2, 12],
  )
  const small = await quantize(net, { method: 'weightOnly' })
  const [own, other] = [await net.predict(ids), await small.predict(ids)] as unknown as [Tensor, Tensor]
  const tensors = (value: unknown): Tensor[] =>
    value && typeof value === 'object' && 'shape' in value ? [value as Tensor] : (Object.values(value as object) as Tensor[])
  for (const [i, t] of tensors(own).entries()) assert.ok(difference(t, tensors(other)[i]!) < 0.05)
})

test.run()
