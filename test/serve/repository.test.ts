// The repository: which folders are models and versions, policies and labels, loading before unloading, failed loads.
import { execFile } from 'node:child_process'
import { mkdirSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { WeftError } from '../../lib/index.js'
import type { InferRequest } from '../../lib/serve/protocol/request.js'
import { findModel, modelNames } from '../../lib/serve/repository/folder.js'
import { Repository } from '../../lib/serve/repository/repository.js'
import { chosen, MODEL_NAME, settingsOf } from '../../lib/serve/repository/settings.js'
import type { ServedModel } from '../../lib/serve/served_model.js'
import { codeOf, codeOfAsync, rejects, throws } from '../expect.js'
import { scaling, scratch } from './models.js'

const { folder: base, remove } = scratch()
test.after(remove)
let count = 0
const newRoot = (): string => {
  const root = path.join(base, `root${count++}`)
  mkdirSync(root)
  return root
}
const save = async (root: string, name: string, by: number): Promise<void> => {
  const net = scaling(by)
  await net.save(path.join(root, name))
  net.dispose()
}
const open = (root: string, failures: string[] = []): Promise<Repository> =>
  Repository.open(root, { batching: { maxBatchSize: 4 }, load: {}, failed: (model) => failures.push(model) })
const settings = (root: string, model: string, value: unknown): void =>
  writeFileSync(path.join(root, model, 'serve.json'), typeof value === 'string' ? value : JSON.stringify(value))

const request: InferRequest = {
  id: undefined,
  priority: 0,
  timeoutMs: undefined,
  inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], bytes: new Uint8Array(Float32Array.of(1, 0).buffer) }],
  outputs: undefined,
  binaryOutputs: true,
}
const factor = async (served: ServedModel): Promise<number> => {
  const { outputs } = await served.infer(request)
  return new Float32Array(new Uint8Array(outputs[0]!.tensor.bytes).buffer)[0]!
}

test('names of models and versions', async () => {
  for (const name of ['a', 'A1', 'a.b-c_d', '0', `a${'b'.repeat(127)}`]) assert.ok(MODEL_NAME.test(name), name)
  for (const name of ['', '.', '..', '../etc', 'a/b', 'a\\b', ' a', 'a ', '-a', '_a', '.a', 'é', 'a\0', 'a\n', `a${'b'.repeat(128)}`])
    assert.not.ok(MODEL_NAME.test(name), JSON.stringify(name))
  const root = newRoot()
  for (const name of ['digits', '.hidden', '-x', 'b c']) mkdirSync(path.join(root, name))
  writeFileSync(path.join(root, 'file'), '')
  symlinkSync('/etc', path.join(root, 'link'))
  assert.equal(await modelNames(root), ['digits'])
  for (const version of ['1', '2', '10', '01', '0', '-1', '1.5', 'x', '1e3', '9'.repeat(16)]) mkdirSync(path.join(root, 'digits', version))
  symlinkSync('/etc', path.join(root, 'digits', '3'))
  writeFileSync(path.join(root, 'digits', '4'), '')
  assert.equal(
    [...(await findModel(root, 'digits'))!.versions.keys()].sort((a, b) => a - b),
    [1, 2, 10],
  )
  for (const name of ['link', '.hidden', '..', '../root0', '', 'file', 'digits/1', 'constructor'])
    assert.is(await findModel(root, name), undefined, name)
})

test('policies pick versions', () => {
  assert.equal(chosen([10, 2, 1]), [10])
  assert.equal(chosen([10, 2, 1], { latest: 2 }), [2, 10])
  assert.equal(chosen([10, 2, 1], 'all'), [1, 2, 10])
  assert.equal(chosen([10, 2, 1], { specific: [3, 1] }), [1])
  assert.equal(chosen([], 'all'), [])
  assert.equal(chosen([10, 2, 1], undefined, [1, 3]), [1, 10], 'those with labels too')
  assert.equal(chosen([10, 2, 1], { latest: 1 }, [1]), [10])
  assert.equal(chosen([], undefined, [1]), [])
})

test('serve.json is checked whole', () => {
  assert.equal(settingsOf('m', '{}'), {})
  settingsOf('m', '{"versionPolicy":{"specific":[1,2]},"labels":{"stable":1,"canary":2},"batching":{"maxBatchSize":8}}')
  const wrong = [
    '',
    '[]',
    'null',
    '1',
    '{"versionpolicy":"all"}',
    '{"versionPolicy":"some"}',
    '{"versionPolicy":{}}',
    '{"versionPolicy":{"latest":0}}',
    '{"versionPolicy":{"latest":1,"specific":[1]}}',
    '{"versionPolicy":{"specific":1}}',
    '{"versionPolicy":{"specific":["1"]}}',
    '{"versionPolicy":null}',
    '{"labels":{"1":1}}',
    '{"labels":{"a b":1}}',
    '{"labels":{"stable":"1"}}',
    '{"labels":{"stable":0}}',
    '{"batching":{"maxBatch":8}}',
    '{"batching":{"maxBatchSize":"8"}}',
  ]
  for (const text of wrong) throws('ERR_FORMAT', /serve\.json of model 'm'/, () => settingsOf('m', text))
})

