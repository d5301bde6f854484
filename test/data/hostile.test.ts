// Hostile calls of data: sources, the methods of a Dataset, series and scalers.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { test } from 'uvu'
import * as weft from '../../lib/index.js'
import { type AnyFunction, hostileTests, type Target } from '../hostile.js'

const { data } = weft
const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-'))
test.after(() => rmSync(folder, { recursive: true }))
const small = path.join(folder, 'small.csv')
writeFileSync(small, 'a,y\n1,2\n3,4\n')
const lines = path.join(folder, 'small.jsonl')
writeFileSync(lines, '{"a":1,"y":2}\n{"a":3,"y":4}\n')
const table = path.join(folder, 'small.parquet')
const columns = [
  { name: 'a', data: [1, 3], type: 'INT32' },
  { name: 'y', data: [2, 4], type: 'INT32' },
] as const
writeFileSync(table, new Uint8Array(parquetWriteBuffer({ columnData: columns as never })))
mkdirSync(path.join(folder, 'texts'))
writeFileSync(path.join(folder, 'texts', 'one.txt'), 'a text')

/** A pass over what was made, in batches of two: an endless one ends. */
const pass = async (made: unknown): Promise<void> => {
  if (made instanceof data.Dataset) for await (const _ of made.batch(2).take(3)) void 0
}
/** The same without batches: elements may be anything. */
const walk = async (made: unknown): Promise<void> => {
  if (made instanceof data.Dataset) for await (const _ of made.take(3)) void 0
}
const numbers = (): weft.data.Dataset<unknown> => data.from([1, 2, 3])
const series = (): number[] => [1, 2, 3, 4, 5, 6]

const method = (name: string, args: Target['args']): Target => ({
  fn: (...given) => (numbers() as unknown as Record<string, AnyFunction>)[name]!(...given),
  args,
  follow: walk,
})

hostileTests({
  'data.from': { fn: data.from as AnyFunction, args: [() => [[1], [2]], () => [0, 1], () => undefined], follow: pass },
  'data.from a sample': { fn: (a, b) => data.from([a, b] as never), args: [() => [1], () => [2]], follow: pass },
  'data.from a record': { fn: (a) => data.from({ a } as never), args: [() => [1, 2]], follow: pass },
  'data.generator': { fn: data.generator as AnyFunction, args: [() => () => [{ x: 1 }]], follow: pass },
  'data.generator gives': {
    fn: (x, y, sampleWeight) => data.generator(() => [{ x, y, sampleWeight }] as never),
    args: [() => 1, () => 1, () => 1],
    follow: pass,
  },
  'data.generator gives samples': {
    fn: (a, b) => data.generator(() => [a, b] as never),
    args: [() => ({ x: 1 }), () => ({ x: 2 })],
    follow: pass,
  },
  'data.csv': { fn: data.csv as AnyFunction, args: [() => small, () => ({ label: 'y' })], follow: pass },
  ...Object.fromEntries(
    ['label', 'columns', 'sampleWeight', 'header', 'delimiter', 'missing', 'missingValues', 'maxLineBytes', 'maxBytes', 'categories'].map(
      (key): [string, Target] => [
        `data.csv ${key}`,
        { fn: (value) => data.csv(small, { [key]: value }), args: [() => undefined], follow: pass },
      ],
    ),
  ),
  'data.jsonLines': { fn: data.jsonLines as AnyFunction, args: [() => lines, () => ({ label: 'y' })], follow: pass },
  'data.parquet': { fn: data.parquet as AnyFunction, args: [() => table, () => ({ label: 'y' })], follow: pass },
  ...Object.fromEntries(
    ['label', 'columns', 'sampleWeight', 'missing', 'missingValues', 'categories', 'maxLineBytes'].flatMap((key): [string, Target][] => [
      [`data.jsonLines ${key}`, { fn: (value) => data.jsonLines(lines, { [key]: value }), args: [() => undefined], follow: pass }],
      [`data.parquet ${key}`, { fn: (value) => data.parquet(table, { [key]: value }), args: [() => undefined], follow: pass }],
    ]),
  ),
  'text.fromFolder': { fn: weft.text.fromFolder as AnyFunction, args: [() => folder, () => ({ encoding: 'utf-8' })], follow: walk },
  ...Object.fromEntries(
    ['classNames', 'extensions', 'encoding', 'maxFileBytes'].map((key): [string, Target] => [
      `text.fromFolder ${key}`,
      { fn: (value) => weft.text.fromFolder(folder, { [key]: value }), args: [() => undefined], follow: walk },
    ]),
  ),
  'windows of a stream': {
    fn: (a, b) =>
      data.windows(
        data.generator(() => [a, b] as never),
        { timesteps: 1 },
      ),
    args: [() => [1, 2], () => [3, 4]],
    follow: pass,
  },
  'windows of samples': {
    fn: (x, y) =>
      data.windows(
        data.generator(
          () =>
            [
              { x, y },
              { x, y },
            ] as never,
        ),
        { timesteps: 1 },
      ),
    args: [() => [1, 2], () => undefined],
    follow: pass,
  },
  shuffle: method('shuffle', [() => ({ seed: 1 })]),
  'shuffle bufferSize': {
    fn: (value, seed) => numbers().shuffle({ bufferSize: value, seed } as object),
    args: [() => 2, () => 1],
    follow: walk,
  },
  map: method('map', [() => (x: unknown) => x]),
  'map gives': { fn: (value) => numbers().map(() => value), args: [() => ({ x: 1 })], follow: pass },
  filter: method('filter', [() => () => true]),
  take: method('take', [() => 1]),
  skip: method('skip', [() => 1]),
  repeat: method('repeat', [() => 2]),
  batch: method('batch', [() => 2, () => ({})]),
  prefetch: method('prefetch', [() => 2]),
  cache: method('cache', [() => undefined]),
  windows: { fn: data.windows as AnyFunction, args: [series, () => ({ timesteps: 2 })] },
  ...Object.fromEntries(
    ['timesteps', 'horizon', 'stride', 'target', 'time', 'interval', 'gaps'].map((key): [string, Target] => [
      `windows ${key}`,
      { fn: (value) => data.windows(series(), { timesteps: 2, [key]: value } as never), args: [() => 1] },
    ]),
  ),
  chronologicalSplit: { fn: data.chronologicalSplit as AnyFunction, args: [series, () => ({})] },
  'chronologicalSplit test': {
    fn: (a, b, c) => data.chronologicalSplit(series(), { test: a, validation: b, history: c } as object),
    args: [() => 1, () => 1, () => 1],
  },
  'standardScaler fit': { fn: (value) => data.standardScaler().fit(value as never), args: [series] },
  'standardScaler transform': {
    fn: async (values, options) => (await data.standardScaler().fit(series())).transform(values as never, options as object),
    args: [series, () => ({})],
  },
  'minMaxScaler range': { fn: (range) => data.minMaxScaler({ range } as object).fit(series()), args: [() => [0, 1]] },
  'standardScaler.fromJSON': {
    fn: (json) => data.standardScaler.fromJSON(json),
    args: [() => ({ center: [0], factor: [1], origin: [0] })],
  },
  'minMaxScaler.fromJSON': {
    fn: (json) => data.minMaxScaler.fromJSON(json),
    args: [() => ({ range: [0, 1], center: [0], factor: [1], origin: [0] })],
  },
  'datasets.iris': { fn: weft.datasets.iris as AnyFunction, args: [() => ({})] },
})

test.run()
