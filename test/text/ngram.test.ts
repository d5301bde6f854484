// The n-gram model against the formulas of its sources, written down without a trie; its probabilities; samples; wrong
// use.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { text } from '../../lib/index.js'
import { generator, throws } from '../expect.js'

type Ids = readonly number[]
const key = (ids: Ids): string => ids.join(' ')

/**
 * Every n-gram of the texts up to an order, with how often it occurs and which tokens (or the beginning, -1) stand
 * before it.
 */
function ngramsOf(texts: readonly Ids[], order: number): Map<string, { ids: Ids; count: number; before: Set<number> }> {
  const found = new Map<string, { ids: Ids; count: number; before: Set<number> }>()
  for (const tokens of texts) {
    for (let length = 1; length <= order; length++) {
      for (let i = 0; i + length <= tokens.length; i++) {
        const ids = tokens.slice(i, i + length)
        const entry = found.get(key(ids)) ?? { ids, count: 0, before: new Set() }
        found.set(key(ids), entry)
        entry.count++
        entry.before.add(i === 0 ? -1 : tokens[i - 1]!)
      }
    }
  }
  return found
}

/** Probability of a token after a context by definition. */
function reference(
  smoothing: 'kneserNey' | 'wittenBell',
  texts: readonly Ids[],
  order: number,
  vocabulary: number,
): (context: Ids, token: number) => number {
  const ngrams = [...ngramsOf(texts, order).values()]
  const weight = (ngram: { ids: Ids; count: number; before: Set<number> }): number =>
    smoothing === 'wittenBell' || ngram.ids.length === order ? ngram.count : ngram.before.size
  const weights = new Map(ngrams.map((ngram) => [key(ngram.ids), weight(ngram)]))
  const discounts = (length: number): number[] => {
    const n = [0, 1, 2, 3, 4].map((count) => ngrams.filter((g) => g.ids.length === length && weight(g) === count).length)
    const y = n[1]! / (n[1]! + 2 * n[2]!)
    const d = [1, 2, 3].map((count) => count - ((count + 1) * y * n[count + 1]!) / n[count]!)
    return d.map((value, i) => (value > 0 && value < i + 1 ? value : [0.5, 1, 1.5][i]!))
  }
  const byLength = Array.from({ length: order + 1 }, (_, length) => discounts(length))
  const probability = (whole: Ids, token: number): number => {
    const context = whole.slice(Math.max(0, whole.length - order + 1))
    const shorter = context.length === 0 ? 1 / vocabulary : probability(context.slice(1), token)
    const after = Array.from({ length: vocabulary }, (_, next) => weights.get(key([...context, next])) ?? 0)
    const total = after.reduce((a, b) => a + b, 0)
    if (total === 0) return shorter
    const own = after[token]!
    if (smoothing === 'wittenBell') {
      const kinds = after.filter((count) => count > 0).length
      return (own + kinds * shorter) / (total + kinds)
    }
    const discount = (count: number): number => (count === 0 ? 0 : byLength[context.length + 1]![Math.min(3, count) - 1]!)
    const left = after.reduce((sum, count) => sum + discount(count), 0)
    return (own - discount(own) + left * shorter) / total
  }
  return probability
}

const VOCABULARY = 7
function randomIds(seed: number, length: number): number[] {
  const next = generator(seed)
  // squared, so that some are rare; id 6 never occurs
  return Array.from({ length }, () => Math.floor(next() ** 2 * (VOCABULARY - 1)))
}

