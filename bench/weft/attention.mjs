// Weft's side of attention.mjs: training steps of a small GPT written with operations, and attention alone.
import { gradients, jit, profile, scaledDotProductAttention, synchronize, tensor } from '../../dist/lib/index.js'
import { startClocks } from '../shared/measure.mjs'
import { size } from '../shared/networks.mjs'
import { answerRequests } from '../shared/side.mjs'
import { makeTrainer } from './gpt.mjs'

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
