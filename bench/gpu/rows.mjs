// What the GPU bench measures: rows with their work per call, how far results may differ, the goal, and what would come
// next where it is missed.
import * as sequences from './rows_sequences.mjs'

const uniform = (seed) => {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

const conv = (filters) => ({ type: 'conv', filters })
const dense = (units, activation) => ({ type: 'dense', units, activation })
const pool = { type: 'pool' }
const flatten = { type: 'flatten' }

// Convolutions are 3x3 with relu and without padding, pools are 2x2.
export const networks = {
  mnist: { title: 'MNIST CNN', inputShape: [28, 28, 1], layers: [conv(32), pool, conv(64), pool, flatten, dense(10, 'linear')] },
  mlp: {
    title: 'MLP 784-512-512-10',
    inputShape: [784],
    layers: [dense(512, 'relu'), dense(512, 'relu'), dense(10, 'linear')],
  },
}

const training = (network, precision, batch, goals) => ({
  kind: 'training',
  group: 'training',
  name: `${networks[network].title}, training step, batch ${batch}, ${precision}`,
  network,
  precision,
  batch,
  samples: 468 * batch,
  twin: precision === 'tf32',
  // Both sides start from equal weights; four steps apart, rounding has grown a little.
  tolerance: precision === 'tf32' ? 2e-3 : 2e-4,
  goals,
  next: 'fewer and fused graph nodes, gradients of one layer beside each other, programmatic dependent launch, several steps per graph',
})

const latency = (network) => ({
  kind: 'latency',
  group: 'latency',
  name: `${networks[network].title}, JavaScript array to result, batch 1`,
  network,
  batch: 1,
  samples: 1024,
  tolerance: 1e-3,
  goals: { eager: 8, best: 3 },
  next: 'pinned memory for input and result that the kernels address directly, and a flag instead of an event',
})

const layouts = { NN: [false, false], NT: [false, true], TN: [true, false], TT: [true, true] }

const product = (m, k, n, dtype, { layout = 'NN', precision = 'float32', ...rest } = {}) => ({
  kind: 'product',
  group: 'product',
  name: `matMul ${m}x${k}x${n} ${precision === 'tf32' ? 'tf32' : dtype} ${layout}`,
  m,
  k,
  n,
  dtype,
  precision,
  transposeA: layouts[layout][0],
  transposeB: layouts[layout][1],
  flops: 2 * m * k * n,
  sets: Math.max(2, Math.min(16, Math.ceil(2 ** 28 / (m * k * (dtype === 'bfloat16' ? 2 : 4))))),
  tolerance: dtype === 'bfloat16' ? 8e-3 : precision === 'tf32' ? 2e-3 : 1e-5,
  ...rest,
})

// Half of the shapes are multiples of 8, as 16-byte accesses need; the others are what comes.
const ragged = (count, low, high) => {
  const next = uniform(17)
  return Array.from({ length: count }, (_, i) => {
    const extent = () => {
      const value = low + Math.floor(next() * (high - low + 1))
      return i % 2 === 0 ? Math.round(value / 8) * 8 : value
    }
    const row = product(extent(), extent(), extent(), 'bfloat16', { next: undefined })
    return { ...row, group: 'ragged', sets: 16, milliseconds: 20 }
  })
}

const convolution = (side, channels, filters, kernel, stride, batch, extra = {}) =>
  ['forward', 'data gradient', 'filter gradient']
    // the data gradient of a first layer is never computed
    .filter((pass) => pass !== 'data gradient' || channels > 4)
    .map((pass) => {
      const out = Math.ceil(side / stride)
      return {
        kind: 'convolution',
        group: 'convolution',
        name: `conv ${side}x${side} ${channels}→${filters} ${kernel}x${kernel}${stride > 1 ? `/${stride}` : ''} batch ${batch}, ${pass}`,
        pass,
        batch,
        side,
        channels,
        filters,
        kernel,
        stride,
        padding: kernel >> 1,
        out,
        dtype: 'bfloat16',
        precision: 'float32',
        flops: 2 * batch * out * out * kernel * kernel * channels * filters,
        sets: Math.max(2, Math.min(8, Math.ceil(2 ** 28 / (2 * batch * side * side * channels)))),
        tolerance: 8e-3,
        milliseconds: 40,
        ...extra,
      }
    })

// side, channels, filters, kernel, stride: the different convolutions of ResNet-50 (v1.5) at 224x224
const resnet50 = [
  [224, 3, 64, 7, 2],
  [56, 64, 64, 1, 1],
  [56, 64, 64, 3, 1],
  [56, 64, 256, 1, 1],
  [56, 256, 64, 1, 1],
  [56, 256, 128, 1, 1],
  [56, 128, 128, 3, 2],
  [56, 256, 512, 1, 2],
  [28, 128, 512, 1, 1],
  [28, 512, 128, 1, 1],
  [28, 128, 128, 3, 1],
  [28, 512, 256, 1, 1],
  [28, 256, 256, 3, 2],
  [28, 512, 1024, 1, 2],
  [14, 256, 1024, 1, 1],
  [14, 1024, 256, 1, 1],
  [14, 256, 256, 3, 1],
  [14, 1024, 512, 1, 1],
  [14, 512, 512, 3, 2],
  [14, 1024, 2048, 1, 2],
  [7, 512, 2048, 1, 1],
  [7, 2048, 512, 1, 1],
  [7, 512, 512, 3, 1],
]

/**
 * `bytes`: what must be read and written once. The goal is a share of the bandwidth measured in the same run: of
 * reading, or of copying.
 */
const memory = (op, rows, columns, dtype, accesses, limit, goal, extra = {}) => {
  const size = dtype === 'bfloat16' ? 2 : 4
  return {
    kind: 'memory',
    group: 'memory',
    name: `${op} ${rows}x${columns} ${dtype}`,
    op,
    rows,
    columns,
    dtype,
    precision: 'float32',
    bytes: accesses * rows * columns * size,
    limit,
    goal,
    sets: 2,
    tolerance: dtype === 'bfloat16' ? 8e-3 : 2e-5,
    next: 'wider accesses, more of them under way, rows spread over a cluster where one block cannot hold them',
    ...extra,
  }
}

const float32Next =
  'operands split into bfloat16 parts while they are staged, small products summed apart, persistent tiles shared by a cluster'
const bfloat16Next =
  'the next rung of the ladder for wgmma: larger tiles, tile order along a Hilbert curve, results stored by the copy engine'

const full = () => [
  training('mnist', 'tf32', 128, { eager: 12, best: 2.5, microseconds: 55 }),
  training('mnist', 'float32', 128, { eager: 12, best: 2.5, microseconds: 55 }),
  training('mlp', 'tf32', 128, { eager: 15, best: 2.5 }),
  training('mlp', 'float32', 128, { eager: 15, best: 2.5 }),
  latency('mlp'),
  latency('mnist'),
  ...[4096, 8192].flatMap((n) =>
    Object.keys(layouts).map((layout) => product(n, n, n, 'bfloat16', { layout, goal: 0.97, next: bfloat16Next, twin: layout === 'NN' })),
  ),
  ...[1024, 2048, 4096, 8192].map((n) =>
    product(n, n, n, 'float32', { goal: n >= 4096 ? 1.8 : undefined, accuracy: true, next: float32Next }),
  ),
  product(4096, 256, 4096, 'float32', { accuracy: true }),
  product(4096, 4096, 4096, 'float32', { precision: 'tf32', next: float32Next }),
  product(64, 4096, 4096, 'bfloat16', { next: bfloat16Next }),
  memory('sum of all', 16384, 16384, 'float32', 1, 'read', 0.95, { tolerance: 1e-3 }),
  memory('sum of rows', 16384, 16384, 'float32', 1, 'read', 0.95),
  memory('sum of columns', 16384, 16384, 'float32', 1, 'read', 0.95),
  memory('maximum of all', 16384, 16384, 'float32', 1, 'read', 0.95),
  memory('mean of all', 16384, 16384, 'bfloat16', 1, 'read', 0.95, { tolerance: 8e-3 }),
  ...[1024, 4096, 32768].flatMap((columns) => [
    memory('softmax', 2 ** 28 / columns, columns, 'bfloat16', 2, 'copy', 0.9),
    memory('layerNorm', 2 ** 28 / columns, columns, 'bfloat16', 2, 'copy', 0.9),
    memory('crossEntropy', 2 ** 28 / columns, columns, 'bfloat16', 2, 'copy', 0.9),
  ]),
  memory('softmax', 65536, 4096, 'float32', 2, 'copy', 0.9),
  memory('softmaxGrad', 65536, 4096, 'bfloat16', 3, 'copy', 0.9),
  // Weft keeps mean and deviation in bfloat16, PyTorch in float32
  memory('layerNormGrad', 65536, 4096, 'bfloat16', 3, 'copy', 0.9, { tolerance: 3e-2 }),
  memory('crossEntropyGrad', 65536, 4096, 'bfloat16', 2, 'copy', 0.9),
  memory('adam', 16384, 4096, 'float32', 7, 'copy', 0.92, { sets: 1 }),
  memory('add', 16384, 16384, 'float32', 3, 'copy', undefined),
  ...sequences.full(),
  ...resnet50.flatMap((shape) => convolution(...shape, 32)),
  ...ragged(200, 512, 2048),
]

// The same rows at sizes that kernels emulated on a CPU get through: they show that the bench works, not how fast
// anything is.
const tiny = () => [
  { ...training('mnist', 'float32', 4, { eager: 12, best: 2.5, microseconds: 55 }), samples: 16, tolerance: 2e-4 },
  { ...training('mlp', 'tf32', 8, { eager: 15, best: 2.5 }), samples: 32 },
  latency('mlp'),
  ...Object.keys(layouts).map((layout) => product(48, 40, 56, 'bfloat16', { layout, sets: 2, goal: 0.97, next: bfloat16Next })),
  product(64, 96, 40, 'float32', { sets: 2, goal: 1.8, accuracy: true, next: float32Next }),
  product(64, 64, 64, 'float32', { sets: 2, precision: 'tf32' }),
  ...['sum of all', 'sum of rows', 'sum of columns', 'maximum of all', 'mean of all'].map((op) =>
    memory(op, 24, 40, op === 'mean of all' ? 'bfloat16' : 'float32', 1, 'read', 0.95, { tolerance: 1e-2 }),
  ),
  ...['softmax', 'layerNorm', 'crossEntropy', 'softmaxGrad', 'layerNormGrad', 'crossEntropyGrad'].map((op) =>
    memory(op, 24, 40, 'bfloat16', 2, 'copy', 0.9, { tolerance: 3e-2 }),
  ),
  memory('adam', 24, 40, 'float32', 7, 'copy', 0.92, { sets: 1 }),
  memory('add', 24, 40, 'float32', 3, 'copy', undefined),
  ...sequences.tiny(),
  ...convolution(9, 16, 24, 3, 2, 2),
  ...convolution(12, 3, 16, 7, 2, 1),
  ...ragged(4, 17, 60).map((row) => ({ ...row, sets: 2 })),
]

export const rows = { full, tiny }

/** Rows that stand for a whole group: the geometric mean of its ratios, and the smallest. */
export const summaries = [
  {
    group: 'ragged',
    name: 'matMul bfloat16, ragged shapes 512 to 2048, geometric mean',
    mean: 1,
    least: 0.8,
    next: 'a table of tiles by shape, work cut along the inner dimension where tiles fill the last wave badly',
  },
  {
    group: 'convolution',
    name: 'ResNet-50 convolutions bfloat16, geometric mean',
    mean: 0.85,
    next: 'the copy engine gathers windows (im2col mode), filters on the side of the rows where they are few',
  },
]
