// What each row is to reach, as a multiple of its peer's speed on one thread, by instruction set; and what the machine
// can't do faster than it does it, of which a row's bound is made.
import { size, weightShapes } from './networks.mjs'
import { pairsOf, weightsOf } from './gpt.mjs'
import { peerLevel } from './side.mjs'

const avx2 = {
  train: { mnist: { 32: 7, 128: 7 }, cifar: { 32: 2.2, 128: 2.2 }, mlp: { 32: 4, 128: 2 } },
  infer: { 1: 1.5, 64: 1.5 },
  recurrent: { lstm: 1.9, gru: 2.2, classifier: { 32: 2.3, 128: 1.8 } },
  gpt: 1.5,
  gpt2: 1.3,
  attention: 1.2,
  convolution: 1,
  matMul: (rows) => (rows <= 128 ? 1.1 : 0.95),
}

const avx512 = {
  ...avx2,
  train: { mnist: { 32: 8, 128: 8 }, cifar: { 32: 2.5, 128: 2.2 }, mlp: { 32: 5, 128: 2 } },
  infer: { 1: 2, 64: 2.5 },
  recurrent: { lstm: 4, gru: 2.2, classifier: { 32: 3, 128: 2 } },
  attention: 1,
  matMul: (rows) => (rows <= 128 ? 1.1 : 1),
}

export const goals = peerLevel === 'avx512' ? avx512 : avx2

/*
 * A bound is the peer's time over the least time that the row can take on this machine:
 *
 *   operations of the products / peak of multiply-adds on registers + rest
 *
 * Where a row's products are listed, they are timed in place of the peak: tiles of a result are summed in registers,
 * with factors that lie packed in caches. Such loops are all that a product needs.
 *
 * All of it is measured in the rounds of the row, by the same clock. The rest is what is no product and must be done:
 * `peers/peak.cc` does it alone, in loops that do nothing else. It is asked for by these requests:
 *
 *   reads, writes  bytes that products take and leave, around `within` bytes of memory: no product holds its operands
 *                  in registers, and those of a row do not fit the first-level cache
 *   update         weights that Adam updates; `made`: by gradients that it need not read
 *   rows           of `length` values, gathered from `of` rows in any order
 *   multiplyAdds   those of no product, and multiplications and additions that are no part of one: cells of recurrent
 *                  layers
 *   functions      values of a logistic function: one for each gate, each new state, each GELU
 *   exponentials   those of a softmax: one for each pair of a query and a key that it sees, and each logit
 *   outputs of a convolution: each is the sum of `taps` multiply-adds on registers, and is stored. These loops do
 *                  the products as well
 *   pooled         the same of a convolution that is pooled: the largest of four such sums, or 0, is stored
 *   loads          floats that are read once, one after the other. Products hide it as far as they take as long
 *
 * What is left out (packing, normalization, what else the loss does, waking threads) makes the true bound lower, never
 * higher. What a processor does of the rest while it multiplies makes it higher: Peak.compare sees to that.
 */
const sum = (values) => values.reduce((total, value) => total + value, 0)
const most = (values) => values.reduce((largest, value) => Math.max(largest, value), 0)

/**
 * Bytes that products read and write once. Each is [m, k] times [k, n]; the largest is what the memory holds. A result
 * that is `taken` as it is made need not be written.
 */
const trafficOf = (products) => ({
  reads: 4 * sum(products.map(({ m, k, n }) => m * k + k * n)),
  writes: 4 * sum(products.map(({ m, n, taken }) => (taken ? 0 : m * n))),
  within: 4 * most(products.map(({ m, k, n }) => m * k + k * n + m * n)),
})

/**
 * The products of a dense layer in a training step: forward, the gradient of its weights, and that of its input.
 * `taken`: the gradient of the weights is taken as it is made.
 */
const trained = ({ rows, inputs, outputs, first = false, taken = false }) => [
  { m: rows, k: inputs, n: outputs },
  { m: inputs, k: rows, n: outputs, taken },
  ...(first ? [] : [{ m: rows, k: outputs, n: inputs }]),
]

