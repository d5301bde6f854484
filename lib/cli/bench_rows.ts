// The rows of weftjs bench: what is timed, of which size, and the work one call does.
import { isAccelerator } from '../core/device_kinds.js'
import {
  conv2d,
  device,
  devices,
  grad,
  jit,
  layers,
  type Model,
  optimizers,
  randomNormal,
  sequential,
  synchronize,
  type Tensor,
  tensor,
} from '../index.js'

export const GROUPS = ['matmul', 'conv', 'lstm', 'reduce', 'fit'] as const
export type Group = (typeof GROUPS)[number]

export type Unit = 'GFLOP/s' | 'GB/s' | 'µs/step'

/** A row: set up when its turn comes, so that only its own tensors are in memory. */
export interface Row {
  group: Group
  name: string
  unit: Unit
  /** Floating-point operations or bytes of one call; 1 where steps are counted. */
  work: number
  start(): Promise<Running>
}

/** A row that is set up. */
export interface Running {
  /** Calls `count` times, and resolves when the device is done. */
  run(count: number): Promise<void>
  stop(): void
}

/** Sizes: `small` for a device that is emulated, or in a hurry. */
export function rows(groups: readonly Group[], small: boolean): Row[] {
  const onGpu = devices().some(({ id, kind, emulated }) => id === device() && isAccelerator(kind) && !emulated)
  const all: Record<Group, () => Row[]> = {
    matmul: () => (small ? [64] : onGpu ? [512, 1024, 4096] : [256, 512, 1024]).map(product),
    conv: () => convolutions(small ? [2, 8, 16] : onGpu ? [64, 56, 64] : [8, 56, 64]),
    lstm: () => recurrent(small ? [4, 8, 8] : [32, 100, 128]),
    reduce: () => reductions(small ? 64 : onGpu ? 8192 : 2048),
    fit: () => fits(small),
  }
  return GROUPS.filter((group) => groups.includes(group)).flatMap((group) => all[group]())
}

/** Times calls of fn, whose results are freed at once. */
function calls(operands: Tensor[], fn: (...operands: Tensor[]) => Tensor | Tensor[]): Running {
  const compiled = jit(fn)
  return {
    async run(count) {
      for (let i = 0; i < count; i++) for (const result of [compiled(...operands)].flat()) result.dispose()
      await synchronize()
    },
    stop() {
      for (const operand of operands) operand.dispose()
      compiled.dispose()
    },
  }
}

function product(n: number): Row {
  return {
    group: 'matmul',
    name: `${n} x ${n} x ${n} float32`,
    unit: 'GFLOP/s',
    work: 2 * n ** 3,
    start: async () => calls([randomNormal([n, n]), randomNormal([n, n])], (a, b) => a.matMul(b)),
  }
}

/** 3 x 3, as many filters as channels. */
function convolutions([batch, size, channels]: [number, number, number]): Row[] {
  const forward = 2 * batch * size * size * channels * channels * 9
  const operands = (): Tensor[] => [randomNormal([batch, size, size, channels]), randomNormal([3, 3, channels, channels])]
  const convolve = (x: Tensor, kernel: Tensor): Tensor => conv2d(x, kernel, { padding: 'same' })
  const shape = `${batch} x ${size} x ${size} x ${channels}, 3 x 3`
  // the gradients of a sum of products with g are those of the convolution for the incoming gradient g
  const both = grad((x: Tensor, kernel: Tensor, g: Tensor) => convolve(x, kernel).mul(g).sum(), { wrt: [0, 1] })
  return [
    { group: 'conv', name: shape, unit: 'GFLOP/s', work: forward, start: async () => calls(operands(), convolve) },
    {
      group: 'conv',
      name: `${shape}, both gradients`,
      unit: 'GFLOP/s',
      work: 2 * forward,
      start: async () => calls([...operands(), randomNormal([batch, size, size, channels])], (x, kernel, g) => both(x, kernel, g)),
    },
  ]
}

function reductions(n: number): Row[] {
  const row = (name: string, work: number, fn: (x: Tensor) => Tensor): Row => ({
    group: 'reduce',
    name: `${name} of ${n} x ${n} float32`,
    unit: 'GB/s',
    work,
    start: async () => calls([randomNormal([n, n])], fn),
  })
  const bytes = 4 * n * n
  return [
    row('sum', bytes, (x) => x.sum()),
    row('sum of columns', bytes, (x) => x.sum(0)),
    row('sum of rows', bytes, (x) => x.sum(1)),
    row('softmax', 2 * bytes, (x) => x.softmax()),
  ]
}

/** Steps of training: one run is one epoch of as many batches. */
function training(build: () => Model, batch: number, shape: number[], classes: number): () => Promise<Running> {
  return async () => {
    const net = build()
    net.compile({ optimizer: optimizers.adam(), loss: 'sparseCategoricalCrossentropy' })
    const data = new Map<number, [Tensor, Tensor]>()
    return {
      async run(count) {
        if (!data.has(count)) {
          const labels = tensor(
            Int32Array.from({ length: batch * count }, (_, i) => i % classes),
            [batch * count],
          )
          data.set(count, [randomNormal([batch * count, ...shape]), labels])
        }
        const [x, y] = data.get(count)!
        await net.fit(x, y, { epochs: 1, batchSize: batch, verbose: 0 })
      },
      stop() {
        for (const [x, y] of data.values()) x.dispose(), y.dispose()
        net.dispose()
      },
    }
  }
}

function recurrent([batch, time, units]: [number, number, number]): Row[] {
  const layer = (): Model =>
    sequential([layers.lstm({ units, inputShape: [time, units] }), layers.dense({ units: 10, activation: 'softmax' })]) as unknown as Model
  const name = `${batch} x ${time} steps, ${units} units`
  return [{ group: 'lstm', name: `train, ${name}`, unit: 'µs/step', work: 1, start: training(layer, batch, [time, units], 10) }]
}

function fits(small: boolean): Row[] {
  const [size, batch, units] = small ? [8, 8, 16] : [28, 32, 512]
  const dense = (): Model =>
    sequential([
      layers.dense({ units, activation: 'relu', inputShape: [size * size] }),
      layers.dense({ units, activation: 'relu' }),
      layers.dense({ units: 10, activation: 'softmax' }),
    ]) as unknown as Model
  const convolutional = (): Model =>
    sequential([
      layers.conv2d({ filters: 32, kernelSize: 3, activation: 'relu', inputShape: [size, size, 1] }),
      layers.maxPooling2d({ poolSize: 2 }),
      layers.flatten(),
      layers.dense({ units: 10, activation: 'softmax' }),
    ]) as unknown as Model
  return [
    {
      group: 'fit',
      name: `dense ${size * size}-${units}-${units}-10, batch ${batch}`,
      unit: 'µs/step',
      work: 1,
      start: training(dense, batch, [size * size], 10),
    },
    {
      group: 'fit',
      name: `convolution 32, pooling, dense, ${size} x ${size}, batch ${batch}`,
      unit: 'µs/step',
      work: 1,
      start: training(convolutional, batch, [size, size, 1], 10),
    },
  ]
}
