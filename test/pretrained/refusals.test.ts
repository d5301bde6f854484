// What a folder asks for and is not supported is refused by name, and what does not fit says what.
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadPretrained, type LoadPretrainedOptions } from '../../lib/index.js'
import { rejects } from '../expect.js'
import { fixture } from './fixtures.js'

const folder = await mkdtemp(path.join(os.tmpdir(), 'weft-refusals-'))
test.after(() => rm(folder, { recursive: true }))

/** A copy of a fixture whose config is changed. */
async function changed(base: string, change: Record<string, unknown>, file = 'config.json'): Promise<string> {
  const place = await mkdtemp(path.join(folder, `${base}-`))
  await cp(fixture(base), place, { recursive: true })
  const at = path.join(place, file)
  const json = await readFile(at, 'utf8').then(JSON.parse, () => ({}))
  await writeFile(at, JSON.stringify({ ...json, ...change }))
  return place
}

const CONFIGS: readonly (readonly [base: string, change: Record<string, unknown>, message: RegExp])[] = [
  ['llama', { model_type: 'mamba' }, /models of the type 'mamba' are not supported/],
  ['llama', { quantization_config: { bits: 4 } }, /asks for what is not supported: quantization_config/],
  ['llama', { num_experts: 8 }, /num_experts: 8/],
  ['llama', { partial_rotary_factor: 0.5 }, /partial_rotary_factor: 0.5 is not supported/],
  ['llama', { hidden_act: 'xielu' }, /the activation 'xielu' is not supported/],
  ['llama', { rope_scaling: { rope_type: 'spiral' } }, /rope_scaling of the type 'spiral'/],
  ['llama', { rope_scaling: { rope_type: 'linear', factor: 2, twist: 3 } }, /has twist/],
  ['llama', { rope_scaling: { rope_type: 'llama3', factor: 2 } }, /low_freq_factor must be a number/],
  ['llama', { num_key_value_heads: 3 }, /3 does not divide num_attention_heads 4/],
  ['llama', { hidden_size: 'wide' }, /hidden_size must be a number, got 'wide'/],
  ['llama', { architectures: ['LlamaForSequenceClassification'] }, /LlamaForSequenceClassification is not supported/],
  ['llama', { hidden_size: 32 }, /has shape \[40,16\], config.json makes it \[40,32\]/],
  ['llama', { num_hidden_layers: 1 }, /has 9 tensors that a model of its config does not have: model.layers.1/],
  ['llama', { num_hidden_layers: 3 }, /lacks 9 tensors that config.json asks for: model.layers.2/],
  ['qwen2', { layer_types: ['full_attention', 'linear_attention'] }, /'linear_attention' is not supported/],
  ['gpt2', { scale_attn_weights: false }, /scale_attn_weights: false is not supported/],
  ['bert-classes', { position_embedding_type: 'relative_key' }, /position_embedding_type: 'relative_key'/],
  ['bert-classes', { architectures: ['BertForQuestionAnswering'] }, /BertForQuestionAnswering is not supported/],
  ['vit', { image_size: 9 }, /image_size 9 is not cut by patch_size 4/],
]
for (const [base, change, message] of CONFIGS)
  test(`${base}: ${JSON.stringify(change)}`, async () => rejects('ERR_FORMAT', message, loadPretrained(await changed(base, change))))

test('fields that say nothing, and those that the user leaves alone', async () => {
  const place = await changed('llama', { num_experts: 8, custom: null, off: false, empty: {} })
  const { model } = await loadPretrained(place, { ignore: ['num_experts'] })
  model.dispose()
})

test('generation_config.json', async () => {
  const place = await changed(
    'llama',
    { num_beams: 4, no_repeat_ngram_size: 3, do_sample: true, temperature: 0.5 },
    'generation_config.json',
  )
  await rejects('ERR_FORMAT', /num_beams: 4, no_repeat_ngram_size: 3/, loadPretrained(place))
  const { model } = await loadPretrained(place, { generationConfig: false })
  model.dispose()
})

test('settings of older folders stand in config.json', async () => {
  const place = await changed('gpt2', { do_sample: true, temperature: 0.5, top_k: 7, repetition_penalty: 1.2 })
  const { model } = await loadPretrained(place)
  assert.equal(model.generationDefaults, { stopTokens: [39], temperature: 0.5, topK: 7, repetitionPenalty: 1.2 })
  model.dispose()
})

test('folders that are none', async () => {
  await rejects('ERR_FORMAT', /has no config.json/, loadPretrained(path.join(folder, 'nowhere')))
  const place = await changed('gpt2', {})
  await rm(path.join(place, 'model.safetensors'))
  await writeFile(path.join(place, 'pytorch_model.bin'), '')
  await rejects('ERR_FORMAT', /has no model.safetensors.*pytorch_model.bin/, loadPretrained(place))
  await writeFile(path.join(place, 'model.safetensors'), 'none')
  await rejects('ERR_FORMAT', /not a whole safetensors file/, loadPretrained(place))
  await rejects(
    'ERR_FORMAT',
    /is not JSON/,
    changed('gpt2', {}).then(async (dir) => {
      await writeFile(path.join(dir, 'config.json'), '{')
      return loadPretrained(dir)
    }),
  )
  const options: readonly (readonly [LoadPretrainedOptions, RegExp])[] = [
    [{ dtype: 'int8' as never }, /dtype is one of/],
    [{ sequenceLenght: 3 } as never, /Did you mean 'sequenceLength'/],
  ]
  for (const [option, message] of options) await rejects('ERR_ARGUMENT', message, loadPretrained(fixture('gpt2'), option))
  await rejects('ERR_FORMAT', /does not fit the 32 learned positions/, loadPretrained(fixture('gpt2'), { sequenceLength: 33 }))
  await rejects('ERR_FORMAT', /the task 'encoder' is not supported for gpt2/, loadPretrained(fixture('gpt2'), { task: 'encoder' }))
})

test('a tokenizer that is not supported leaves the model, where it is asked for alone', async () => {
  const place = await changed('gpt2', { model: { type: 'Unigram', vocab: {} } }, 'tokenizer.json')
  await rejects('ERR_FORMAT', /'Unigram'.*tokenizer: false/, loadPretrained(place))
  const { model, tokenizer } = await loadPretrained(place, { tokenizer: false })
  if (tokenizer !== undefined) throw new Error('no tokenizer was asked for')
  model.dispose()
})

test.run()
