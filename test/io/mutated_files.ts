// Mutated files of each format: every one loads as a valid model or is a WeftError, in little time. For the short test
// and for bench/files-fuzz.mjs.
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { strToU8, type Unzipped, unzipSync, zipSync } from 'fflate'
import * as assert from 'uvu/assert'
import { layers, loadKeras, loadModel, loadTfjs, model, input, sequential, text, WeftError } from '../../lib/index.js'
import { hdf5Values } from '../../lib/keras/hdf5_values.js'
import { readSafetensors } from '../../lib/io/safetensors.js'
import { generator } from '../expect.js'
import { mutator } from './mutations.js'

const MOST_MS = 4000

/** A file to mutate, and what reads it. */
interface Target {
  readonly name: string
  readonly whole: Buffer
  readonly json: boolean
  /** Puts the mutated bytes where they are read. */
  readonly put: (bytes: Buffer) => Promise<void>
  readonly read: () => Promise<unknown>
}

async function targets(folder: string, fixtures: string): Promise<Target[]> {
  const place = (...parts: string[]): string => path.join(folder, ...parts)
  const x = input({ shape: [4] })
  const nested = sequential([layers.dense({ units: 3, inputShape: [4] }), layers.batchNormalization()])
  const words = layers.gru({ units: 2, resetAfter: false }).apply(layers.reshape({ targetShape: [3, 1] }).apply(nested.apply(x)))
  const net = model({ inputs: x, outputs: layers.dense({ units: 2 }).apply(words) })
  net.compile({ optimizer: 'adam', loss: 'mse' })
  await net.exportTfjs(place('tfjs'))
  await net.save(place('weft'))
  await net.saveWeights(place('w.safetensors'))
  const found: Target[] = []
  const inFolder = (name: string, from: string, file: string, json: boolean, read: (where: string) => Promise<unknown>): Promise<void> =>
    (async () => {
      const to = place(`${name}-${file}`.replaceAll('/', '-'))
      await mkdir(to, { recursive: true })
      await cp(from, to, { recursive: true })
      const whole = await readFile(path.join(from, file))
      found.push({ name: `${name}/${file}`, whole, json, put: (bytes) => writeFile(path.join(to, file), bytes), read: () => read(to) })
    })()
  for (const file of ['model.json', 'training.json', 'weights.safetensors'])
    await inFolder('weft', place('weft'), file, file.endsWith('.json'), (where) => loadModel(where, { verify: false }))
  for (const file of ['model.json', 'group1-shard1of1.bin'])
    await inFolder('tfjs', place('tfjs'), file, file.endsWith('.json'), (where) => loadTfjs(where))
  const alone = place('alone.safetensors')
  found.push({
    name: 'safetensors',
    whole: await readFile(place('w.safetensors')),
    json: false,
    put: (bytes) => writeFile(alone, bytes),
    read: () => readSafetensors(alone),
  })
  const keras = place('mutated.keras')
  const original = await readFile(path.join(fixtures, 'keras', 'two.keras'))
  const parts = unzipSync(original)
  const zipped = (change: Unzipped): Buffer => Buffer.from(zipSync({ ...parts, ...change }, { level: 0 }))
  const config = Buffer.from(parts['config.json']!)
  const weights = Buffer.from(parts['model.weights.h5']!)
  found.push(
    {
      name: 'keras/config.json',
      whole: config,
      json: true,
      put: (bytes) => writeFile(keras, zipped({ 'config.json': Uint8Array.from(bytes) })),
      read: () => loadKeras(keras),
    },
    { name: 'keras/zip', whole: original, json: false, put: (bytes) => writeFile(keras, bytes), read: () => loadKeras(keras) },
  )
  let bytes: Uint8Array = weights
  found.push({
    name: 'keras/model.weights.h5',
    whole: weights,
    json: false,
    put: async (given) => {
      bytes = given
    },
    // as the worker reads it, without one for each
    read: async () => {
      try {
        return hdf5Values(Uint8Array.from(bytes).buffer)
      } catch (error) {
        throw new WeftError('ERR_FORMAT', String(error))
      }
    },
  })
  const tokenizer = text.bytePairEncoding.train(['one two three two', 'three four'], { vocabularySize: 300 })
  const file = place('tokenizer.json')
  const json = strToU8(JSON.stringify(tokenizer))
  found.push({
    name: 'tokenizer.json',
    whole: Buffer.from(json),
    json: true,
    put: (given) => writeFile(file, given),
    read: () => text.loadTokenizer(file),
  })
  return found
}

/** Reads `count` mutated files of all formats; the numbers of those that load, by format. Throws at what is neither. */
export async function fuzzFiles(
  count: number,
  seed: number,
  folder: string,
  fixtures: string,
  told?: (line: string) => void,
): Promise<Map<string, number>> {
  const random = generator(seed)
  const { textOf, mutated, mutatedBytes } = mutator(random)
  const all = await targets(folder, fixtures)
  const loaded = new Map(all.map(({ name }) => [name, 0]))
  // files that need a thread each are fewer
  const slow = all.filter(({ name }) => name === 'keras/config.json' || name === 'keras/zip')
  const quick = all.filter((target) => !slow.includes(target))
  for (let round = 0; round < count; round++) {
    const list = round % 20 === 0 ? slow : quick
    const target = list[Math.floor(random() * list.length)]!
    const bytes =
      target.json && random() < 0.8 ? Buffer.from(textOf(mutated(JSON.parse(target.whole.toString())))) : mutatedBytes(target.whole)
    await target.put(bytes)
    const begin = process.cpuUsage()
    const shown = (error: unknown): string =>
      `seed ${seed}, round ${round}, ${target.name}: ${String((error as Error)?.stack ?? error)}\n${bytes.toString('latin1').slice(0, 2000)}`
    try {
      const made = await target.read()
      if (typeof (made as { dispose?: unknown })?.dispose === 'function') (made as { dispose(): void }).dispose()
      loaded.set(target.name, loaded.get(target.name)! + 1)
    } catch (error) {
      assert.ok(error instanceof WeftError, shown(error))
      assert.ok(['ERR_FORMAT', 'ERR_OUT_OF_MEMORY', 'ERR_ARGUMENT'].includes((error as WeftError).code), shown(error))
      assert.ok((error as Error).message.length < 3000, shown(error))
    }
    const { user, system } = process.cpuUsage(begin)
    assert.ok((user + system) / 1000 < MOST_MS, shown(`took ${(user + system) / 1000} ms`))
    if (told && round % 10_000 === 9999) told(`${round + 1}: ${(process.memoryUsage().rss / 2 ** 20).toFixed(0)} MiB`)
  }
  return loaded
}