export const restOfProduct = (product) => trafficOf([product])

/**
 * What no product is in a training step of a network of networks.mjs, whose layers are all dense. Nobody but Adam wants
 * the gradients of weights: it can take them as they are made.
 */
export const restOfNetwork = (network, batch) => ({
  ...trafficOf(
    weightShapes(network)
      .filter((shape) => shape.length === 2)
      .flatMap(([inputs, outputs], i) => trained({ rows: batch, inputs, outputs, first: i === 0, taken: true })),
  ),
  made: 1,
  update: sum(weightShapes(network).map(size)),
  rows: batch,
  length: size(network.inputShape),
  of: network.samples,
})

/** Sigmoid and tanh of one layer, forward: of all gates, and of an LSTM's cells. The gradients take them from there. */
const functionsOf = ({ kind, batch, steps, units }) => batch * steps * units * (kind === 'lstm' ? 5 : 3)

/**
 * What cells do beside that with each unit, forward and backward. LSTM: 3 for cell and state; 4 from the gradient of
 * the state to that of the cell, whose tanh is the state over its gate; 3 for the slope of each gate, and 1 for the
 * cell before. GRU: 3 for the state; 3 for its gradient and what of it goes past the gates; 4 for the slope of the
 * update gate, 2 for that of the candidate, 3 for that of the reset gate, and 1 for what meets the weights.
 */
const multiplyAddsOf = ({ kind, batch, steps, units }) => batch * steps * units * (kind === 'lstm' ? 20 : 16)

/**
 * Each step of time meets all recurrent weights, forward and backward, and they do not fit the first-level cache: each
 * step reads them once, however many rows meet them. Slopes of gates are written for the products that read them; these
 * and gradients of inputs may stay near.
 */
const nearOfRecurrent = ({ gates, batch, steps, features, units }) => ({
  reads: 4 * 2 * steps * gates * units * units,
  writes: 4 * (batch * steps * (gates * units + features) + (features + units) * gates * units),
  within: 4 * gates * units * units,
})
/**
 * Gates and states of all steps are written forward, and read again on the way back: by then all of them have been
 * written, of all layers, so they lie where so much fits. So does what gradients are made of: inputs, states and the
 * gradient of the output.
 */
const keptOfRecurrent = (layers) => {
  // beside the gates, states and the cells of lstm or the inner products of gru
  const kept = ({ gates, batch, steps, features, units }) => 4 * batch * steps * ((gates + 2) * units + features)
  const bytes = sum(layers.map(kept))
  return { reads: bytes + sum(layers.map(({ batch, steps, units }) => 4 * batch * steps * units)), writes: bytes, within: bytes }
}
const together = (all) => ({
  reads: sum(all.map(({ reads }) => reads)),
  writes: sum(all.map(({ writes }) => writes)),
  within: most(all.map(({ within }) => within)),
})
const restOfLayers = (layers) => [
  {
    ...together(layers.map(nearOfRecurrent)),
    functions: sum(layers.map(functionsOf)),
    multiplyAdds: sum(layers.map(multiplyAddsOf)),
  },
  keptOfRecurrent(layers),
]
export const restOfRecurrent = (layer) => restOfLayers([layer])

/**
 * The products of a layer: each step's of inputs and states with all weights, and of slopes with the recurrent weights;
 * and those of all steps at once, the gradients of weights and of inputs.
 */
export const productsOfRecurrent = ({ gates, batch, steps, features, units }) => [
  { times: steps, rows: batch, terms: features + units, columns: gates * units },
  { times: steps, rows: batch, terms: gates * units, columns: units },
  { times: 1, rows: features + units, terms: batch * steps, columns: gates * units },
  { times: 1, rows: batch * steps, terms: gates * units, columns: features },
]

const lstmsOf = ({ dimension, units, steps }, batch) =>
  [dimension, units].map((features) => ({ kind: 'lstm', gates: 4, batch, steps, features, units }))

/**
 * The classifier of recurrent.mjs: its embedding, two LSTMs and one unit. A row of the embedding is copied for each
 * token, and the gradient of each is added to one.
 */
