// Single kernels on Weft's side: a program of several calls on different operands, which are bound by reference, so
// that what is timed is the kernel.
import { apply } from '../../../dist/lib/core/apply.js'
import { jit, optimizers, synchronize, tensor, variable } from '../../../dist/lib/index.js'
import { ops } from '../../../dist/lib/core/op.js'
import { startClocks } from '../../shared/measure.mjs'
import { labelAt, positions } from '../pattern.mjs'
import { operand } from './operands.mjs'
import { attention, lstm } from './sequences.mjs'

const call = (name, inputs, attrs = {}) => apply(ops.get(name), inputs, attrs)

const convolution = ({ batch, side, out, channels, filters, kernel, stride, padding, pass, dtype }) => {
  const after = (out - 1) * stride + kernel - side - padding
  const attrs = { strides: [stride, stride], padding: [padding, after, padding, after], dilations: [1, 1], groups: 1 }
  const image = [batch, side, side, channels]
  const weights = [kernel, kernel, channels, filters]
  const output = [batch, out, out, filters]
  const [first, second, fn] = {
    forward: [image, weights, (x, k) => call('conv2d', [x, k], attrs)[0]],
    'data gradient': [output, weights, (g, k) => call('conv2dInputGrad', [g, k], { ...attrs, shape: image })[0]],
    'filter gradient': [image, output, (x, g) => call('conv2dKernelGrad', [x, g], { ...attrs, shape: weights })[0]],
  }[pass]
  const constant = operand(second, 2, dtype)
  return { vary: (i) => operand(first, 10 + i, dtype), held: [constant], fn: (x) => fn(x, constant) }
}

const product = ({ m, k, n, transposeA, transposeB, dtype }) => {
  const b = operand(transposeB ? [n, k] : [k, n], 2, dtype)
  return {
    vary: (i) => operand(transposeA ? [k, m] : [m, k], 10 + i, dtype),
    held: [b],
    fn: (a) => a.matMul(b, { transposeA, transposeB }),
  }
}

const memory = ({ op, rows, columns, dtype }) => {
  const shape = [rows, columns]
  const vary = (i) => operand(shape, 10 + i, dtype)
  const simple = {
    'sum of all': (x) => x.sum(),
    'sum of rows': (x) => x.sum(1),
    'sum of columns': (x) => x.sum(0),
    'maximum of all': (x) => x.max(),
    'mean of all': (x) => x.mean(),
    softmax: (x) => x.softmax(-1),
  }[op]
  if (simple) return { vary, held: [], fn: simple }
  const held = []
  const hold = (t) => {
    held.push(t)
    return t
  }
  if (op === 'add') {
    const y = hold(operand(shape, 2, dtype))
    return { vary, held, fn: (x) => x.add(y) }
  }
  if (op === 'softmaxGrad') {
    const y = hold(operand(shape, 2, dtype))
    return { vary, held, fn: (g) => call('softmaxGrad', [g, y])[0] }
  }
  if (op.startsWith('layerNorm')) {
    const gamma = hold(operand([columns], 3, dtype))
    const beta = hold(operand([columns], 4, dtype))
    if (op === 'layerNorm') return { vary, held, fn: (x) => call('layerNorm', [x, gamma, beta], { epsilon: 1e-3 })[0] }
    const x = hold(operand(shape, 2, dtype))
    const [y, mean, rstd] = call('layerNorm', [x, gamma, beta], { epsilon: 1e-3 })
    y.dispose()
    held.push(mean, rstd)
    return { vary, held, fn: (g) => call('layerNormGrad', [g, x, gamma, mean, rstd]) }
  }
  const labels = hold(tensor(Int32Array.from({ length: rows }, (_, i) => labelAt(i, columns))))
  if (op === 'crossEntropy') return { vary, held, fn: (x) => call('sparseSoftmaxCrossEntropy', [x, labels]) }
  // from probabilities to the gradient of the logits
  const g = hold(operand([rows], 3, dtype))
  const probabilities = (i) => {
    const logits = vary(i)
    const p = logits.softmax(-1)
    logits.dispose()
    return p
  }
  return { vary: probabilities, held, fn: (p) => call('sparseSoftmaxCrossEntropyGrad', [g, p, labels])[0] }
}

/** One update of one large parameter in place. */
const adam = ({ rows, columns, dtype }) => {
  const weights = operand([rows, columns], 2, dtype)
  const w = variable(weights)
  weights.dispose()
  const g = operand([rows, columns], 3, dtype)
  const optimizer = optimizers.adam({ learningRate: 1e-3, epsilon: 1e-12 })
  optimizer.build([w])
  return { held: [w, g], step: () => optimizer.apply([g], [w]), result: w }
}

let current

const list = (value) => (Array.isArray(value) ? value : [value])

export const load = async (row) => {
  if (row.op === 'adam') {
    const { held, step, result } = adam(row)
    current = { held, program: jit(step, { precision: row.precision }), result, calls: 1 }
    return
  }
  const { vary, held, fn, parts } = { product, convolution, memory, lstm, attention }[row.kind](row)
  const operands = Array.from({ length: row.sets }, (_, i) => vary(i))
  const program = jit(() => operands.flatMap((x) => list(fn(x))), { precision: row.precision })
  const once = jit((x) => fn(x), { precision: row.precision })
  current = { held: [...held, ...operands.flat()], program, once, operands, parts, calls: operands.length }
}

const enqueue = () => {
  for (const t of current.program() ?? []) t.dispose()
}

/** A result at some positions. */
const thinned = async (result) => {
  const flat = result.reshape([-1])
  const values = [...(await flat.gather(tensor(positions(flat.size))).data())]
  flat.dispose()
  return values
}

/** The result for the first operand at some positions; where the parts of a result have names, each of them. */
export const sample = async () => {
  const { once, operands, parts, result } = current
  if (result) {
    enqueue()
    enqueue()
  }
  const all = result ? [result] : list(once(operands[0]))
  const reply = parts ? { parts: {} } : { values: await thinned(all[0]) }
  for (const [i, name] of (parts ?? []).entries()) reply.parts[name] = await thinned(all[i])
  if (!result) for (const t of all) t.dispose()
  // the first run binds kernels, the second records, the third replays
  for (let i = 0; i < 4; i++) enqueue()
  await synchronize()
  return reply
}

// Several runs are queued at a time, so that the device never waits for JavaScript.
export const run = async ({ milliseconds }) => {
  const stop = startClocks()
  for (let count = 8; ; count += 8) {
    for (let i = 0; i < 8; i++) enqueue()
    await synchronize()
    const figures = stop(count * current.calls)
    if (figures.microseconds * count * current.calls > milliseconds * 1000) return figures
  }
}

export const unload = async () => {
  await synchronize()
  current.program.dispose()
  current.once?.dispose()
  for (const t of current.held) t.dispose()
  current = undefined
}
