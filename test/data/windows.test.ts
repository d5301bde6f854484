// Time series: windows, parts in time order, scalers.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { data, type ErrorCode, layers, sequential, type Tensor, tensor, type WeftError } from '../../lib/index.js'
import { generator, rejects } from '../expect.js'

function refuses(fn: () => unknown, code: ErrorCode, ...words: readonly string[]): void {
  try {
    fn()
  } catch (error) {
    assert.is((error as WeftError).code, code, String(error))
    for (const word of words) assert.ok((error as Error).message.includes(word), `'${word}' is not in: ${(error as Error).message}`)
    return
  }
  assert.unreachable('nothing was thrown')
}

const counting = Array.from({ length: 6 }, (_, i) => i)

test('windows of one feature: each beside the values after it', async () => {
  const { x, y } = data.windows(counting, { timesteps: 3 })
  assert.equal(await x.array(), [
    [[0], [1], [2]],
    [[1], [2], [3]],
    [[2], [3], [4]],
  ])
  assert.equal(await y.array(), [[3], [4], [5]])
  const two = data.windows(Float64Array.from(counting), { timesteps: 2, horizon: 2, stride: 2 })
  assert.equal(await two.x.array(), [
    [[0], [1]],
    [[2], [3]],
  ])
  assert.equal(await two.y.array(), [
    [2, 3],
    [4, 5],
  ])
  assert.is(data.windows(Int32Array.from(counting), { timesteps: 5 }).x.dtype, 'float32')
})

test('windows of several features: all, one or some are targets', async () => {
  const series = counting.map((i) => [i, 10 * i])
  const all = data.windows(series, { timesteps: 4 })
  assert.equal(all.x.shape, [2, 4, 2])
  assert.equal(await all.y.array(), [[[4, 40]], [[5, 50]]])
  assert.equal(await data.windows(series, { timesteps: 4, target: 1 }).y.array(), [[40], [50]])
  assert.equal(await data.windows(tensor(series), { timesteps: 3, horizon: 2, target: [1] }).y.array(), [
    [[30], [40]],
    [[40], [50]],
  ])
  assert.equal(await data.windows(series, { timesteps: 4, target: [1, 0] }).y.array(), [[[40, 4]], [[50, 5]]])
})

test('the number of windows is floor((t - timesteps - horizon) / stride) + 1', () => {
  for (let t = 2; t < 12; t++)
    for (let timesteps = 1; timesteps < 5; timesteps++)
      for (let horizon = 1; horizon < 4; horizon++)
        for (const stride of [1, 2, 5]) {
          const series = new Float32Array(t)
          const n = Math.floor((t - timesteps - horizon) / stride) + 1
          if (n < 1)
            refuses(() => data.windows(series, { timesteps, horizon, stride }), 'ERR_SHAPE', `${t} steps`, `${timesteps + horizon} steps`)
          else assert.equal(data.windows(series, { timesteps, horizon, stride }).x.shape, [n, timesteps, 1])
        }
})

test('windows: what does not fit is refused', () => {
  refuses(() => data.windows(counting, {} as never), 'ERR_ARGUMENT', 'timesteps', 'nothing')
  refuses(() => data.windows(counting, { timesteps: 2, horizon: 0 }), 'ERR_ARGUMENT', 'horizon')
  refuses(() => data.windows(counting, { timesteps: 2, target: 1 }), 'ERR_ARGUMENT', 'target', '0 to 0')
  refuses(() => data.windows(counting, { timeSteps: 2 } as never), 'ERR_ARGUMENT', 'timesteps')
  refuses(() => data.windows('series' as never, { timesteps: 2 }), 'ERR_ARGUMENT', "got 'series'")
  refuses(() => data.windows(tensor([[[1]]]), { timesteps: 1 }), 'ERR_SHAPE', '[1,1,1]')
})

