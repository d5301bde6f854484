// Models of other programs in a repository, and published: each answers as the model that its importer gives.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { importOnnx, layers, loadKeras, loadPretrained, loadTfjs, sequential, Tensor, tensor } from '../../lib/index.js'
import type { AnyModel } from '../../lib/model/model.js'
import { connect, loadPublished, publish, serve } from '../../lib/serve/index.js'
import { codeOfAsync } from '../expect.js'
import { fixture } from '../pretrained/fixtures.js'
import { scratch } from './models.js'

const { folder, remove } = scratch()
test.after(remove)
const at = (...names: string[]): string => path.join(folder, ...names)

const keras = path.join(import.meta.dirname, '..', '..', '..', 'test', 'io', 'keras', 'stacked.keras')
const x = tensor([[0.5, -1, 2]])
const net = sequential([layers.dense({ units: 4, activation: 'relu', inputShape: [3] }), layers.dense({ units: 2, name: 'y' })])
await net.exportOnnx(at('digits.onnx'))
await net.exportTfjs(at('web'))

/** What a served model answers to a row of its only input. */
async function answered(url: string, name: string, row: Tensor): Promise<number[]> {
  const client = await connect(url)
  const { inputs } = await client.metadata(name)
  const { outputs } = await client.infer(name, { inputs: { [inputs[0]!.name]: row } })
  client.close()
  return [...((await Object.values(outputs)[0]!.data()) as Float32Array)]
}
const predicted = async (model: AnyModel, row: Tensor): Promise<number[]> => {
  const y = (await model.predict(row)) as Tensor | Record<string, Tensor>
  const one = y instanceof Tensor ? y : Object.values(y)[0]!
  return [...((await one.data()) as Float32Array)]
}

test('files and folders of other programs are versions of a repository', async () => {
  const models = at('models')
  mkdirSync(path.join(models, 'onnx', '1'), { recursive: true })
  mkdirSync(path.join(models, 'keras', '3'), { recursive: true })
  mkdirSync(path.join(models, 'flat'), { recursive: true })
  cpSync(at('digits.onnx'), path.join(models, 'onnx', '1', 'digits.onnx'))
  cpSync(keras, path.join(models, 'keras', '3', 'model.keras'))
  cpSync(at('web'), path.join(models, 'tfjs', '2'), { recursive: true })
  cpSync(at('digits.onnx'), path.join(models, 'flat', 'model.onnx'))
  cpSync(fixture('llama'), path.join(models, 'writer', '1'), { recursive: true })
  const server = await serve({ repository: models, http: { port: 0 } })
  try {
    const url = server.address.http!
    const onnx = await importOnnx(at('digits.onnx'))
    const web = await loadTfjs(at('web'))
    assert.equal(await answered(url, 'onnx', x), await predicted(onnx, x))
    assert.equal(await answered(url, 'flat', x), await predicted(onnx, x))
    assert.equal(await answered(url, 'tfjs', x), await predicted(web, x))
    const stacked = await loadKeras(keras)
    const client = await connect(url)
    const extents = (await client.metadata('keras')).inputs[0]!.shape.map((extent) => (extent < 0 ? 1 : extent))
    client.close()
    const row = tensor(
      Float32Array.from({ length: extents.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i)),
      extents,
    )
    assert.equal(await answered(url, 'keras', row), await predicted(stacked, row))
    const { model, tokenizer } = await loadPretrained(fixture('llama'))
    const ids: number[] = []
    for await (const id of model.generate(tokenizer.encode('the man'), { maxTokens: 3, temperature: 0, stopTokens: [] })) ids.push(id)
    const body = JSON.stringify({ text_input: 'the man', stop_tokens: [], parameters: { max_tokens: 3, temperature: 0 } })
    const reply = await fetch(`${url}/v2/models/writer/generate`, { method: 'POST', body })
    assert.equal(((await reply.json()) as { ids: number[] }).ids, ids)
    const index = await fetch(`${url}/v2/repository/index`, { method: 'POST', body: '{}' })
    const versions = ((await index.json()) as { name: string; version: string }[]).map(({ name, version }) => `${name}/${version}`)
    assert.equal(versions, ['flat/1', 'keras/3', 'onnx/1', 'tfjs/2', 'writer/1'])
  } finally {
    await server.close()
  }
})

