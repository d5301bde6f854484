// Canaries: shares and shadows, and what rolls them back: errors, latency, disagreement.
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { WeftError } from '../../lib/index.js'
import { connect, serve } from '../../lib/serve/index.js'
import type { InferRequest } from '../../lib/serve/protocol/request.js'
import type { InferReply } from '../../lib/serve/protocol/response.js'
import { Repository } from '../../lib/serve/repository/repository.js'
import { type CanarySettings, Rollout } from '../../lib/serve/repository/rollout.js'
import { settingsOf } from '../../lib/serve/repository/settings.js'
import { codeOf, codeOfAsync } from '../expect.js'
import { scaling, scratch } from './models.js'

const { folder, remove } = scratch()
test.after(remove)

const request = {} as InferRequest
const replyOf = (version: string, ...values: number[]): InferReply => ({
  model: 'm',
  version,
  id: undefined,
  outputs: [
    {
      binary: true,
      tensor: { name: 'y', datatype: 'FP32', shape: [values.length], bytes: new Uint8Array(Float32Array.from(values).buffer) },
    },
  ],
})
type Infer = (request: InferRequest) => Promise<InferReply>
function trial(settings: CanarySettings, canary: Infer, stable: Infer = async () => replyOf('1', 1)) {
  const reasons: string[] = []
  const served = (version: string, infer: Infer) => ({ version, waiting: 0, infer }) as never
  const rollout = new Rollout(
    'm',
    settings,
    '',
    () => served('1', stable),
    () => served('2', canary),
    (reason) => reasons.push(reason),
  )
  return { rollout, reasons }
}
const versions = async (rollout: Rollout, count: number): Promise<string> => {
  let text = ''
  for (let i = 0; i < count; i++) text += (await rollout.infer(request)).version
  return text
}

test('a share is spread evenly', async () => {
  const { rollout, reasons } = trial({ share: 0.25 }, async () => replyOf('2', 1))
  assert.is(await versions(rollout, 12), '111211121112')
  assert.is((await versions(trial({ share: 0.1 }, async () => replyOf('2', 1)).rollout, 1000)).replaceAll('1', '').length, 100)
  assert.is(await versions(trial({ share: 1 }, async () => replyOf('2', 1)).rollout, 3), '222')
  assert.is(await versions(trial({}, async () => replyOf('2', 1)).rollout, 3), '111')
  assert.equal(reasons, [])
})

test('errors: the stable version answers in its place, and it is rolled back as soon as there are too many', async () => {
  const broken = async (): Promise<InferReply> => {
    throw new WeftError('ERR_INTERNAL', 'broken')
  }
  const { rollout, reasons } = trial({ share: 0.5, rollback: { errors: 0.1, least: 20 } }, broken)
  assert.is(await versions(rollout, 20), '1'.repeat(20))
  assert.equal(reasons, ['3 of 3 requests failed'])
  const wrong = async (): Promise<InferReply> => {
    throw new WeftError('ERR_ARGUMENT', 'the client is wrong')
  }
  const second = trial({ share: 1, rollback: { errors: 0, least: 1 } }, wrong)
  for (let i = 0; i < 5; i++) assert.is(await codeOfAsync(second.rollout.infer(request)), 'ERR_ARGUMENT')
  assert.equal(second.reasons, [], 'faults of clients do not count')
  let count = 0
  const seldom = trial({ share: 1, rollback: { errors: 0.1, least: 10 } }, async () => (++count % 20 === 0 ? broken() : replyOf('2', 1)))
  await versions(seldom.rollout, 200)
  assert.equal(seldom.reasons, [], 'fewer than the limit allows')
})

test('latency: the medians of the last requests', async () => {
  const slow = async (): Promise<InferReply> => {
    await pause(15)
    return replyOf('2', 1)
  }
  const { rollout, reasons } = trial({ share: 0.5, rollback: { least: 10 } }, slow)
  await versions(rollout, 30)
  assert.is(reasons.length, 1)
  assert.match(reasons[0]!, /^its median latency is \d/)
  const { rollout: patient, reasons: none } = trial({ share: 0.5, rollback: { least: 10, latency: 1e6 } }, slow, slow)
  await versions(patient, 30)
  assert.equal(none, [])
})

