// Weft's side of kernels.mjs. A program holds several calls of one kernel on different operands, so that what is timed
// is the kernel and not the way to it.
import { apply } from '../../dist/lib/core/apply.js'
import { concat, jit, synchronize, tensor } from '../../dist/lib/index.js'
import { ops } from '../../dist/lib/core/op.js'
import { startClocks } from '../shared/measure.mjs'
import { size } from '../shared/networks.mjs'
import { answerRequests } from '../shared/side.mjs'
import { keepBusy } from './busy.mjs'

const call = (name, inputs, attrs) => apply(ops.get(name), inputs, attrs)[0]

/** The same numbers on both sides: multiples of 1/64 in [-1, 1), so that short sums are exact. */
const pattern = (shape, seed) => {
  const values = new Float32Array(size(shape))
  for (let i = 0; i < values.length; i++) values[i] = (((Math.imul(i, 2654435761) + Math.imul(seed, 40503)) >>> 16) & 127) / 64 - 1
  return tensor(values, shape)
}

const convolutionAttrs = { strides: [1, 1], padding: [0, 0, 0, 0], dilations: [1, 1], groups: 1 }

// Each gives the shapes of the operand that differs from call to call and of the one that does not, and the call.
const makers = {
  matMul: ({ m, k, n }) => ({ first: [m, k], second: [k, n], fn: (a, b) => a.matMul(b), seeds: [1, 2] }),
  convolution: ({ batch, side, channels, filters, pass }) => {
    const image = [batch, side, side, channels]
    const kernel = [3, 3, channels, filters]
    const output = [batch, side - 2, side - 2, filters]
    if (pass === 'forward') return { first: image, second: kernel, fn: (x, k) => call('conv2d', [x, k], convolutionAttrs), seeds: [1, 2] }
    if (pass === 'data gradient') {
      return {
        first: output,
        second: kernel,
        fn: (g, k) => call('conv2dInputGrad', [g, k], { ...convolutionAttrs, shape: image }),
        seeds: [3, 2],
      }
    }
    return {
      first: image,
      second: output,
      fn: (x, g) => call('conv2dKernelGrad', [x, g], { ...convolutionAttrs, shape: kernel }),
      seeds: [1, 3],
    }
  },
  bandwidth: ({ op }) => {
    const fns = {
      add: (x, y) => x.add(y),
      relu: (x) => x.relu(),
      exp: (x) => x.exp(),
      tanh: (x) => x.tanh(),
      sum: (x) => x.sum(),
      softmax: (x) => x.softmax(-1),
    }
    return { first: [4096, 1024], second: [4096, 1024], fn: fns[op], seeds: [1, 2] }
  },
}

let current

const load = async (request) => {
  const { first, second, fn, seeds } = makers[request.kind](request)
  // As many as fill some milliseconds, but no more than stay in cache: the other side computes on one operand again and
  // again.
  const microseconds = (request.flops ?? Number.POSITIVE_INFINITY) / 100e3
  const copies = Math.max(1, Math.min(64, Math.round(4000 / microseconds), Math.floor(2 ** 19 / (4 * size(first)))))
  const constant = pattern(second, seeds[1])
  const operands = Array.from({ length: copies }, (_, i) => pattern(first, seeds[0] + (i === 0 ? 0 : 100 + i)))
  const many = jit((list, b) =>
    concat(
      list.map((a) => fn(a, b).reshape([-1]).slice([0], [1])),
      0,
    ),
  )
  current = { copies, constant, operands, fn, many }
  // A program's first run binds its kernels.
  for (let i = 0; i < 3; i++) many(operands, constant).dispose()
  await synchronize()
}

const sample = async () => {
  const { fn, operands, constant } = current
  const values = await jit(fn)(operands[0], constant).data()
  const step = Math.max(1, Math.floor(values.length / 4096))
  return { values: Array.from({ length: Math.ceil(values.length / step) }, (_, i) => values[i * step]) }
}

// Eight runs are queued while the eight before them are under way, so that the device never waits for JavaScript.
const run = async ({ milliseconds, busy = 0 }) => {
  const { copies, constant, operands, many } = current
  const rest = keepBusy(busy)
  const stop = startClocks()
  const until = performance.now() + milliseconds
  let count = 0
  let before
  do {
    for (let i = 0; i < 8; i++) many(operands, constant).dispose()
    count += 8
    const now = synchronize()
    await before
    before = now
  } while (performance.now() < until)
  await before
  const figures = stop(count * copies)
  rest()
  return figures
}

await answerRequests({ load, sample, run })