for (const smoothing of ['kneserNey', 'wittenBell'] as const) {
  for (const order of [1, 2, 3, 5]) {
    test(`${smoothing} of order ${order} as defined`, () => {
      const texts = [randomIds(order, 150), randomIds(order + 10, 2), randomIds(order + 20, 60)]
      const expected = reference(smoothing, texts, order, VOCABULARY)
      const model = text.ngramModel({ order, smoothing, vocabularySize: VOCABULARY }).fit(texts)
      const held = randomIds(99, 80)
      held[40] = 6
      let bits = 0
      for (let i = 0; i < held.length; i++) {
        const context = held.slice(0, i)
        const all = model.probabilities(context)
        assert.is(all.size, VOCABULARY)
        let sum = 0
        for (const [token, p] of all) {
          assert.ok(Math.abs(p - expected(context, token as number)) < 1e-12, `after ${context}: ${token} has ${p}`)
          assert.ok(p > 0)
          sum += p
        }
        assert.ok(Math.abs(sum - 1) < 1e-12, `the sum is ${sum}`)
        bits -= Math.log2(expected(context, held[i]!))
      }
      assert.ok(Math.abs(model.bitsPerToken(held) - bits / held.length) < 1e-12)
      assert.ok(Math.abs(model.perplexity([held]) - 2 ** (bits / held.length)) < 1e-9)
    })
  }
}

test('characters, also beyond 16 bits; unknown ones share one probability', () => {
  const model = text.ngramModel({ order: 3 }).fit('今天👍今天👍今夜').fit(['ab', 'a👍'])
  assert.is(model.vocabularySize, 7)
  const all = model.probabilities('今天')
  assert.equal([...all.keys()], ['', '今', '天', '👍', '夜', 'a', 'b'])
  assert.ok(all.get('👍')! > 0.5)
  assert.is(model.bitsPerToken('z'), model.bitsPerToken('é'))
  assert.ok(Number.isFinite(model.bitsPerToken('今zé👍')))
})

test('fit adds up, and a longer memory predicts a regular text better', () => {
  const line = 'she sells sea shells by the sea shore. '
  const once = text.ngramModel({ order: 4 }).fit([line.repeat(3), line.repeat(2)])
  const twice = text.ngramModel({ order: 4 }).fit(line.repeat(3)).fit(line.repeat(2))
  assert.is(once.bitsPerToken(line), twice.bitsPerToken(line))
  const bits = [1, 2, 3, 5].map((order) => text.ngramModel({ order }).fit(line.repeat(20)).bitsPerToken(line.repeat(2)))
  for (let i = 1; i < bits.length; i++) assert.ok(bits[i]! < bits[i - 1]!, String(bits))
})

test('samples repeat with their seed, follow the prompt and have only known characters', () => {
  const model = text.ngramModel({ order: 3 }).fit('abcabcabcabcabcabc'.repeat(20))
  const sample = model.sample({ length: 50, seed: 3 }) as string
  assert.is(sample.length, 50)
  assert.is(model.sample({ length: 50, seed: 3 }), sample)
  assert.is.not(model.sample({ length: 50, seed: 4, temperature: 3 }), sample)
  assert.is(model.sample({ length: 6, prompt: 'ab', temperature: 0.05, seed: 1 }), 'cabcab')
  assert.equal(
    text
      .ngramModel({ order: 2 })
      .fit([0, 1, 0, 1, 0, 1, 0, 1])
      .sample({ length: 3, prompt: [0], temperature: 0.05, seed: 1 }),
    [1, 0, 1],
  )
})

test('wrong use is an error', () => {
  throws('ERR_ARGUMENT', /order .* got 0/, () => text.ngramModel({ order: 0 }))
  throws('ERR_ARGUMENT', /'katz'/, () => text.ngramModel({ smoothing: 'katz' as never }))
  throws('ERR_STATE', /fit/, () => text.ngramModel().bitsPerToken('a'))
  throws('ERR_ARGUMENT', /characters, got ids/, () => text.ngramModel().fit('a').bitsPerToken([1]))
  throws('ERR_DATA', /got -1/, () => text.ngramModel().fit([1, -1]))
  throws('ERR_DATA', /0 to 1, got 2/, () => text.ngramModel().fit([0, 1]).bitsPerToken([2]))
  throws('ERR_ARGUMENT', /empty/, () => text.ngramModel().fit('a').bitsPerToken(''))
  throws('ERR_ARGUMENT', /temperature/, () => text.ngramModel().fit('a').sample({ temperature: 0 }))
})

test.run()
