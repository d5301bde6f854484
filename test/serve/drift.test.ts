// Drift: the index against its formula, requests like the training data and unlike it, and what it costs.
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { data } from '../../lib/index.js'
import { DriftMonitor, stabilityIndex } from '../../lib/serve/drift/monitor.js'
import { readerOf } from '../../lib/serve/drift/values.js'
import { connect, serve } from '../../lib/serve/index.js'
import type { WireTensor } from '../../lib/serve/protocol/tensors.js'
import { generator } from '../expect.js'
import { scaling, scratch } from './models.js'

const { folder, remove } = scratch()
test.after(remove)
const wire = (rows: number[][], name = 'x'): WireTensor => {
  const bytes = new Uint8Array(rows.flat().length * 4 + 1)
  // not aligned, as on the wire
  const view = new DataView(bytes.buffer, 1)
  rows.flat().forEach((value, i) => view.setFloat32(i * 4, value, true))
  return { name, datatype: 'FP32', shape: [rows.length, rows[0]!.length], bytes: bytes.subarray(1) }
}
const random = generator(5)
/** Normally distributed (Box and Muller). */
const normal = (mean = 0): number => mean + Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
const sample = (count: number, mean = 0): number[][] => Array.from({ length: count }, () => [normal(mean), random()])

test('the index: 0 for equal shares, the formula elsewhere, finite for empty bins', () => {
  assert.is(stabilityIndex([0.5, 0.5], [0.5, 0.5]), 0)
  const expected = (0.4 - 0.5) * Math.log(0.4 / 0.5) + (0.6 - 0.5) * Math.log(0.6 / 0.5)
  assert.ok(Math.abs(stabilityIndex([0.5, 0.5], [0.4, 0.6]) - expected) < 1e-12)
  assert.is(stabilityIndex([0.2, 0.8], [0.8, 0.2]).toFixed(6), stabilityIndex([0.8, 0.2], [0.2, 0.8]).toFixed(6))
  assert.ok(Number.isFinite(stabilityIndex([1, 0], [0, 1])))
})

test('rows like the training data: no drift; a shift by one deviation, missing and extreme values: shown by feature', async () => {
  const trained = await data.statistics(sample(20_000), { names: ['age', 'score'] })
  const monitor = new DriftMonitor(trained, ['x'], () => 0)
  for (let i = 0; i < 50; i++) monitor.observe([wire(sample(100))])
  const [calm] = monitor.report()
  assert.is(calm!.rows, 5000)
  for (const { psi, outOfRange, missing } of calm!.features) assert.ok(psi < 0.02 && outOfRange < 0.01 && missing === 0, `${psi}`)
  const shifted = new DriftMonitor(trained, ['x'], () => 0)
  for (let i = 0; i < 20; i++) shifted.observe([wire(sample(100, 1))])
  const [age, score] = shifted.report()[0]!.features
  assert.equal([age!.feature, score!.feature], ['age', 'score'])
  // of two normal distributions a deviation apart the divergence is 1; ten bins see most of it
  assert.ok(age!.psi > 0.7 && age!.psi < 1.1, `${age!.psi}`)
  assert.ok(score!.psi < 0.05, `${score!.psi}`)
  const broken = new DriftMonitor(trained, ['other name'], () => 0)
  const bad = Array.from({ length: 100 }, (_, i) => [i < 30 ? Number.NaN : i < 50 ? 1e9 : 0, 0.5])
  broken.observe([wire(bad, 'other name')])
  const [first] = broken.report()[0]!.features
  assert.is(first!.missing, 0.3)
  assert.ok(Math.abs(first!.outOfRange - 20 / 70) < 1e-12)
  assert.is(first!.missingInTraining, 0)
})

test('the report is over the last rows: what was long ago is forgotten', async () => {
  const trained = await data.statistics(sample(5000))
  const monitor = new DriftMonitor(trained, ['x'], () => 0)
  for (let i = 0; i < 60; i++) monitor.observe([wire(sample(100, 3))])
  assert.ok(monitor.report()[0]!.features[0]!.psi > 1)
  for (let i = 0; i < 120; i++) monitor.observe([wire(sample(100))])
  const [now] = monitor.report()
  assert.ok(now!.rows <= 10_000 && now!.features[0]!.psi < 0.05, JSON.stringify(now))
})

