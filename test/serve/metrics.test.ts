// Metrics: what Prometheus is told of versions, from their first request to their last.
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Metrics } from '../../lib/serve/metrics.js'
import { Repository } from '../../lib/serve/repository/repository.js'
import { scaling, scratch } from './models.js'

const { folder: root, remove } = scratch()
test.after(remove)
const save = async (version: number, by: number): Promise<void> => {
  const net = scaling(by)
  await net.save(path.join(root, 'm', `${version}`))
  net.dispose()
}
const settings = (value: object): void => writeFileSync(path.join(root, 'm', 'serve.json'), JSON.stringify(value))
const series = (text: string, version: number): string[] => text.split('\n').filter((line) => line.includes(`version="${version}"`))
const valueOf = (text: string, name: string): number => Number(new RegExp(`^${name}\\{[^}]*\\} (\\S+)$`, 'm').exec(text)?.[1])

test('series of a version begin at 0 when it is loaded, go on while it is replaced, and end when it is taken out', async () => {
  mkdirSync(path.join(root, 'm'))
  await save(1, 1)
  await save(2, 2)
  settings({ versionPolicy: { specific: [1] } })
  const metrics = new Metrics()
  const repository = await Repository.open(root, { batching: { maxBatchSize: 4 }, load: {}, watch: (served) => metrics.watch(served) })
  metrics.repository = repository
  const text = async (): Promise<string> => (await metrics.text()).text
  const ask = async (): Promise<void> => {
    const bytes = new Uint8Array(Float32Array.of(1, 0).buffer)
    const inputs = [{ name: 'x', datatype: 'FP32' as const, shape: [1, 2], bytes }]
    await repository
      .resolve('m')
      .infer({ id: undefined, priority: 0, timeoutMs: undefined, inputs, outputs: undefined, binaryOutputs: true })
  }
  await repository.load('m')
  const all = series(await text(), 1)
  for (const name of ['nv_inference_request_success', 'nv_inference_count', 'weft_inference_batch_size_count'])
    assert.is(valueOf(await text(), name), 0, name)
  assert.ok(all.length > 30, `${all.length} series`)
  await ask()
  await ask()
  assert.is(valueOf(await text(), 'nv_inference_request_success'), 2)
  assert.match(await text(), /^weft_inference_batch_size_bucket\{le="1",model="m",version="1"\} 2$/m)
  assert.match(await text(), /^weft_inference_batch_size_bucket\{le="\+Inf",model="m",version="1"\} 2$/m)
  // other files of the same version: it is loaded beside the one that goes
  await save(1, 3)
  await repository.load('m')
  await ask()
  assert.is(valueOf(await text(), 'nv_inference_request_success'), 3)
  settings({ versionPolicy: { specific: [2] } })
  await repository.load('m')
  while (repository.ready('m').length > 1 || series(await text(), 1).length > 0) await new Promise(setImmediate)
  assert.is(series(await text(), 2).length, all.length)
  await repository.unload('m')
  assert.equal(series(await text(), 2), [])
  assert.is(metrics.buckets('m', '2'), undefined)
  settings({ versionPolicy: { specific: [1] } })
  await repository.load('m')
  assert.is(valueOf(await text(), 'nv_inference_request_success'), 0)
  await repository.close()
  assert.not.match(await text(), /model="m"/)
})

test.run()
