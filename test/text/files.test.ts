// Damaged tokenizer files: whatever stands in them, the error is a WeftError, or the tokenizer works.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { text, WeftError } from '../../lib/index.js'
import { generator } from '../expect.js'
import { integer, pick, type Random, randomText } from './corpus.js'

const TEXTS = ['The cat sat on the mat, the cat!', 'A dog isn’t a cat. 今天 👍', '<|end|> [MASK] the end']

const keras = text.tokenizer({ oovToken: '<oov>' })
keras.fitOnTexts(TEXTS)
const bpe = JSON.parse(
  JSON.stringify(text.bytePairEncoding.train(TEXTS, { vocabularySize: 270, specialTokens: ['<|end|>'], pattern: 'cl100k' })),
)
bpe.normalizer = { type: 'Sequence', normalizers: [{ type: 'NFC' }, { type: 'Lowercase' }] }
const files: Record<string, unknown> = {
  keras: JSON.parse(JSON.stringify(keras)),
  bpe,
  wordPiece: JSON.parse(JSON.stringify(text.wordPiece.train(TEXTS, { vocabularySize: 60 }))),
}

const VALUES = [null, true, -1, 0, 1.5, 1e9, '', 'x', '{}', '{"a": 1', [], [null], {}, { type: 'ByteLevel' }, { id: 1 }, { a: 'b' }]

/** Replaces or removes one value somewhere in the tree; the vocabularies are seldom the place. */
function damage(tree: unknown, next: Random): void {
  const keys = Object.keys(tree as object)
  if (keys.length === 0) return
  const key = pick(next, keys) as never
  const inside = (tree as object)[key] as unknown
  if (typeof inside === 'object' && inside !== null && next() < 0.8) damage(inside, next)
  else if (next() < 0.2) delete (tree as object)[key]
  else (tree as Record<string, unknown>)[key] = structuredClone(pick(next, VALUES))
}

for (const [name, whole] of Object.entries(files)) {
  test(`${name} files with anything in them`, () => {
    const next = generator(17)
    let refused = 0
    for (let i = 0; i < 2000; i++) {
      const damaged = structuredClone(whole)
      for (let n = integer(next, 1, 3); n > 0; n--) damage(damaged, next)
      const json: unknown = JSON.parse(JSON.stringify(damaged))
      try {
        const tokenizer = text.tokenizerFromJson(json as object)
        const one = randomText(next, 5)
        if (tokenizer instanceof text.Tokenizer) tokenizer.sequencesToTexts(tokenizer.textsToSequences([one]))
        else tokenizer.decode(tokenizer.encode(one, { pair: 'the cat' }))
      } catch (error) {
        if (!(error instanceof WeftError)) throw new Error(`${JSON.stringify(json).slice(0, 500)}: ${(error as Error).stack}`)
        assert.ok(['ERR_FORMAT', 'ERR_ARGUMENT', 'ERR_DATA', 'ERR_STATE'].includes(error.code), error.code)
        refused++
      }
    }
    assert.ok(refused > 300 && refused < 2000, `${refused} of 2,000 were refused`)
  })
}

test.run()