test('the newest version is served by default, others by number where the policy picks them', async () => {
  const root = newRoot()
  await save(root, 'm/1', 1)
  await save(root, 'm/2', 2)
  const repository = await open(root)
  await repository.load('m')
  assert.is(await factor(repository.resolve('m')), 2)
  assert.is(
    codeOf(() => repository.resolve('m', '1')),
    'ERR_NOT_FOUND',
  )
  settings(root, 'm', { versionPolicy: 'all' })
  await repository.load('m')
  assert.is(await factor(repository.resolve('m', '1')), 1)
  assert.is(await factor(repository.resolve('m', '2')), 2)
  for (const version of ['3', '01', '-1', 'x', '../2', '1.0', '__proto__'])
    assert.is(
      codeOf(() => repository.resolve('m', version)),
      'ERR_NOT_FOUND',
      version,
    )
  for (const name of ['n', '..', '__proto__', 'm/1', 'M'])
    assert.is(
      codeOf(() => repository.resolve(name)),
      'ERR_NOT_FOUND',
      name,
    )
  await repository.close()
})

test('labels name versions; moving one is a rollback; one that names a version that is not loaded changes nothing', async () => {
  const root = newRoot()
  await save(root, 'm/1', 1)
  await save(root, 'm/2', 2)
  settings(root, 'm', { versionPolicy: 'all', labels: { stable: 1, canary: 2 } })
  const repository = await open(root)
  await repository.load('m')
  assert.is(await factor(repository.resolve('m')), 1, 'stable answers where no version is named')
  assert.is(await factor(repository.resolve('m', 'canary')), 2)
  const kept = repository.resolve('m', '2')
  settings(root, 'm', { versionPolicy: 'all', labels: { stable: 2 } })
  await repository.load('m')
  assert.is(await factor(repository.resolve('m')), 2)
  assert.is(repository.resolve('m', '2'), kept, 'nothing was loaded again')
  assert.is(
    codeOf(() => repository.resolve('m', 'canary')),
    'ERR_NOT_FOUND',
  )
  settings(root, 'm', { versionPolicy: 'all', labels: { stable: 3 } })
  await rejects('ERR_STATE', /label 'stable' names version 3/, repository.load('m'))
  assert.is(await factor(repository.resolve('m', 'stable')), 2)
  await repository.close()
})

test('a model right in its folder is version 1', async () => {
  const root = newRoot()
  await save(root, 'm', 3)
  const repository = await open(root)
  await repository.load('m')
  assert.is(await factor(repository.resolve('m', '1')), 3)
  await repository.close()
})

test('a version that cannot be loaded leaves what was there, says why without paths, and is loaded once it is whole', async () => {
  const root = newRoot()
  await save(root, 'm/1', 1)
  const failures: string[] = []
  const repository = await open(root, failures)
  await repository.load('m')
  await save(root, 'm/2', 2)
  truncateSync(path.join(root, 'm/2/weights.safetensors'), 10)
  await rejects('ERR_FORMAT', /./, repository.load('m'))
  assert.is(await factor(repository.resolve('m')), 1)
  const [, second] = await repository.index()
  assert.equal([second!.version, second!.state], ['2', 'UNAVAILABLE'])
  assert.ok(second!.reason!.length > 0)
  assert.not.ok(second!.reason!.includes(base), second!.reason)
  await repository.refresh()
  assert.equal(failures, ['m'])
  assert.is(
    codeOf(() => repository.resolve('m', '2')),
    'ERR_UNAVAILABLE',
  )
  rmSync(path.join(root, 'm/2'), { recursive: true })
  await save(root, 'm/2', 2)
  await repository.refresh()
  assert.is(await factor(repository.resolve('m')), 2)
  assert.is(
    codeOf(() => repository.resolve('m', '1')),
    'ERR_UNAVAILABLE',
    'the policy lets the old one go',
  )
  await repository.close()
})

test('files that are replaced by broken ones: the version goes on; by good ones: it is replaced', async () => {
  const root = newRoot()
  await save(root, 'm/1', 1)
  const repository = await open(root)
  await repository.load('m')
  await save(root, 'spare', 5)
  renameSync(path.join(root, 'm/1'), path.join(root, 'old'))
  mkdirSync(path.join(root, 'm/1'))
  writeFileSync(path.join(root, 'm/1/model.json'), '{')
  await rejects('ERR_FORMAT', /./, repository.load('m'))
  assert.is(await factor(repository.resolve('m')), 1)
  rmSync(path.join(root, 'm/1'), { recursive: true })
  renameSync(path.join(root, 'spare'), path.join(root, 'm/1'))
  await repository.load('m')
  assert.is(await factor(repository.resolve('m')), 5)
  await repository.close()
})

