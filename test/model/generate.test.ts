// generate: the cache changes nothing, sampling is what it says, and every token is one native call.
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Gpt, type GptOptions, generate, gpt, loadModel, losses, setSeed, tensor } from '../../lib/index.js'
import { lastTicket } from '../../lib/core/flights.js'
import { refuses } from '../expect.js'

const SMALL: GptOptions = { vocabularySize: 13, sequenceLength: 24, numLayers: 2, numHeads: 4, hiddenDim: 16, dropout: 0 }

/** A model whose next tokens are far from even. */
function small(options: Partial<GptOptions> = {}): Gpt {
  setSeed(7)
  return gpt({ ...SMALL, kernelInitializer: { className: 'RandomNormal', config: { stddev: 0.4 } }, ...options })
}

async function collect(tokens: AsyncIterable<number>): Promise<number[]> {
  const ids: number[] = []
  for await (const id of tokens) ids.push(id)
  return ids
}

/** Logits of the last of the ids, computed from all of them at once. */
async function logitsOf(net: Gpt, ids: readonly number[]): Promise<number[]> {
  const { sequenceLength, vocabularySize } = net.config
  const padded = new Int32Array(sequenceLength)
  padded.set(ids)
  const all = (await net.apply(tensor(padded, [1, sequenceLength])).data()) as Float32Array
  return Array.from(all.subarray((ids.length - 1) * vocabularySize, ids.length * vocabularySize))
}

const largest = (values: readonly number[]): number => values.indexOf(Math.max(...values))

for (const [name, options] of [
  ['learned positions', {}],
  [
    'rotary, grouped queries, rms, a head of its own',
    { rotary: true, numKeyValueHeads: 2, normalization: 'rms', tieWeights: false, useBias: false },
  ],
] as const) {
  test(`cached generation equals uncached: ${name}`, async () => {
    const net = small(options)
    const prompt = [3, 1, 4, 1, 5]
    const greedy = await collect(net.generate(prompt, { maxTokens: 19, temperature: 0 }))
    const ids = [...prompt]
    for (const id of greedy) {
      assert.is(id, largest(await logitsOf(net, ids)))
      ids.push(id)
    }
    assert.is(greedy.length, 19)
    // the same logits, to rounding, after tokens were taken in one by one
    const decoder = net.takeDecoder()
    decoder.prepare(1, 1, 0)
    const how = { greedy: true, topK: 0, nucleus: false }
    const seen = [...prompt]
    seen.push(await decoder.first([prompt], how).outputs.item())
    for (let i = 0; i < 10; i++) {
      const expected = await logitsOf(net, seen)
      const found = Array.from((await decoder.logits().data()) as Float32Array)
      found.forEach((value, k) =>
        assert.ok(Math.abs(value - expected[k]!) <= 2e-5 * Math.max(1, Math.abs(expected[k]!)), `${value} ${expected[k]}`),
      )
      seen.push(await decoder.next(how).outputs.item())
    }
    decoder.dispose()
    net.dispose()
  })
}

test('a full context slides: its last half is a new prompt', async () => {
  const net = small({ sequenceLength: 8 })
  const prompt = [1, 2, 3, 4, 5, 6]
  const found = await collect(net.generate(prompt, { maxTokens: 20, temperature: 0 }))
  let window = [...prompt]
  const expected: number[] = []
  for (let i = 0; i < 20; i++) {
    if (window.length > 8) window = window.slice(-4)
    expected.push(largest(await logitsOf(net, window)))
    window.push(expected.at(-1)!)
  }
  assert.equal(found, expected)
  net.dispose()
})

test('a seed gives the same tokens on every run, others give others; setSeed too', async () => {
  const net = small()
  const run = (seed?: number): Promise<number[]> =>
    collect(net.generate([1, 2], { maxTokens: 22, temperature: 1.5, ...(seed === undefined ? {} : { seed }) }))
  const first = await run(5)
  assert.equal(await run(5), first)
  assert.not.equal(await run(6), first)
  setSeed(11)
  const unseeded = await run()
  assert.not.equal(await run(), unseeded)
  setSeed(11)
  assert.equal(await run(), unseeded)
  net.dispose()
})

