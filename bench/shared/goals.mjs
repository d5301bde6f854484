// What each row is to reach, as a multiple of its peer's speed on one thread, by instruction set; and what the machine
// can't do faster than it does it, of which a row's bound is made.
import { size, weightShapes } from './networks.mjs'
import { weightsOf } from './gpt.mjs'
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
 * All of it is measured in the rounds of the row. The rest is what no product can hide: `peers/peak.cc` does it alone,
 * in loops that do nothing else. It is asked for by these requests:
 *
 *   update     weights that Adam updates
 *   rows       of `length` values, gathered from `of` rows in any order
 *   functions  values of a logistic function: one for each gate, each new state, each GELU
 *   outputs    of a convolution: each is the sum of `taps` multiply-adds on registers, and is stored. These loops do the
 *              products as well
 *   pooled     the same of a convolution that is pooled: the largest of four such sums, or 0, is stored
 *   loads      floats that are read once, one after the other. Products hide it as far as they take as long
 *
 * What is left out (reading and writing of activations, normalization, softmax, the loss) makes the true bound lower,
 * never higher.
 */
const sum = (values) => values.reduce((total, value) => total + value, 0)

/** What no product is in a training step of a network of networks.mjs. */
export const restOfNetwork = (network, batch) => ({
  update: sum(weightShapes(network).map(size)),
  rows: batch,
  length: size(network.inputShape),
  of: network.samples,
})

/** Sigmoid and tanh of one layer, forward: of all gates, and of an LSTM's cells. The gradients take them from there. */
const functionsOf = ({ kind, batch, steps, units }) => batch * steps * units * (kind === 'lstm' ? 5 : 3)
export const restOfRecurrent = (layer) => ({ functions: functionsOf(layer) })

/** The classifier of recurrent.mjs: its embedding, two LSTMs and one unit. */
export const restOfClassifier = ({ vocabulary, dimension, units, steps }, batch) => ({
  functions: 2 * functionsOf({ kind: 'lstm', batch, steps, units }),
  update: vocabulary * dimension + sum([dimension, units].map((inputs) => (inputs + units + 1) * 4 * units)) + units + 1,
  rows: batch * steps,
  length: dimension,
  of: vocabulary,
})

/** A decoder like GPT-2 (gpt.mjs). */
export const restOfGpt = (gpt) => ({
  update: sum(weightsOf(gpt).map(({ shape }) => size(shape))),
  functions: gpt.batch * gpt.time * gpt.inner * gpt.blocks,
})

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
