// Latency on Weft's side: one sample as a JavaScript array in, the result as a JavaScript array out.
import { join } from 'node:path'
import { jit, tensor } from '../../../dist/lib/index.js'
import { percentile, startClocks } from '../../shared/measure.mjs'
import { size } from '../../shared/networks.mjs'
import { bytes, make } from './training.mjs'

let current

export const load = async (row) => {
  const values = new Float32Array(bytes(join(row.folder, 'x')))
  const net = make(row)
  const features = size(row.inputShape)
  current = {
    net,
    apply: jit((x) => net.apply(x)),
    shape: [1, ...row.inputShape],
    row: (i) => values.subarray((i % row.samples) * features, ((i % row.samples) + 1) * features),
  }
}

const one = async (i) => {
  const x = tensor(current.row(i), current.shape)
  const y = current.apply(x)
  x.dispose()
  const values = await y.data()
  y.dispose()
  return values
}

export const sample = async () => {
  for (let i = 0; i < 4; i++) await one(i)
  return { values: [...(await one(0))] }
}

export const run = async ({ milliseconds }) => {
  const stop = startClocks()
  const each = []
  for (let count = 1; ; count++) {
    const start = performance.now()
    await one(count)
    each.push((performance.now() - start) * 1000)
    const figures = stop(count)
    if (figures.microseconds * count > milliseconds * 1000) return { ...figures, p99: percentile(each, 0.99) }
  }
}

export const unload = () => {
  current.apply.dispose()
  current.net.dispose()
  current = undefined
}