test('chronologicalSplit: shares or counts, in time order, and with history', async () => {
  const ten = Array.from({ length: 10 }, (_, i) => i)
  assert.equal(data.chronologicalSplit(ten), { train: ten.slice(0, 8), validation: [], test: [8, 9] })
  assert.equal(data.chronologicalSplit(ten, { test: 3, validation: 0.2 }), { train: ten.slice(0, 5), validation: [5, 6], test: [7, 8, 9] })
  const typed = data.chronologicalSplit(Float32Array.from(ten), { test: 2, history: 3 })
  assert.equal(typed.test, Float32Array.of(5, 6, 7, 8, 9))
  const parts: data.ChronologicalParts<Tensor> = data.chronologicalSplit(tensor(ten, [5, 2]), { test: 1 })
  assert.equal(await parts.test.array(), [[8, 9]])
  assert.is(parts.train.shape[0], 4)
  // the first window of the test part predicts its first row
  const test = data.windows(data.chronologicalSplit(ten, { test: 2, history: 3 }).test, { timesteps: 3 })
  assert.equal(await test.y.array(), [[8], [9]])
  refuses(() => data.chronologicalSplit([1], {}), 'ERR_ARGUMENT', '1 rows')
  refuses(() => data.chronologicalSplit(ten, { test: 9, validation: 1 }), 'ERR_ARGUMENT', '0 to train')
  refuses(() => data.chronologicalSplit(ten, { test: 2, history: 9 }), 'ERR_ARGUMENT', 'history of 9')
  refuses(() => data.chronologicalSplit(ten, { test: 1.5 }), 'ERR_ARGUMENT', 'share below 1')
})

test('standardScaler: mean 0 and deviation 1 of what it was fitted on, in the form of the values', async () => {
  const rows = [
    [1, 10, 5],
    [2, 30, 5],
    [3, 50, 5],
  ]
  const scaler = await data.standardScaler().fit(rows)
  assert.equal(scaler.mean, [2, 30, 5])
  const spread = Math.sqrt(2 / 3)
  assert.ok(Math.abs(scaler.deviation[1]! - 20 * spread) < 1e-12)
  const scaled = scaler.transform(rows)
  assert.ok(Math.abs(scaled[0]![0]! + 1 / spread) < 1e-12)
  assert.equal(
    scaled.map((row) => row[2]),
    [0, 0, 0],
  )
  const back = scaler.inverseTransform(scaled)
  back.flat().forEach((value, i) => assert.ok(Math.abs(value - rows.flat()[i]!) < 1e-12))
  // Tensors of any rank, features last; predictions of one feature
  const t = scaler.transform(tensor([rows]))
  assert.equal(t.shape, [1, 3, 3])
  assert.ok(Math.abs(Number((await t.data())[1]) + 1 / spread) < 1e-6)
  assert.equal(scaler.inverseTransform([-1, 0, 1], { feature: 2 }), [4, 5, 6])
  assert.ok(scaler.inverseTransform(Float32Array.of(0), { feature: 1 })[0] === 30)
  const again = data.standardScaler.fromJSON(JSON.parse(JSON.stringify(scaler)))
  assert.equal(again.transform(rows), scaled)
})

test('minMaxScaler: a range; scalers refuse what they cannot know', async () => {
  const scaler = await data.minMaxScaler({ range: [-1, 1] }).fit(tensor([2, 4, 6]))
  assert.equal(scaler.transform([2, 4, 6, 8]), [-1, 0, 1, 2])
  assert.equal(data.minMaxScaler.fromJSON(JSON.parse(JSON.stringify(scaler))).inverseTransform([0]), [4])
  assert.equal((await data.minMaxScaler().fit([[7], [7]])).transform([[7]]), [[0]])
  refuses(() => data.minMaxScaler({ range: [1, 0] }), 'ERR_ARGUMENT', 'ascending')
  refuses(() => data.standardScaler().transform([1]), 'ERR_STATE', 'fit')
  const two = await data.standardScaler().fit([
    [1, 2],
    [3, 4],
  ])
  refuses(() => two.transform([[1]]), 'ERR_SHAPE', '2 features')
  refuses(() => two.transform(tensor([1, 2, 3])), 'ERR_SHAPE', 'feature: 0')
  refuses(() => two.transform([1], { feature: 2 }), 'ERR_ARGUMENT', '0 to 1')
  refuses(() => data.standardScaler.fromJSON({ mean: [1] }), 'ERR_FORMAT', 'factor')
  for (const [values, code] of [
    [[1, Number.NaN], 'ERR_DATA'],
    [[], 'ERR_ARGUMENT'],
  ] as const) {
    const error = await data
      .standardScaler()
      .fit([...values])
      .then(
        () => undefined,
        (e: WeftError) => e,
      )
    assert.is(error?.code, code)
  }
})

