// Export of every layer: each row of layerCheck becomes a model, with fixed and with varying extents, which ONNX's
// checker accepts and onnxruntime-node computes alike.
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { input, model, sequential, type Tensor } from '../../lib/index.js'
import * as layers from '../../lib/layers/index.js'
import type { AnyModel } from '../../lib/model/model.js'
import { rejection } from '../expect.js'
import { type LayerRow, values } from '../layers/check.js'
import { rows } from '../layers/rows.js'
import { testWith } from '../skip.js'
import { agree, CHECKER, checkFiles, type Feed, hasChecker, hasRuntime, readsBack, RUNTIME, scratch } from './oracles.js'

const folder = scratch()
const OPSETS = [17, 21]

/** Layers that are refused by name, and why. */
const REFUSED: Readonly<Record<string, RegExp>> = {
  textVectorization: /textVectorization.*takes texts/,
  stringLookup: /takes strings/,
  hashing: /takes strings and integers of the host/,
}

/** The row makes its ids from the size of the batch, which no graph can say; the layer itself is below. */
const IDS_OF_BATCH = 'tokenAndPositionEmbedding'

/** Rows whose operations or constants depend on the sizes: they are exported for fixed ones, and refused otherwise. */
const FIXED_SIZES: readonly string[] = [
  'conv3d',
  'convLstm2d',
  'convLstm2d (backwards, last step)',
  'upSampling2d (bilinear)',
  'resizing',
  'randomCrop',
  'randomCrop (of smaller images)',
].map((row) => `${row}, extents that vary`)

interface Case {
  readonly title: string
  readonly factory: string
  readonly model: AnyModel
  readonly feeds: readonly Feed[]
  readonly several: boolean
  readonly varying: boolean
}

const titleOf = (row: LayerRow): string => (row.name ? `${row.factory} (${row.name})` : row.factory)
const isList = (row: LayerRow): boolean => Array.isArray(row.input[0])
const shapesOf = (row: LayerRow): readonly (readonly number[])[] =>
  (isList(row) ? row.input : [row.input]) as readonly (readonly number[])[]

/** The row as a model; undefined for a layer that does not take extents that vary. */
function modelOf(row: LayerRow, varying: boolean): AnyModel | undefined {
  const layer = row.make({})
  // an extent of 1 broadcasts, and must stay
  const free = (n: number, i: number, last: number): number | null => (varying && i < last && n > 1 ? null : n)
  const ins = shapesOf(row).map((shape) => input({ shape: shape.slice(1).map((n, i, list) => free(n, i, list.length - 1)) }))
  const given = isList(row) ? ins : ins[0]!
  try {
    return model({ inputs: given, outputs: layer.apply(given) as Tensor })
  } catch (error) {
    if (varying) return undefined
    throw error
  }
}

function feedsOf(row: LayerRow, net: AnyModel, varying: boolean): Feed[] {
  const { inputNames } = net as unknown as { inputNames: readonly string[] }
  return [
    [1, 0],
    [3, 2],
  ].map(([batch, more]) => {
    const grown = (shape: readonly number[]): number[] => [
      batch!,
      ...shape.slice(1).map((n, i, list) => (varying && i < list.length - 1 && n > 1 ? n + more! : n)),
    ]
    return Object.fromEntries(shapesOf(row).map((shape, i) => [inputNames[i]!, values(grown(shape), i + 1)]))
  })
}

const cases: Case[] = []
const exported = new Set<string>()
for (const row of rows) {
  if (row.factory === IDS_OF_BATCH) continue
  for (const varying of [false, true]) {
    if (varying && shapesOf(row).every((shape) => shape.length < 3)) continue
    const net = modelOf(row, varying)
    if (!net) continue
    const title = `${titleOf(row)}${varying ? ', extents that vary' : ''}`
    cases.push({ title, factory: row.factory, model: net, feeds: feedsOf(row, net, varying), several: isList(row), varying })
  }
}

const fileOf = ({ title }: Case, opset: number): string => path.join(folder, `${title.replace(/[^a-zA-Z0-9]+/g, '-')}-${opset}.onnx`)

test('every row is exported', async () => {
  const refused: string[] = []
  for (const one of [...cases]) {
    try {
      for (const opset of OPSETS) await one.model.exportOnnx(fileOf(one, opset), { opset })
      exported.add(one.factory)
    } catch (error) {
      assert.ok(one.varying, `${one.title}: ${(error as Error).message}`)
      assert.ok(['ERR_SHAPE', 'ERR_ARGUMENT'].includes((error as { code: string }).code), one.title)
      refused.push(one.title)
      cases.splice(cases.indexOf(one), 1)
    }
  }
  assert.equal(refused, FIXED_SIZES)
  assert.ok(cases.filter(({ varying }) => varying).length > 50)
})

test('tokens with their positions are exported, for every length that there are positions for', async () => {
  const net = sequential([
    layers.inputLayer({ inputShape: [null], dtype: 'int32' }),
    layers.tokenAndPositionEmbedding({ vocabularySize: 9, sequenceLength: 6, embeddingDim: 4 }),
  ])
  const one: Case = {
    title: IDS_OF_BATCH,
    factory: IDS_OF_BATCH,
    model: net,
    several: false,
    varying: true,
    feeds: [1, 3, 6].map((steps) => ({ x: ids(2, steps) })),
  }
  cases.push(one)
  for (const opset of OPSETS) await net.exportOnnx(fileOf(one, opset), { opset })
  exported.add(IDS_OF_BATCH)
})