test('swaps under load: no request fails, and each has the answer of one version', async () => {
  const root = newRoot()
  await save(root, 'm/1', 1)
  await save(root, 'm/2', 2)
  settings(root, 'm', { versionPolicy: { specific: [1] } })
  const repository = await open(root)
  await repository.load('m')
  let done = false
  const answers: number[] = []
  const client = async (): Promise<void> => {
    while (!done) {
      const served = repository.resolve('m')
      const found = await factor(served)
      assert.is(`${found}`, served.version)
      answers.push(found)
    }
  }
  const clients = [client(), client(), client()]
  for (let swap = 0; swap < 20; swap++) {
    settings(root, 'm', { versionPolicy: { specific: [1 + ((swap + 1) % 2)] } })
    await repository.load('m')
  }
  done = true
  await Promise.all(clients)
  assert.ok(answers.includes(1) && answers.includes(2))
  await repository.close()
})

test('unload: known again after a load, unknown names are refused', async () => {
  const root = newRoot()
  await save(root, 'm/1', 1)
  const repository = await open(root)
  await Promise.all([repository.load('m'), repository.load('m')])
  const served = repository.resolve('m')
  const last = factor(served)
  await repository.unload('m')
  assert.is(await last, 1, 'what was accepted is answered')
  assert.is(
    codeOf(() => repository.resolve('m')),
    'ERR_UNAVAILABLE',
  )
  assert.is(await codeOfAsync(factor(served)), 'ERR_UNAVAILABLE')
  await repository.load('m')
  assert.is(await factor(repository.resolve('m')), 1)
  for (const name of ['n', '../m', '..', '', 'm/1', '/etc', '__proto__']) {
    assert.is(await codeOfAsync(repository.load(name)), 'ERR_NOT_FOUND', name)
    assert.is(await codeOfAsync(repository.unload(name)), 'ERR_NOT_FOUND', name)
  }
  rmSync(path.join(root, 'm'), { recursive: true })
  await repository.refresh()
  assert.is(
    codeOf(() => repository.resolve('m')),
    'ERR_UNAVAILABLE',
    'what is gone from the folder is taken out',
  )
  await repository.close()
})

test('models of the program', async () => {
  const repository = await Repository.open(undefined, { batching: {}, load: {} })
  const net = scaling(4)
  await repository.add('mine', net)
  assert.is(await factor(repository.resolve('mine')), 4)
  assert.is(await codeOfAsync(repository.add('../mine', net)), 'ERR_ARGUMENT')
  await repository.close()
  assert.equal(await (await net.predict([[1, 1]])).array(), [[4, 4]], "they stay the program's")
  assert.is(await codeOfAsync(Repository.open(path.join(base, 'none'), { batching: {}, load: {} })), 'ERR_ARGUMENT')
  assert.instance(await Repository.open(path.join(base, 'none'), { batching: {}, load: {} }).catch((error: unknown) => error), WeftError)
})

test('at the limit of open files what is served stays, and is followed again later', async () => {
  const root = newRoot()
  await save(root, 'm/1', 2)
  await save(root, 'n/1', 2)
  const program = `
    const { openSync, closeSync } = await import('node:fs')
    const { Repository } = await import(${JSON.stringify(new URL('../../lib/serve/repository/repository.js', import.meta.url).href)})
    const failures = []
    const repository = await Repository.open(${JSON.stringify(root)}, { batching: {}, load: {}, failed: (model, error) => failures.push(error.code) })
    await repository.refresh()
    const names = () => repository.ready().map(({ name }) => name).join()
    const before = names()
    const held = []
    try { for (;;) held.push(openSync('/dev/null')) } catch (error) { failures.push(error.code) }
    for (let left = 0; left < 4; left++) {
      await repository.refresh().catch((error) => failures.push(error.code))
      failures.push(names())
      closeSync(held.pop())
    }
    held.forEach((file) => closeSync(file))
    await repository.refresh()
    console.log(JSON.stringify({ before, failures, after: names() }))
    await repository.close()`
  const { stdout } = await promisify(execFile)('sh', [
    '-c',
    'ulimit -n 500 && exec "$0" --input-type=module -e "$1"',
    process.execPath,
    program,
  ])
  const { before, failures, after } = JSON.parse(stdout) as { before: string; failures: string[]; after: string }
  assert.equal([before, after], ['m,n', 'm,n'])
  assert.is(failures[0], 'EMFILE')
  assert.ok(failures.length > 5, 'the folder could not be read at least once')
  assert.equal(
    failures.slice(1).filter((text) => text.includes(',') && text !== 'm,n'),
    [],
  )
  assert.is(failures.filter((text) => text === 'm,n').length, 4, 'after each look both are served')
})

test.run()