test('scalers of constant features, of large values and of small spreads', async () => {
  const constant = await data.standardScaler().fit(new Array<number>(100_000).fill(14.62))
  assert.equal(constant.mean, [14.62])
  assert.equal(constant.deviation, [1])
  const [same, near] = constant.transform([14.62, 14.63])
  assert.is(same, 0)
  assert.ok(Math.abs(near! - 0.01) < 1e-12)
  for (const scale of [1e-9, 1, 1e9]) {
    const spread = await data.standardScaler().fit([1e9 * scale, (1e9 + 0.001) * scale])
    assert.ok(Math.abs(spread.deviation[0]! / (0.0005 * scale) - 1) < 1e-3, `${spread.deviation}`)
    const scaled = spread.transform([1e9 * scale, (1e9 + 0.001) * scale])
    assert.ok(Math.abs(scaled[0]! + 1) < 1e-6 && Math.abs(scaled[1]! - 1) < 1e-6, `${scaled}`)
  }
  const values = Array.from({ length: 7 }, (_, i) => 1e6 + i)
  const range = await data.minMaxScaler().fit(values)
  const wanted = values.map((_, i) => i / 6)
  for (const found of [range.transform(values), range.transform(Float32Array.from(values)), await range.transform(tensor(values)).data()])
    Array.from(found as ArrayLike<number>).forEach((value, i) =>
      assert.ok(Math.abs(value - wanted[i]!) < 1e-6, `${value} for ${wanted[i]}`),
    )
  assert.equal(range.inverseTransform(range.transform(values)), values)
  const big = await data.standardScaler().fit(BigInt64Array.of(1n, 2n, 3n))
  assert.equal(big.mean, [2])
})

test('scalers of files written before the center had a place of its own', async () => {
  const standard = data.standardScaler.fromJSON({ className: 'StandardScaler', factor: [0.5], offset: [-1] })
  assert.equal([standard.mean, standard.deviation, standard.transform([4])], [[2], [2], [1]])
  const range = data.minMaxScaler.fromJSON({ className: 'MinMaxScaler', range: [0, 1], factor: [0.5], offset: [-1] })
  assert.equal([range.transform([4]), range.inverseTransform([1])], [[1], [4]])
})

/** Windows of a stream, joined. */
async function streamed(rows: AsyncIterable<data.WindowRow>, options: data.WindowsOptions): Promise<{ x: unknown; y: unknown }> {
  const windows = await data.windows(rows, options).batch(10_000).toArray()
  const { x, y } = windows[0] as { x: Tensor; y: Tensor }
  return { x: await x.array(), y: await y.array() }
}

test('windows of a stream are those of the series', async () => {
  const random = generator(7)
  for (let round = 0; round < 60; round++) {
    const whole = (most: number): number => Math.floor(random() * most)
    const width = 1 + whole(3)
    let day = 100
    const rows = Array.from({ length: 12 + whole(30) }, () => {
      day += random() < 0.08 ? 3 : 1
      return [...Array.from({ length: width }, random), day]
    })
    const target = random() < 0.5 ? undefined : random() < 0.5 ? width - 1 : [0]
    const options = { timesteps: 1 + whole(4), horizon: 1 + whole(3), stride: 1 + whole(9), ...(target === undefined ? {} : { target }) }
    for (const timed of [options, { ...options, time: width, interval: 1 }]) {
      let expected: data.Windows
      try {
        expected = data.windows(rows, timed)
      } catch (error) {
        assert.is((error as WeftError).code, 'ERR_SHAPE')
        await rejects('ERR_SHAPE', /has no window/, data.windows(data.generator(rows), timed).toArray())
        continue
      }
      assert.equal(await streamed(data.generator(rows), timed), { x: await expected.x.array(), y: await expected.y.array() })
    }
  }
})