test('large requests are looked at in part, and looking ends where it takes too long', async () => {
  const trained = await data.statistics(sample(1000))
  const monitor = new DriftMonitor(trained, ['x'], () => 0)
  monitor.observe([wire(sample(20_000))])
  const { rows } = monitor.report()[0]!
  assert.ok(rows > 1000 && rows <= 2100, `${rows}`)
  let time = 0
  const slow = new DriftMonitor(trained, ['x'], () => (time += 20))
  for (let i = 0; i < 100; i++) slow.observe([wire(sample(1))])
  assert.ok(slow.report()[0]!.rows < 20)
})

test('inputs that do not fit the statistics are passed over', async () => {
  const trained = await data.statistics({ a: sample(10), b: sample(10) })
  const monitor = new DriftMonitor(trained, ['a', 'c', '__proto__'], () => 0)
  monitor.observe([
    wire([[1, 2, 3]], 'a'),
    wire(sample(3), 'c'),
    wire(sample(3), '__proto__'),
    { ...wire(sample(3), 'a'), datatype: 'BYTES' },
  ])
  assert.equal(
    monitor.report().map(({ input, rows }) => [input, rows]),
    [['a', 0]],
  )
})

test('values of every datatype', () => {
  const view = (bytes: number[]): DataView => new DataView(Uint8Array.from(bytes).buffer)
  const read = (datatype: WireTensor['datatype'], bytes: number[], index = 0): number => readerOf(datatype)!(view(bytes), index)
  assert.is(read('FP16', [0x00, 0x3c]), 1)
  assert.is(read('FP16', [0x01, 0x00]), 2 ** -24)
  assert.is(read('FP16', [0xff, 0xfb]), -65504)
  assert.is(read('FP16', [0x00, 0xfc]), Number.NEGATIVE_INFINITY)
  assert.ok(Number.isNaN(read('FP16', [0x01, 0x7e])))
  assert.is(read('BF16', [0x80, 0x3f, 0xc0, 0xbf], 1), -1.5)
  assert.is(read('INT64', [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), -1)
  assert.is(read('INT32', [0, 0, 0, 0, 5, 0, 0, 0], 1), 5)
  assert.is(read('BOOL', [0, 1], 1), 1)
  assert.is(read('INT8', [0xff]), -1)
  assert.is(readerOf('BYTES'), undefined)
})

test('statistics that were saved with a model make metrics; other assets do not', async () => {
  const net = scaling(2)
  const statistics = await data.statistics(sample(2000), { names: ['age', 'sc"or\\e\n'] })
  await net.save(path.join(folder, 'models/m/1'), { assets: { statistics } })
  await scaling(2).save(path.join(folder, 'models/n/1'), { assets: { statistics: 'none' } })
  const server = await serve({ repository: path.join(folder, 'models'), http: { port: 0 } })
  const client = await connect(server.address.http!)
  for (let i = 0; i < 10; i++) await client.infer('m', { inputs: { x: sample(30, 2) } })
  await client.infer('n', { inputs: { x: sample(3) } })
  const text = await (await fetch(`${server.address.http}/metrics`)).text()
  assert.match(text, /^weft_drift_rows\{model="m",version="1",input="x"\} 300$/m)
  const [, psi] = /^weft_drift_psi\{model="m",version="1",input="x",feature="age"\} (\S+)$/m.exec(text)!
  assert.ok(Number(psi) > 1, psi)
  assert.match(text, /^weft_drift_missing_share\{.*feature="sc\\"or\\\\e\\n"\} 0$/m)
  assert.match(text, /^weft_drift_out_of_range_share\{/m)
  assert.not.match(text, /^weft_drift\w+\{model="n"/m)
  client.close()
  await server.close()
})

test.run()
