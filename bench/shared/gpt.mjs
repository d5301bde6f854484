// Decoders like GPT-2 for the benches: their sizes, initial weights and data, and the operations of a training step.
import { closeSync, mkdtempSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { size, uniform } from './networks.mjs'

/** Pairs of a query and its own or an earlier key. */
export const pairsOf = (time) => (time * (time + 1)) / 2

/**
 * Additions and multiplications of a training step's products, two for each pair of factors, the gradients of either
 * factor taking as many again. Every token meets the four projections and the two matrices of the inner layer in every
 * block, and the head; every query meets its own and the earlier keys twice, for the scores and for the mean of the
 * values. The gradients' recomputed scores and what is done value by value are not counted.
 */
export const operationsOf = ({ blocks, time, width, inner, batch, vocabulary }) => {
  const tokens = batch * time
  const pairs = batch * pairsOf(time)
  return 6 * tokens * ((4 * width * width + 2 * width * inner) * blocks + width * vocabulary) + 12 * pairs * width * blocks
}

/**
 * Names and shapes of the weights, in one order for both sides. `tied`: the head is the table of tokens, without a
 * bias.
 */
export const weightsOf = ({ blocks, positions, width, inner, vocabulary, tied }) => {
  const dense = (name, rows, columns) => [
    { name: `${name}.kernel`, shape: [rows, columns] },
    { name: `${name}.bias`, shape: [columns] },
  ]
  const norm = (name) => ['gamma', 'beta'].map((part) => ({ name: `${name}.${part}`, shape: [width] }))
  const block = (i) => [
    ...norm(`${i}.first`),
    ...['query', 'key', 'value', 'out'].flatMap((name) => dense(`${i}.${name}`, width, width)),
    ...norm(`${i}.second`),
    ...dense(`${i}.up`, width, inner),
    ...dense(`${i}.down`, inner, width),
  ]
  return [
    { name: 'tokens', shape: [vocabulary, width] },
    { name: 'positions', shape: [positions, width] },
    ...Array.from({ length: blocks }, (_, i) => block(i)).flat(),
    ...norm('last'),
    ...(tied ? [] : dense('head', width, vocabulary)),
  ]
}

/** Writes Glorot uniform kernels, small embeddings, and sequences that follow a rule with noise. */
export const writeGpt = (gpt) => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-bench-'))
  const weights = weightsOf(gpt)
  const next = uniform(2)
  const file = openSync(join(folder, 'weights'), 'w')
  for (const { name, shape } of weights) {
    const limit = name.endsWith('kernel') ? Math.sqrt(6 / (shape[0] + shape[1])) : shape.length === 2 ? 0.05 : 0
    const values = new Float32Array(size(shape)).fill(name.endsWith('gamma') ? 1 : 0)
    if (limit > 0) for (let i = 0; i < values.length; i++) values[i] = (2 * next() - 1) * limit
    for (let written = 0; written < values.byteLength; ) written += writeSync(file, new Uint8Array(values.buffer), written)
  }
  closeSync(file)
  const ids = []
  for (let sample = 0; sample < 64; sample++) {
    let id = Math.floor(next() * gpt.vocabulary)
    for (let i = 0; i <= gpt.time; i++) {
      ids.push(id)
      id = next() < 0.3 ? Math.floor(next() * gpt.vocabulary) : (id * 5 + 7) % gpt.vocabulary
    }
  }
  writeFileSync(join(folder, 'ids'), Int32Array.from(ids))
  return { ...gpt, folder, weights }
}