test('windows of a stream: numbers, samples of files, and more passes than one', async () => {
  const numbers = data.windows(data.generator(counting), { timesteps: 2, horizon: 2 })
  const [first] = await numbers.toArray()
  assert.equal(first, { x: { data: Float32Array.of(0, 1), shape: [2, 1] }, y: Float32Array.of(2, 3) })
  assert.is((await numbers.toArray()).length, 3)
  const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-windows-'))
  try {
    const file = path.join(folder, 'rows.csv')
    writeFileSync(file, 'day,v\n2024-01-01,1\n2024-01-02,2\n2024-01-03,\n2024-01-04,4\n2024-01-05,5\n2024-01-09,6\n2024-01-10,7\n')
    const rows = data.csv(file, { columns: { day: 'date', v: 'number' }, missing: 'skip' })
    const timed = { timesteps: 1, time: 0, interval: 1 }
    assert.equal(await streamed(rows, timed), { x: [[[1]], [[4]], [[6]]], y: [[2], [5], [7]] })
    assert.equal(await streamed(rows, { timesteps: 1, target: 1 }).then(({ y }) => y), [[2], [5], [6], [7]], 'rows left out, without times')
    await rejects('ERR_DATA', /rows are missing before row 3/, data.windows(rows, { ...timed, gaps: 'error' }).toArray())
    // it is trained on as it comes
    const net = sequential([layers.flatten({ inputShape: [1, 1] }), layers.dense({ units: 1 })])
    net.compile({ optimizer: 'sgd', loss: 'mse' })
    const { history } = await net.fit(data.windows(rows, timed).shuffle({ seed: 1 }).batch(2), { epochs: 2, verbose: 0 })
    assert.is(history['loss']!.length, 2)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('windows of a stream that fills one array again and again', async () => {
  const rows = (async function* () {
    const row = [0]
    for (row[0] = 0; row[0] < 4; row[0]++) yield row
  })()
  const found = await data.windows(rows, { timesteps: 2 }).toArray()
  assert.equal(
    found.map(({ x }) => Array.from(x.data as Float32Array)),
    [
      [0, 1],
      [1, 2],
    ],
  )
})

test('windows know gaps in time', async () => {
  const rows = [1, 2, 3, 5, 6, 7.4].map((day) => [10 * day, day])
  const options = { timesteps: 2, time: 1, interval: 1 }
  const { x, y } = data.windows(rows, options)
  assert.equal(await x.array(), [
    [[10], [20]],
    [[50], [60]],
  ])
  assert.equal(await y.array(), [[30], [74]])
  assert.equal(await data.windows(tensor(rows), options).y.array(), [[30], [74]])
  refuses(() => data.windows(rows, { ...options, gaps: 'error' }), 'ERR_DATA', 'missing before row 4')
  refuses(
    () =>
      data.windows(
        [
          [1, 2],
          [1, 2],
          [1, 3],
        ],
        options,
      ),
    'ERR_DATA',
    'row 2, 2, is not after',
  )
  refuses(() => data.windows(rows, { timesteps: 2, time: 1 }), 'ERR_ARGUMENT', 'interval')
  refuses(() => data.windows(rows, { timesteps: 2, time: 2, interval: 1 }), 'ERR_ARGUMENT', 'got 2 of 2')
  refuses(() => data.windows(rows, { ...options, target: 1 }), 'ERR_ARGUMENT', 'target')
  refuses(() => data.windows(counting, { ...options, time: 0 }), 'ERR_ARGUMENT', 'one of several features')
  refuses(() => data.windows(rows, { ...options, interval: 0 }), 'ERR_ARGUMENT', 'positive')
})

test('windows of a stream: errors name the row', async () => {
  const of = (rows: unknown[], options = {}): Promise<unknown[]> =>
    data.windows(data.generator(rows as number[]), { timesteps: 1, ...options }).toArray()
  await rejects('ERR_SHAPE', /row 2 has 1 features, those before have 2/, of([[1, 2], [3]]))
  await rejects('ERR_DATA', /row 2 is 'a'/, of([1, 'a']))
  await rejects('ERR_ARGUMENT', /row 1 has a label y/, of([{ x: [1], y: 2 }]))
  await rejects(
    'ERR_DATA',
    /row 3, 1, is not after/,
    of(
      [
        [0, 1],
        [1, 2],
        [2, 1],
      ],
      { time: 1, interval: 1 },
    ),
  )
  await rejects('ERR_SHAPE', /0 steps/, of([]))
  refuses(() => data.windows(data.generator(counting).shuffle(), { timesteps: 2 }), 'ERR_ARGUMENT', 'the rows are shuffled')
})

test.run()