export const restOfClassifier = (classifier, batch) => {
  const { vocabulary, dimension, units, steps } = classifier
  const weights = vocabulary * dimension + sum([dimension, units].map((inputs) => (inputs + units + 1) * 4 * units)) + units + 1
  return [...restOfLayers(lstmsOf(classifier, batch)), { update: weights }, { rows: 2 * batch * steps, length: dimension, of: vocabulary }]
}
export const productsOfClassifier = (classifier, batch) => lstmsOf(classifier, batch).flatMap(productsOfRecurrent)

/** The products of a decoder like GPT-2 (gpt.mjs) without those of attention. */
const layersOfGpt = ({ blocks, batch, time, width, inner, vocabulary }) => {
  const layer = (inputs, outputs) => trained({ rows: batch * time, inputs, outputs })
  return [
    { times: 4 * blocks, products: layer(width, width) },
    { times: blocks, products: [...layer(width, inner), ...layer(inner, width)] },
    { times: 1, products: layer(width, vocabulary) },
  ]
}
export const productsOfGpt = (gpt) =>
  layersOfGpt(gpt).flatMap(({ times, products }) => products.map(({ m, k, n }) => ({ times, rows: m, terms: k, columns: n })))
export const restOfGpt = (gpt) => {
  const { blocks, batch, time, inner, heads, vocabulary } = gpt
  const rows = batch * time
  return {
    ...trafficOf(layersOfGpt(gpt).flatMap(({ times, products }) => Array.from({ length: times }, () => products).flat())),
    update: sum(weightsOf(gpt).map(({ shape }) => size(shape))),
    functions: rows * inner * blocks,
    exponentials: blocks * batch * heads * pairsOf(time) + rows * vocabulary,
  }
}

/**
 * The same where weights fit no cache: they are read forward and backward and their gradients are written, and logits
 * are written and read. What else products take is a part of these, productsOfGpt(), and left out.
 */
export const restOfLargeGpt = (gpt) => {
  const { blocks, batch, time, width, inner, vocabulary } = gpt
  const weights = 4 * (blocks * (4 * width * width + 2 * width * inner) + width * vocabulary)
  const logits = 4 * batch * time * vocabulary
  return { ...restOfGpt(gpt), reads: 2 * weights + logits, writes: weights + logits, within: weights }
}

/**
 * Attention alone: queries, keys and values are read and the result is written. The gradients read all of these and the
 * result's gradient, and write three. The exponentials of the forward pass do for both.
 */
export const restOfAttention = ({ batch, queries, keys, heads, width, causal = false, pass }) => {
  const [own, others] = [4 * batch * queries * width, 4 * batch * keys * width]
  const within = 2 * own + 2 * others
  const exponentials = batch * heads * (causal ? pairsOf(queries) : queries * keys)
  if (pass === 'forward') return { reads: own + 2 * others, writes: own, within, exponentials }
  return { reads: 4 * own + 4 * others, writes: 2 * own + 2 * others, within, exponentials }
}

/**
 * A convolution by 3 x 3 filters without a border (kernels.mjs): what is stored or read for few multiply-adds.
 * `outside`: the operations that `rest` does not do. A gradient of filters reads the gradient of each output once.
 */
export const boundOfConvolution = ({ batch, side, channels, filters, pass, flops }) => {
  const outputs = batch * (side - 2) ** 2 * filters
  if (pass === 'filter gradient') return { hidden: { loads: outputs }, outside: flops }
  if (pass === 'forward') return { rest: { outputs, taps: 9 * channels }, outside: 0 }
  const inputs = batch * side ** 2 * channels
  // a pixel at the edge has fewer taps
  return { rest: { outputs: inputs, taps: Math.floor(flops / 2 / inputs) }, outside: 0 }
}

/** Inference of the MNIST CNN: its pooled convolution, and a dense layer that reads its weights or its rows once. */
export const boundOfInference = (batch) => {
  const pooled = batch * 13 * 13 * 32
  return { rest: { pooled, taps: 9 }, hidden: { loads: Math.max(pooled, 13 * 13 * 32 * 10) }, outside: 2 * pooled * 10 }
}
