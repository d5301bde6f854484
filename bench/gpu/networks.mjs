// Data and initial weights of a network as files that both sides read.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeWeights, size, uniform, weightShapes } from '../shared/networks.mjs'
import { networks } from './rows.mjs'

/** Ten noisy patterns; every fifth label is random, so that the loss never collapses. */
const makeData = (features, samples) => {
  const next = uniform(1)
  const patterns = Float32Array.from({ length: 10 * features }, next)
  const x = new Float32Array(samples * features)
  const y = new Int32Array(samples)
  for (let i = 0; i < samples; i++) {
    const pattern = Math.floor(next() * 10)
    y[i] = next() < 0.2 ? Math.floor(next() * 10) : pattern
    for (let j = 0; j < features; j++) x[i * features + j] = 0.3 * patterns[pattern * features + j] + 0.7 * next()
  }
  return { x, y }
}

/** The row with all that a side needs to load it, and a function that removes the files. */
export const withNetwork = (row) => {
  if (row.network === undefined) return { row, remove: () => undefined }
  const network = networks[row.network]
  const folder = mkdtempSync(join(tmpdir(), 'weft-bench-'))
  const { x, y } = makeData(size(network.inputShape), row.samples)
  const weights = makeWeights(network)
  const joined = new Float32Array(weights.reduce((sum, weight) => sum + weight.length, 0))
  let offset = 0
  for (const weight of weights) {
    joined.set(weight, offset)
    offset += weight.length
  }
  writeFileSync(join(folder, 'x'), x)
  writeFileSync(join(folder, 'y'), y)
  writeFileSync(join(folder, 'weights'), joined)
  const loaded = { ...row, folder, layers: network.layers, inputShape: network.inputShape, weightShapes: weightShapes(network) }
  return { row: loaded, remove: () => rmSync(folder, { recursive: true }) }
}