test('classes as vectors are exported', async () => {
  const net = sequential([layers.inputLayer({ inputShape: [3], dtype: 'int32' }), layers.categoryEncoding({ numTokens: 9 })])
  const factory = 'categoryEncoding'
  const one: Case = {
    title: factory,
    factory,
    model: net,
    several: false,
    varying: false,
    feeds: [1, 4].map((batch) => ({ x: ids(batch, 3) })),
  }
  cases.push(one)
  for (const opset of OPSETS) await net.exportOnnx(fileOf(one, opset), { opset })
  exported.add(factory)
})

const ids = (batch: number, steps: number): Tensor => values([batch, steps], 7).add(2).mul(2).cast('int32')

for (const layer of [
  layers.integerLookup({ vocabulary: [3, 1, 7], maskToken: 0, numOovIndices: 2, outputMode: 'count' }),
  layers.discretization({ binBoundaries: [0.5, 2, 5], outputMode: 'multiHot' }),
])
  test(`${layer.className} is exported`, async () => {
    const net = sequential([layers.inputLayer({ inputShape: [3], dtype: 'int32' }), layer])
    const factory = `${layer.className[0]!.toLowerCase()}${layer.className.slice(1)}`
    const one: Case = {
      factory,
      title: factory,
      model: net,
      several: false,
      varying: false,
      feeds: [1, 4].map((batch) => ({ x: ids(batch, 3) })),
    }
    cases.push(one)
    for (const opset of OPSETS) await net.exportOnnx(fileOf(one, opset), { opset })
    exported.add(factory)
  })

for (const layer of [layers.mixUp(), layers.cutMix()])
  test(`${layer.className} is exported: where nothing is trained, it does nothing`, async () => {
    const [images, labels] = [input({ shape: [4, 3, 1], name: 'images' }), input({ shape: [2], name: 'labels' })]
    const [x, y] = layer.apply([images, labels]) as readonly Tensor[]
    const outputs = layers.concatenate().apply([layers.flatten().apply(x!), y!])
    const factory = `${layer.className[0]!.toLowerCase()}${layer.className.slice(1)}`
    const one: Case = {
      factory,
      title: factory,
      model: model({ inputs: [images, labels], outputs }),
      several: true,
      varying: false,
      feeds: [1, 3].map((batch) => ({ images: values([batch, 4, 3, 1], 5), labels: values([batch, 2], 6) })),
    }
    cases.push(one)
    for (const opset of OPSETS) await one.model.exportOnnx(fileOf(one, opset), { opset })
    exported.add(factory)
  })

test('strings are refused, with the layer that takes them', async () => {
  for (const layer of [layers.stringLookup({ vocabulary: ['a'], name: 'looked' }), layers.hashing({ numBins: 3, name: 'hashed' })]) {
    const net = sequential([layer as never, layers.dense({ units: 1 })])
    const error = await rejection(net.exportOnnx(path.join(folder, 'strings.onnx')))
    assert.is(error.code, 'ERR_ARGUMENT')
    assert.match(error.message, REFUSED[layer.className === 'Hashing' ? 'hashing' : 'stringLookup']!)
    assert.match(error.message, /'(looked|hashed)'/)
  }
})

test('texts are refused, with the layer that takes them', async () => {
  const vectorize = layers.textVectorization({ vocabulary: ['ham', 'spam'], name: 'words' })
  const net = sequential([vectorize as never, layers.dense({ units: 1 })])
  const error = await rejection(net.exportOnnx(path.join(folder, 'texts.onnx')))
  assert.is(error.code, 'ERR_ARGUMENT')
  assert.match(error.message, REFUSED['textVectorization']!)
  assert.match(error.message, /'words'/)
})

test('every factory is exported or refused by name', () => {
  const factories = Object.entries(layers).flatMap(([name, value]) => (/^[a-z]/.test(name) && typeof value === 'function' ? [name] : []))
  const rowsOf = new Set(rows.map(({ factory }) => factory))
  const missing = factories.filter((name) => !exported.has(name) && !Object.hasOwn(REFUSED, name))
  assert.equal(missing, [], `neither exported nor refused: ${missing.join(', ')}; is there a row in test/layers/rows.ts?`)
  assert.ok(rowsOf.size > 60)
})

test('a layer whose operations differ from size to size is refused by name', async () => {
  const odd = layers.lambda((x: Tensor) => (x.shape[1]! % 2 === 0 ? x.sin() : x.cos()), { name: 'odd' })
  const net = sequential([layers.inputLayer({ inputShape: [null, 3] }), odd, layers.dense({ units: 1 })])
  const error = await rejection(net.exportOnnx(path.join(folder, 'odd.onnx')))
  assert.is(error.code, 'ERR_SHAPE')
  assert.match(error.message, /layer 'odd'.*differs from size to size.*inputShape/)
})

testWith(hasChecker, CHECKER, 'the checker accepts every file', () => {
  const files = cases.flatMap((one) => OPSETS.map((opset) => fileOf(one, opset)))
  assert.ok(checkFiles(files) >= cases.length)
})

const formOf =
  ({ several }: Case) =>
  (feed: Feed): unknown =>
    several ? Object.values(feed) : Object.values(feed)[0]

test('importOnnx reads every row back, and computes it alike', async () => {
  for (const one of cases)
    await readsBack(one.model, fileOf(one, 17), one.feeds, formOf(one)).catch((error: Error) =>
      assert.unreachable(`${one.title}: ${error.message}`),
    )
})

for (const opset of OPSETS) {
  testWith(hasRuntime, RUNTIME, `onnxruntime computes every row alike, opset ${opset}`, async () => {
    for (const one of cases) {
      await agree(one.model, fileOf(one, opset), one.feeds, formOf(one)).catch((error: Error) =>
        assert.unreachable(`${one.title}: ${error.message}`),
      )
    }
  })
}

test.run()
