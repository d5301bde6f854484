// A decoder like GPT-2 written with operations, and its training steps.
import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { join } from 'node:path'
import {
  gather,
  gradients,
  jit,
  layerNorm,
  optimizers,
  scaledDotProductAttention,
  sparseSoftmaxCrossEntropy,
  tensor,
  variable,
} from '../../dist/lib/index.js'
import { size } from '../shared/networks.mjs'

/** The weights by name, as variables. */
const loadWeights = ({ folder, weights }) => {
  const file = openSync(join(folder, 'weights'))
  const variables = Object.fromEntries(
    weights.map(({ name, shape }) => {
      const values = new Float32Array(size(shape))
      const bytes = new Uint8Array(values.buffer)
      for (let at = 0; at < bytes.length; ) at += readSync(file, bytes, at, bytes.length - at)
      return [name, variable(tensor(values, shape), { name })]
    }),
  )
  closeSync(file)
  return variables
}

/** A function of a step's number that does the step and returns its loss. */
export const makeTrainer = (request, epsilon = 1e-7) => {
  const { blocks, time, positions, width, heads, batch, tied } = request
  const w = loadWeights(request)
  const dense = (x, name) => x.matMul(w[`${name}.kernel`]).add(w[`${name}.bias`])
  const normalize = (x, name) => layerNorm(x, w[`${name}.gamma`], w[`${name}.beta`], { epsilon: 1e-5 })
  const perHead = (x) => x.reshape([batch, time, heads, width / heads])
  const attend = (x, block) => {
    const [q, k, v] = ['query', 'key', 'value'].map((name) => perHead(dense(x, `${block}.${name}`)))
    return dense(scaledDotProductAttention(q, k, v, { causal: true }).reshape([batch * time, width]), `${block}.out`)
  }
  const logits = (ids) => {
    const places = positions === time ? w.positions : w.positions.slice([0, 0], [time, width])
    let x = gather(w.tokens, ids)
      .add(places)
      .reshape([batch * time, width])
    for (let i = 0; i < blocks; i++) {
      x = x.add(attend(normalize(x, `${i}.first`), i))
      x = x.add(dense(dense(normalize(x, `${i}.second`), `${i}.up`).gelu(), `${i}.down`))
    }
    x = normalize(x, 'last')
    return tied ? x.matMul(w.tokens, { transposeB: true }) : dense(x, 'head')
  }
  const optimizer = optimizers.adam({ learningRate: 1e-3, epsilon })
  const variables = Object.values(w)
  const step = jit((ids, targets) => {
    const loss = sparseSoftmaxCrossEntropy(logits(ids), targets.reshape([batch * time])).mean()
    optimizer.apply(gradients(loss, variables), variables)
    return loss
  })
  const data = new Int32Array(new Uint8Array(readFileSync(join(request.folder, 'ids'))).buffer)
  const samples = data.length / (time + 1)
  const part = (i, from) => {
    const values = new Int32Array(batch * time)
    for (let row = 0; row < batch; row++) {
      const start = ((i * batch + row) % samples) * (time + 1) + from
      values.set(data.subarray(start, start + time), row * time)
    }
    return tensor(values, [batch, time])
  }
  return (i) => step(part(i, 0), part(i, 1))
}