test('an .onnx file is served beside a config.json of what it was made of, and not where its weights lie beside it', async () => {
  const models = at('described')
  for (const name of ['exported', 'writer']) mkdirSync(path.join(models, name, '1'), { recursive: true })
  cpSync(fixture('llama'), path.join(models, 'writer', '1'), { recursive: true })
  for (const name of ['exported', 'writer']) cpSync(at('digits.onnx'), path.join(models, name, '1', 'model.onnx'))
  cpSync(path.join(fixture('llama'), 'config.json'), path.join(models, 'exported', '1', 'config.json'))
  const server = await serve({ repository: models, http: { port: 0 } })
  try {
    const url = server.address.http!
    assert.equal(await answered(url, 'exported', x), await predicted(await importOnnx(at('digits.onnx')), x))
    const client = await connect(url)
    assert.equal(
      (await client.metadata('writer')).inputs.map(({ name }) => name),
      ['ids'],
    )
    client.close()
  } finally {
    await server.close()
  }
  const { folder: place } = await publish(path.join(models, 'exported', '1'), at('published'), { name: 'exported' })
  assert.equal(await predicted(await loadPublished(place), x), await predicted(await importOnnx(at('digits.onnx')), x))
})

test('published, they are saved models: signed and encrypted like others', async () => {
  const repository = at('published')
  writeFileSync(at('model.key'), Buffer.alloc(32, 7))
  const modelKey = `file:${at('model.key')}`
  const fromOnnx = await publish(at('digits.onnx'), repository, { modelKey })
  assert.equal([fromOnnx.name, fromOnnx.version], ['digits', 1])
  const onnx = await importOnnx(at('digits.onnx'))
  const loaded = await loadPublished(fromOnnx.folder, { modelKeys: [modelKey] })
  assert.equal(await predicted(loaded, x), await predicted(onnx, x))
  assert.ok(readdirSync(fromOnnx.folder).every((name) => !name.endsWith('.onnx')))
  for (const [source, options] of [
    [keras, {}],
    [at('web'), { name: 'web' }],
    [fixture('llama'), { name: 'writer' }],
  ] as const) {
    const { folder: place } = await publish(source, repository, options)
    assert.ok(existsSync(path.join(place, 'model.json')), source)
    const model = await loadPublished(place)
    model.dispose()
  }
  assert.ok((await loadPublished(path.join(repository, 'writer', '1'))).assets['tokenizer'] !== undefined)
})

test('a broken file leaves what was served, and where signatures are asked for files of others are refused', async () => {
  const models = at('broken')
  mkdirSync(path.join(models, 'm', '1'), { recursive: true })
  cpSync(at('digits.onnx'), path.join(models, 'm', '1', 'model.onnx'))
  const server = await serve({ repository: models, http: { port: 0 } })
  try {
    const bytes = readFileSync(at('digits.onnx'))
    mkdirSync(path.join(models, 'm', '2'))
    writeFileSync(path.join(models, 'm', '2', 'model.onnx'), bytes.subarray(0, bytes.length / 2))
    await server.refresh()
    const before = await predicted(await importOnnx(at('digits.onnx')), x)
    assert.equal(await answered(server.address.http!, 'm', x), before)
    const index = await fetch(`${server.address.http}/v2/repository/index`, { method: 'POST', body: '{}' })
    const entries = (await index.json()) as { version: string; state: string; reason: string }[]
    assert.equal(
      entries.map(({ version, state }) => `${version} ${state}`),
      ['1 READY', '2 UNAVAILABLE'],
    )
    assert.not.match(entries[1]!.reason, folder)
  } finally {
    await server.close()
  }
  const { publicKey } = await import('node:crypto').then(({ generateKeyPairSync }) => generateKeyPairSync('ed25519'))
  const signedBy = [publicKey.export({ type: 'spki', format: 'pem' }) as string]
  assert.is(await codeOfAsync(loadPublished(path.join(models, 'm', '1'), { signedBy })), 'ERR_FORMAT')
  // two models in one folder: nobody says which is meant
  cpSync(at('digits.onnx'), path.join(models, 'm', '1', 'other.onnx'))
  assert.is(await codeOfAsync(loadPublished(path.join(models, 'm', '1'))), 'ERR_FORMAT')
  rmSync(models, { recursive: true })
})

test.run()
