// Folders that were changed at random: each gives a model, or an error of a known kind; nothing is held that they do
// not have.
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadPretrained, lora, type PretrainedModel, type Tensor } from '../../lib/index.js'
import { generator } from '../expect.js'
import { fixture } from './fixtures.js'

const ROUNDS = Number(process.env['WEFT_FUZZ'] ?? 30)
const folder = await mkdtemp(path.join(os.tmpdir(), 'weft-pretrained-fuzz-'))
test.after(() => rm(folder, { recursive: true }))

const ODD: readonly unknown[] = [
  0,
  -1,
  1,
  2,
  3,
  5,
  0.5,
  1e9,
  2 ** 31,
  2 ** 53,
  1e308,
  '',
  'x',
  'full_attention',
  null,
  true,
  false,
  [],
  [1, 2],
  ['a'],
  {},
  { a: 1 },
]
const CODES: ReadonlySet<string> = new Set(['ERR_FORMAT', 'ERR_ARGUMENT', 'ERR_SHAPE', 'ERR_DATA', 'ERR_DTYPE', 'ERR_OUT_OF_MEMORY'])

/** A copy of the JSON in which some values are others. */
function mutated(json: unknown, next: () => number): unknown {
  const places: [Record<string, unknown>, string][] = []
  const copy: unknown = structuredClone(json)
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    for (const key of Object.keys(value)) {
      places.push([value as Record<string, unknown>, key])
      visit((value as Record<string, unknown>)[key])
    }
  }
  visit(copy)
  for (let i = 0; i < 1 + next() * 2; i++) {
    const [where, key] = places[Math.floor(next() * places.length)]!
    if (next() < 0.15) delete where[key]
    else where[key] = ODD[Math.floor(next() * ODD.length)]
  }
  return copy
}

/** The bytes with some changed, left out or cut off. */
function broken(bytes: Buffer, next: () => number): Buffer {
  const copy = Buffer.from(bytes)
  const at = Math.floor(next() ** 3 * copy.length)
  const kind = next()
  if (kind < 0.6) copy[at] = Math.floor(next() * 256)
  else if (kind < 0.8) return copy.subarray(0, at)
  else return Buffer.concat([copy.subarray(0, at), copy.subarray(at + 1 + Math.floor(next() * 8))])
  return copy
}

async function attempt(what: string, load: () => Promise<{ dispose(): void }>): Promise<boolean> {
  try {
    const model = await load()
    model.dispose()
    return true
  } catch (error) {
    const { code, message } = error as { code?: string; message: string }
    assert.ok(code !== undefined && CODES.has(code), `${what}: ${code}: ${message} ${(error as Error).stack}`)
    return false
  }
}

const modelOf = async (place: string): Promise<PretrainedModel<Tensor, Tensor>> =>
  (await loadPretrained<PretrainedModel<Tensor, Tensor>>(place)).model

for (const [base, file] of [
  ['gpt2', 'config.json'],
  ['qwen2', 'config.json'],
  ['gemma3', 'config.json'],
  ['rope-longrope', 'config.json'],
  ['roberta-classes', 'config.json'],
  ['vit', 'config.json'],
  ['llama', 'tokenizer.json'],
  ['llama', 'tokenizer_config.json'],
  ['llama', 'generation_config.json'],
  ['llama', 'model.safetensors.index.json'],
] as const) {
  test(`${base}: ${file} of other values`, async () => {
    const next = generator(base.length * 31 + file.length)
    const place = path.join(folder, `${base}-${file}`)
    await cp(fixture(base), place, { recursive: true })
    const json: unknown = JSON.parse(await readFile(path.join(place, file), 'utf8'))
    for (let i = 0; i < ROUNDS; i++) {
      const text = JSON.stringify(mutated(json, next))
      await writeFile(path.join(place, file), text)
      await attempt(text.slice(0, 2000), () => modelOf(place))
    }
  })
}

test('weights of other bytes', async () => {
  const next = generator(77)
  const place = path.join(folder, 'bytes')
  await cp(fixture('gpt2'), place, { recursive: true })
  const bytes = await readFile(path.join(place, 'model.safetensors'))
  let good = 0
  for (let i = 0; i < 3 * ROUNDS; i++) {
    await writeFile(path.join(place, 'model.safetensors'), broken(bytes, next))
    if (await attempt(`round ${i}`, () => modelOf(place))) good++
  }
  // a changed value is a value
  assert.ok(good > 0 && good < 3 * ROUNDS, `${good} of ${3 * ROUNDS} loaded`)
})

test('adapters of other values', async () => {
  const next = generator(5)
  const place = path.join(folder, 'adapter')
  await cp(fixture('llama-lora'), place, { recursive: true })
  const json: unknown = JSON.parse(await readFile(path.join(place, 'adapter_config.json'), 'utf8'))
  const { model } = await loadPretrained(fixture('llama'))
  for (let i = 0; i < ROUNDS; i++) {
    const text = JSON.stringify(mutated(json, next))
    await writeFile(path.join(place, 'adapter_config.json'), text)
    await attempt(text, async () => {
      const tuned = await lora.load(model, place)
      return { dispose: () => void tuned.unload() }
    })
    assert.ok(
      [...model.linears().values()].every((linear) => !linear.adapter),
      text,
    )
  }
  model.dispose()
})

test.run()