test('disagreement: in the shadow, and of its own answers', async () => {
  for (const settings of [{ shadow: 1 }, { share: 1, rollback: { disagreement: 0.1 } }]) {
    const limits = { ...settings.rollback, disagreement: 0.1, least: 20 }
    const { rollout, reasons } = trial({ ...settings, rollback: limits }, async () => replyOf('2', 5))
    await versions(rollout, 10)
    await pause(5)
    assert.is(reasons.length, 1, JSON.stringify(settings))
    assert.match(reasons[0]!, /^3 of \d+ answers differ$/)
    const near = trial({ ...settings, rollback: limits }, async () => replyOf('2', 1.005))
    await versions(near.rollout, 30)
    await pause(5)
    assert.equal([near.reasons, near.rollout.counts.compared], [[], 30])
  }
})

test('settings', () => {
  const labels = { stable: 1, canary: 2 }
  assert.equal(settingsOf('m', JSON.stringify({ labels, canary: { share: 0.1 } })).canary, { share: 0.1 })
  for (const wrong of [
    { canary: { share: 0.1 } },
    { labels: { stable: 1 }, canary: {} },
    { labels, canary: { share: 1.1 } },
    { labels, canary: { share: -1 } },
    { labels, canary: { share: '1' } },
    { labels, canary: { other: 1 } },
    { labels, canary: 5 },
    { labels, canary: { rollback: { errors: 2 } } },
    { labels, canary: { rollback: { latency: 0.5 } } },
    { labels, canary: { rollback: { least: 0 } } },
    { labels, canary: { rollback: { tolerance: -0.1 } } },
    { labels, canary: { rollback: { more: 0 } } },
  ])
    assert.is(
      codeOf(() => settingsOf('m', JSON.stringify(wrong))),
      'ERR_FORMAT',
      JSON.stringify(wrong),
    )
})

test('a canary of a repository: answers its share, is rolled back, and is not begun again as it was', async () => {
  const root = path.join(folder, 'models')
  mkdirSync(root)
  await scaling(2).save(path.join(root, 'm', '1'))
  await scaling(-2).save(path.join(root, 'm', '2'))
  const write = (canary: object, labels: object = { stable: 1, canary: 2 }): void =>
    writeFileSync(path.join(root, 'm', 'serve.json'), JSON.stringify({ versionPolicy: 'all', labels, canary }))
  write({ share: 0.5, rollback: { disagreement: 0.2, least: 10 } })
  const server = await serve({ repository: root, http: { port: 0 }, audit: { file: path.join(folder, 'audit.jsonl') } })
  const client = await connect(server.address.http!)
  const ask = async (version: string | undefined, count: number): Promise<string> => {
    let text = ''
    for (let i = 0; i < count; i++)
      text += (await client.infer('m', { inputs: { x: [[1, 2]] }, ...(version === undefined ? {} : { version }) })).version
    return text
  }
  let answered = ''
  while (!/1{12}$/.test(answered)) answered += await ask(undefined, 1)
  assert.match(answered, /^1212/)
  assert.is(await ask('canary', 2), '11', 'the label was moved')
  assert.is(await ask('2', 1), '2', 'the version is still there')
  const metrics = await (await fetch(`${server.address.http}/metrics`)).text()
  assert.match(metrics, /weft_canary_rollbacks_total\{model="m"\} 1/)
  await server.refresh()
  assert.is(await ask(undefined, 6), '111111', 'the same files and settings are not tried again')
  assert.match((await client.index()).find(({ version }) => version === '2')!.reason!, /rolled back: \d+ of \d+ answers differ/)
  write({ share: 0.5, rollback: { disagreement: 1 } })
  await server.refresh()
  assert.is(await ask(undefined, 4), '1212', 'new settings are')
  write({}, { stable: 2, canary: 1 })
  await server.refresh()
  assert.is(await ask(undefined, 3), '222')
  client.close()
  await server.close()
})

test('a canary that takes other tensors is refused, and what was served stays', async () => {
  const root = path.join(folder, 'other')
  mkdirSync(root)
  await scaling(2).save(path.join(root, 'm', '1'))
  const repository = await Repository.open(root, { batching: {}, load: {} })
  await repository.load('m')
  await scaling(2, 3).save(path.join(root, 'm', '2'))
  const settings = { versionPolicy: 'all', labels: { stable: 1, canary: 2 }, canary: { share: 1 } }
  writeFileSync(path.join(root, 'm', 'serve.json'), JSON.stringify(settings))
  assert.is(await codeOfAsync(repository.load('m')), 'ERR_STATE')
  assert.equal(repository.rollouts, [])
  await repository.close()
})

test.run()