test('tokens are drawn with the probabilities of the logits, cut by topK and topP', async () => {
  const net = small({ kernelInitializer: { className: 'RandomNormal', config: { stddev: 0.2 } } })
  const prompt = [2, 7, 1]
  const logits = await logitsOf(net, prompt)
  const temperature = 0.8
  const weights = logits.map((value) => Math.exp(value / temperature))
  const order = weights.map((_, i) => i).sort((a, b) => weights[b]! - weights[a]!)
  const total = weights.reduce((a, b) => a + b)
  const draws = 200
  const share = async (options: { topK?: number; topP?: number }): Promise<number[]> => {
    const counts = new Array<number>(13).fill(0)
    for (let seed = 0; seed < draws; seed++)
      counts[(await collect(net.generate(prompt, { maxTokens: 1, temperature, seed, ...options })))[0]!]!++
    return counts.map((count) => count / draws)
  }
  const check = (found: readonly number[], kept: readonly number[]): void => {
    const sum = kept.reduce((a, i) => a + weights[i]!, 0)
    found.forEach((value, i) => {
      const p = kept.includes(i) ? weights[i]! / sum : 0
      // five standard deviations
      assert.ok(Math.abs(value - p) <= 5 * Math.sqrt((p * (1 - p)) / draws), `token ${i}: ${value} of draws, probability ${p}`)
    })
  }
  check(await share({}), order)
  check(await share({ topK: 3 }), order.slice(0, 3))
  let mass = 0
  const nucleus = order.filter((i) => {
    const stays = mass < 0.5
    mass += weights[i]! / total
    return stays
  })
  assert.ok(nucleus.length > 1 && nucleus.length < 13)
  check(await share({ topP: 0.5 }), nucleus)
  const one = await collect(net.generate(prompt, { maxTokens: 20, topP: 1e-6, seed: 1 }))
  assert.equal(one, await collect(net.generate(prompt, { maxTokens: 20, temperature: 0 })))
  assert.equal(one, await collect(net.generate(prompt, { maxTokens: 20, topK: 1, seed: 2 })))
  net.dispose()
})

test('one run of a program per token, and one for the prompt', async () => {
  const net = small({ sequenceLength: 128 })
  const options = { temperature: 1, topK: 4, topP: 0.9, seed: 1 } as const
  await collect(net.generate([1], { ...options, maxTokens: 5 }))
  const runs: number[] = []
  let before = 0
  for await (const _ of net.generate([1], { ...options, maxTokens: 60 })) {
    if (before > 0) runs.push(lastTicket() - before)
    before = lastTicket()
  }
  assert.equal(runs, new Array(59).fill(1))
  net.dispose()
})

test('several texts at once do not disturb each other', async () => {
  const net = small()
  const run = (seed: number): Promise<number[]> => collect(net.generate([seed], { maxTokens: 15, temperature: 1.2, seed }))
  const alone = [await run(1), await run(2), await run(3)]
  assert.equal(await Promise.all([run(1), run(2), run(3)]), alone)
  net.dispose()
})

test('ends at stop tokens, at maxTokens, and when the loop is left', async () => {
  const net = small()
  const all = await collect(net.generate([5, 6], { maxTokens: 12, temperature: 0 }))
  const stop = all[4]!
  assert.equal(await collect(net.generate([5, 6], { maxTokens: 12, temperature: 0, stopTokens: [stop] })), all.slice(0, all.indexOf(stop)))
  assert.equal(await collect(net.generate([5, 6], { maxTokens: 0 })), [])
  const some: number[] = []
  for await (const id of net.generate([5, 6], { maxTokens: 12, temperature: 0 })) {
    some.push(id)
    if (some.length === 3) break
  }
  assert.equal(some, all.slice(0, 3))
  for (const prompt of [Int32Array.of(5, 6), tensor(Int32Array.of(5, 6)), tensor([[5, 6]])])
    assert.equal(await collect(generate(net, prompt, { maxTokens: 12, temperature: 0 })), all)
  net.dispose()
})

