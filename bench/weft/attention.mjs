// Weft's side of attention.mjs: training steps of a small GPT written with operations, and attention alone.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  gather,
  gradients,
  jit,
  layerNorm,
  optimizers,
  profile,
  scaledDotProductAttention,
  sparseSoftmaxCrossEntropy,
  synchronize,
  tensor,
  variable,
} from '../../dist/lib/index.js'
import { startClocks } from '../shared/measure.mjs'
import { size } from '../shared/networks.mjs'
import { answerRequests } from '../shared/side.mjs'

const readFloats = (path) => {
  const { buffer, byteOffset, byteLength } = readFileSync(path)
  return new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength))
}

/** The weights by name, as variables. */
const loadWeights = ({ folder, weights }) => {
  const values = readFloats(join(folder, 'weights'))
  let offset = 0
  return Object.fromEntries(
    weights.map(({ name, shape }) => {
      const own = values.slice(offset, (offset += size(shape)))
      return [name, variable(tensor(own, shape), { name })]
    }),
  )
}

const makeTrainer = (request, epsilon = 1e-7) => {
  const { blocks, time, width, heads, batch } = request
  const w = loadWeights(request)
  const dense = (x, name) => x.matMul(w[`${name}.kernel`]).add(w[`${name}.bias`])
  const normalize = (x, name) => layerNorm(x, w[`${name}.gamma`], w[`${name}.beta`], { epsilon: 1e-5 })
  const perHead = (x) => x.reshape([batch, time, heads, width / heads])
  const attend = (x, block) => {
    const [q, k, v] = ['query', 'key', 'value'].map((name) => perHead(dense(x, `${block}.${name}`)))
    return dense(scaledDotProductAttention(q, k, v, { causal: true }).reshape([batch * time, width]), `${block}.out`)
  }
  const logits = (ids) => {
    let x = gather(w.tokens, ids)
      .add(w.positions)
      .reshape([batch * time, width])
    for (let i = 0; i < blocks; i++) {
      x = x.add(attend(normalize(x, `${i}.first`), i))
      x = x.add(dense(dense(normalize(x, `${i}.second`), `${i}.up`).gelu(), `${i}.down`))
    }
    return dense(normalize(x, 'last'), 'head')
  }
  const optimizer = optimizers.adam({ learningRate: 1e-3, epsilon })
  const variables = Object.values(w)
  const step = jit((ids, targets) => {
    const loss = sparseSoftmaxCrossEntropy(logits(ids), targets.reshape([batch * time])).mean()
    optimizer.apply(gradients(loss, variables), variables)
    return loss
  })
  const data = new Int32Array(readFloats(join(request.folder, 'ids')))
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

let current
let trainer

const load = (request) => {
  current = request
  trainer = makeTrainer(request)
}

/** Losses of the first steps from the initial weights. */
const check = async ({ count, epsilon }) => {
  const own = makeTrainer(current, epsilon)
  const losses = []
  for (let i = 0; i < count; i++) losses.push(await own(i).item())
  return { losses }
}

const steps = async ({ count }) => {
  const stop = startClocks()
  for (let i = 0; i < count; i++) trainer(i).dispose()
  await synchronize()
  return stop(count)
}

const profiled = async ({ count }) => {
  await steps({ count: 2 })
  return { profile: await profile(() => steps({ count })) }
}

/** The same numbers on both sides: multiples of 1/64 in [-1, 1). */
const pattern = (shape, seed) => {
  const values = new Float32Array(size(shape))
  for (let i = 0; i < values.length; i++) values[i] = (((Math.imul(i, 2654435761) + Math.imul(seed, 40503)) >>> 16) & 127) / 64 - 1
  return tensor(values, shape)
}

let kernel
const loadKernel = async ({ batch, queries, keys, heads, width, causal, pass }) => {
  const operands = [queries, keys, keys].map((extent, i) => pattern([batch, extent, heads, width / heads], i + 1))
  const options = { causal, ...(causal && queries < keys ? { offset: keys - queries } : {}) }
  const forward = (q, k, v) => scaledDotProductAttention(q, k, v, options)
  const both = (q, k, v) => {
    const y = forward(q, k, v)
    return [y, ...gradients(y.mul(pattern(y.shape, 4)).sum(), [q, k, v])]
  }
  const run = jit(pass === 'forward' ? (...given) => [forward(...given)] : both)
  kernel = () => run(...operands)
  for (let i = 0; i < 3; i++) kernel()
  await synchronize()
  const values = await Promise.all(kernel().map((t) => t.data()))
  return { values: values.flatMap((list) => Array.from(list).filter((_, i) => i % 97 === 0)) }
}

const runKernel = async ({ milliseconds }) => {
  const stop = startClocks()
  for (let count = 8; ; count += 8) {
    for (let i = 0; i < 8; i++) for (const t of kernel()) t.dispose()
    await synchronize()
    const figures = stop(count)
    if (figures.microseconds * count > milliseconds * 1000) return figures
  }
}

await answerRequests({ load, check, steps, profiled, loadKernel, runKernel })
