// What a training leaves to look at: history.plot, and event files for TensorBoard, read by another reader.
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { callbacks, layers, type Sequential, schedules, sequential, setSeed, optimizers } from '../../lib/index.js'
import { rejects, throws } from '../expect.js'

const folder = await mkdtemp(path.join(os.tmpdir(), 'weft-'))
test.after(() => rm(folder, { recursive: true }))

const x = Array.from({ length: 32 }, (_, i) => [i / 32, 1 - i / 16])
const y = x.map(([a]) => 2 * a!)
function line(learningRate: number = 0.05): Sequential {
  setSeed(1)
  const net = sequential([layers.dense({ units: 1, inputShape: [2], name: 'line' })])
  net.compile({ optimizer: optimizers.sgd({ learningRate }), loss: 'mse', metrics: ['mae'] })
  return net
}

test('curves of training and validation, one picture for each figure', async () => {
  const history = await line().fit(x, y, { epochs: 4, validationSplit: 0.25, verbose: 0 })
  const file = path.join(folder, 'curves.svg')
  await history.plot(file)
  const text = await readFile(file, 'utf8')
  assert.is(text.match(/aria-label="(loss|mae)"/g)!.length, 2)
  assert.is(text.match(/>training</g)!.length, 2)
  assert.is(text.match(/>validation</g)!.length, 2)
  assert.not.match(text, /NaN|undefined/)
  // a line through four epochs
  assert.is(text.match(/d="M[\d.]+,[\d.]+(L[\d.]+,[\d.]+){3}"/g)!.length, 4)
  await rejects('ERR_ARGUMENT', /does not end in \.svg/, history.plot(path.join(folder, 'curves.png')))
  // one epoch is a mark; a loss that is no number leaves a gap
  const one = await line().fit(x, y, { epochs: 1, verbose: 0 })
  await one.plot(file)
  assert.match(await readFile(file, 'utf8'), /translate\(/)
  one.history['loss'] = [Number.NaN]
  await one.plot(file)
  assert.match(await readFile(file, 'utf8'), /no finite values/)
})

/** The remainder of the polynomial of CRC-32C (RFC 3720, B.4), bit by bit. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffffn
  for (const byte of bytes) {
    for (let bit = 0; bit < 8; bit++) {
      const low = (crc ^ (BigInt(byte) >> BigInt(bit))) & 1n
      crc = low ? (crc >> 1n) ^ 0x82f63b78n : crc >> 1n
    }
  }
  return Number(crc ^ 0xffffffffn)
}
const masked = (bytes: Uint8Array): number => {
  const crc = crc32c(bytes)
  return Number((BigInt(((crc >>> 15) | (crc << 17)) >>> 0) + 0xa282ead8n) & 0xffffffffn)
}

// messages and numbers of tensorflow/core/util/event.proto and framework/summary.proto
const PROTO = `syntax = "proto3";
message HistogramProto { double min = 1; double max = 2; double num = 3; double sum = 4; double sum_squares = 5;
  repeated double bucket_limit = 6 [packed = true]; repeated double bucket = 7 [packed = true]; }
message Value { string tag = 1; oneof value { float simple_value = 2; HistogramProto histo = 5; } }
message Summary { repeated Value value = 1; }
message Event { double wall_time = 1; int64 step = 2; oneof what { string file_version = 3; Summary summary = 5; } }`

interface Histo {
  min: number
  max: number
  num: number
  bucketLimit: number[]
  bucket: number[]
}
interface Event {
  wallTime: number
  step: string
  fileVersion?: string
  summary?: { value: { tag: string; simpleValue?: number; histo?: Histo }[] }
}
interface Decoder {
  decode(bytes: Uint8Array): unknown
  toObject(message: unknown, options: object): Event
}
const protobuf = createRequire(import.meta.url)('protobufjs') as { parse(text: string): { root: { lookupType(name: string): Decoder } } }
const decoder = protobuf.parse(PROTO).root.lookupType('Event')

/** The events of the only file of a folder, checksums looked at. */
async function eventsIn(part: string): Promise<Event[]> {
  const files = await readdir(part)
  assert.is(files.length, 1, files.join())
  assert.match(files[0]!, /^events\.out\.tfevents\.\d{10}\./)
  const bytes = new Uint8Array(await readFile(path.join(part, files[0]!)))
  const view = new DataView(bytes.buffer)
  const events: Event[] = []
  for (let at = 0; at < bytes.length; ) {
    const length = Number(view.getBigUint64(at, true))
    assert.is(view.getUint32(at + 8, true), masked(bytes.subarray(at, at + 8)), 'checksum of the length')
    const data = bytes.subarray(at + 12, at + 12 + length)
    assert.is(view.getUint32(at + 12 + length, true), masked(data), 'checksum of the data')
    events.push(decoder.toObject(decoder.decode(data), { longs: String }))
    at += 16 + length
  }
  return events
}

const figures = (events: readonly Event[]): [string, number, number][] =>
  events.flatMap(({ step, summary }) =>
    (summary?.value ?? []).flatMap((value): [string, number, number][] =>
      value.simpleValue === undefined ? [] : [[value.tag, Number(step), value.simpleValue]],
    ),
  )

test('CRC-32C: the values of RFC 3720, B.4', () => {
  assert.is(crc32c(new Uint8Array(32)), 0x8a9136aa)
  assert.is(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43)
  assert.is(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e)
})

test('event files hold the figures of each epoch, steps and histograms of weights', async () => {
  const logDir = path.join(folder, 'logs')
  const net = line()
  const history = await net.fit(x, y, {
    epochs: 3,
    batchSize: 8,
    validationSplit: 0.25,
    verbose: 0,
    callbacks: callbacks.tensorBoard({ logDir, histogramFreq: 2, updateFreq: 'batch' }),
  })
  const train = await eventsIn(path.join(logDir, 'train'))
  assert.is(train[0]!.fileVersion, 'brain.Event:2')
  const found = figures(train)
  const of = (name: string): [number, number][] => found.filter(([tag]) => tag === name).map(([, step, value]) => [step, value])
  const rounded = (name: string): [number, number][] => history.history[name]!.map((value, epoch) => [epoch, Math.fround(value)])
  assert.equal(of('epoch_loss'), rounded('loss'))
  assert.equal(of('epoch_mae'), rounded('mae'))
  assert.equal(
    of('epoch_learning_rate'),
    [0, 1, 2].map((epoch) => [epoch, Math.fround(0.05)]),
  )
  // three steps of each epoch
  assert.equal(
    of('batch_loss').map(([step]) => step),
    [0, 1, 2, 3, 4, 5, 6, 7, 8],
  )
  const validation = figures(await eventsIn(path.join(logDir, 'validation')))
  assert.equal(
    validation.filter(([tag]) => tag === 'epoch_loss').map(([, epoch, value]) => [epoch, value]),
    rounded('val_loss'),
  )
  const histograms = train.flatMap(({ step, summary }) =>
    (summary?.value ?? []).flatMap(({ tag, histo }) => (histo ? [{ step, tag, histo }] : [])),
  )
  assert.equal(
    histograms.map(({ step, tag }) => `${step} ${tag}`),
    ['0 line/kernel', '0 line/bias', '2 line/kernel', '2 line/bias'],
  )
  const [kernel] = net.getWeights()
  const values = Array.from(await kernel!.data(), Number)
  const last = histograms[2]!.histo
  assert.is(last.num, 2)
  assert.is(last.min, Math.min(...values))
  assert.is(last.max, Math.max(...values))
  assert.is(
    last.bucket.reduce((sum, count) => sum + count, 0),
    2,
  )
  assert.is(last.bucketLimit.length, last.bucket.length)
})

test('a rate of a schedule; a place that cannot be written; options', async () => {
  const logDir = path.join(folder, 'scheduled')
  const net = line()
  net.compile({
    optimizer: optimizers.sgd({ learningRate: schedules.exponentialDecay({ initialLearningRate: 0.1, decaySteps: 1, decayRate: 0.5 }) }),
    loss: 'mse',
  })
  await net.fit(x, y, { epochs: 2, batchSize: 32, verbose: 0, callbacks: callbacks.tensorBoard({ logDir }) })
  const rates = figures(await eventsIn(path.join(logDir, 'train'))).filter(([tag]) => tag === 'epoch_learning_rate')
  assert.is(rates.length, 2)
  assert.ok(rates[1]![2] < rates[0]![2])
  const occupied = path.join(folder, 'file')
  await writeFile(occupied, '')
  await rejects(
    'ERR_ARGUMENT',
    /tensorBoard: .*file' cannot be written/,
    line().fit(x, y, { verbose: 0, callbacks: callbacks.tensorBoard({ logDir: occupied }) }),
  )
  throws('ERR_ARGUMENT', /updateFreq is 'epoch', 'batch'/, () => callbacks.tensorBoard({ updateFreq: 'step' as never }))
  throws('ERR_ARGUMENT', /unknown option 'logdir'.*'logDir'/, () => callbacks.tensorBoard({ logdir: 'a' } as never))
})

test.run()