test('an aborted signal rejects with its reason', async () => {
  const net = small()
  const reason = new Error('enough')
  const controller = new AbortController()
  const seen: number[] = []
  try {
    for await (const id of net.generate([1], { maxTokens: 20, signal: controller.signal })) {
      seen.push(id)
      if (seen.length === 2) controller.abort(reason)
    }
    assert.unreachable()
  } catch (error) {
    assert.is(error, reason)
  }
  assert.is(seen.length, 2)
  try {
    await collect(net.generate([1], { signal: AbortSignal.abort(reason) }))
    assert.unreachable()
  } catch (error) {
    assert.is(error, reason)
  }
  net.dispose()
})

test('training changes what is generated; a loaded model generates the same', async () => {
  const net = small()
  net.compile({ optimizer: 'adam', loss: losses.sparseCategoricalCrossentropy({ fromLogits: true }) })
  const options = { maxTokens: 18, temperature: 1, seed: 4 } as const
  const before = await collect(net.generate([1, 2, 3], options))
  const x = tensor(
    Int32Array.from({ length: 160 }, (_, i) => i % 13),
    [8, 20],
  )
  await net.fit(x, x, { epochs: 3, verbose: 0 })
  const after = await collect(net.generate([1, 2, 3], options))
  assert.not.equal(after, before)
  const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-'))
  await net.save(folder)
  const again = (await loadModel(folder)) as unknown as Gpt
  assert.equal(await collect(again.generate([1, 2, 3], options)), after)
  rmSync(folder, { recursive: true })
  net.dispose()
  again.dispose()
})

test('what does not fit is refused at the call', () => {
  const net = small()
  refuses(() => net.generate([]), 'ERR_ARGUMENT', 'empty')
  refuses(() => net.generate(new Array(25).fill(1)), 'ERR_ARGUMENT', '25 tokens', 'sequenceLength 24')
  refuses(() => net.generate([1, 13]), 'ERR_ARGUMENT', 'prompt[1] is 13')
  refuses(() => net.generate([0.5]), 'ERR_ARGUMENT', 'prompt[0] is 0.5')
  refuses(() => net.generate(tensor([[1], [2]])), 'ERR_SHAPE', '[2,1]')
  refuses(() => net.generate('abc' as never), 'ERR_ARGUMENT', 'tokenizer')
  refuses(() => net.generate([1], { temperature: -1 }), 'ERR_ARGUMENT', 'temperature', '-1')
  refuses(() => net.generate([1], { temperature: Number.NaN }), 'ERR_ARGUMENT', 'temperature', 'NaN')
  refuses(() => net.generate([1], { topK: 0 }), 'ERR_ARGUMENT', 'topK')
  refuses(() => net.generate([1], { topP: 0 }), 'ERR_ARGUMENT', 'topP')
  refuses(() => net.generate([1], { topP: 1.1 }), 'ERR_ARGUMENT', 'topP', '1.1')
  refuses(() => net.generate([1], { maxTokens: 1.5 }), 'ERR_ARGUMENT', 'maxTokens')
  refuses(() => net.generate([1], { seed: 0.5 }), 'ERR_ARGUMENT', 'seed')
  refuses(() => net.generate([1], { stopTokens: 3 as never }), 'ERR_ARGUMENT', 'stopTokens')
  refuses(() => net.generate([1], { maxToken: 3 } as never), 'ERR_ARGUMENT', 'maxToken')
  refuses(() => generate({}, [1]), 'ERR_ARGUMENT', 'gpt()')
  net.dispose()
})

test.run()
