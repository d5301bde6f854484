// Rows of the convolutions; their gradient kernels are reached through the derivatives, and directly where shapes are
// large.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { conv1d, conv2d, conv2dTranspose, depthwiseConv2d, type Tensor, tensor } from '../../lib/index.js'
import { apply, applyOne } from '../../lib/core/apply.js'
import { Conv2dBias, Conv2dInputGrad, Conv2dKernelGrad, Conv2dReluPool } from '../../lib/ops/conv.js'
import type { FusedActivation } from '../../lib/ops/dense.js'
import { checkRows, isProgram, type Row } from '../check.js'
import { generator } from '../expect.js'
import { absolute, at, eachPosition, elementwise, generate, reshape, type Values } from '../reference.js'
import * as reference from '../reference_images.js'

interface Case {
  x: readonly number[]
  k: readonly number[]
  strides?: readonly [number, number]
  dilations?: readonly [number, number]
  padding?: 'valid' | 'same' | readonly number[]
  groups?: number
}

/** Small images, many of them: they are convolved one pixel of several images at a time. */
const SMALL_IMAGES: readonly Case[] = [
  { x: [13, 4, 4, 16], k: [3, 3, 16, 20], padding: 'same' },
  { x: [9, 5, 6, 24], k: [3, 2, 24, 17], padding: 'same', strides: [2, 1] },
  { x: [8, 3, 7, 20], k: [2, 3, 20, 33], padding: 'same', strides: [1, 2] },
  // kernel rows that are summed in parts, a kernel larger than the image, pixels that see the border alone
  { x: [5, 2, 3, 220], k: [3, 3, 220, 18], padding: 'same' },
  { x: [6, 2, 2, 16], k: [3, 3, 16, 8], padding: [1, 2, 3, 1] },
  { x: [8, 5, 4, 16], k: [2, 2, 16, 18], padding: [3, 3, 3, 3], dilations: [2, 1] },
]

const CASES: readonly Case[] = [
  { x: [1, 4, 4, 1], k: [3, 3, 1, 2] },
  { x: [2, 3, 5, 2], k: [2, 2, 2, 1], padding: 'same' },
  { x: [1, 1, 1, 1], k: [1, 1, 1, 1] },
  { x: [1, 5, 4, 1], k: [3, 2, 1, 2], strides: [2, 1] },
  { x: [1, 5, 5, 2], k: [2, 3, 2, 1], strides: [2, 2], padding: 'same' },
  { x: [1, 5, 6, 1], k: [2, 3, 1, 2], dilations: [2, 2], padding: [1, 0, 2, 1] },
  { x: [1, 4, 4, 2], k: [3, 3, 2, 2], padding: [2, 1, 0, 3], strides: [1, 2] },
  { x: [1, 3, 3, 4], k: [2, 2, 2, 2], groups: 2 },
  { x: [1, 4, 3, 3], k: [2, 2, 1, 3], groups: 3, padding: 'same' },
  { x: [0, 4, 4, 1], k: [3, 3, 1, 2] },
  { x: [2, 3, 3, 0], k: [2, 2, 0, 2] },
  { x: [3, 9, 11, 3], k: [3, 3, 3, 21] },
  { x: [2, 11, 13, 17], k: [3, 3, 17, 35], padding: 'same' },
  { x: [2, 8, 8, 16], k: [5, 5, 16, 32], padding: 'same', strides: [2, 2] },
  { x: [2, 7, 9, 8], k: [1, 1, 8, 33] },
  { x: [2, 10, 9, 24], k: [3, 3, 1, 24], groups: 24, padding: 'same' },
  { x: [1, 5, 16, 35], k: [3, 3, 1, 35], groups: 35 },
  { x: [1, 9, 14, 16], k: [3, 3, 1, 32], groups: 16, strides: [2, 1], dilations: [1, 2], padding: 'same' },
  { x: [1, 10, 9, 12], k: [3, 3, 4, 18], groups: 3, dilations: [1, 2] },
  { x: [1, 9, 7, 16], k: [3, 3, 16, 20], padding: [1, 2, 2, 1] },
  { x: [1, 6, 5, 16], k: [2, 5, 16, 3], padding: 'same' },
  // a border above and below alone, one that is wider than the kernel, and bands of one image with all four borders
  { x: [2, 9, 8, 16], k: [3, 3, 16, 33], padding: [1, 2, 0, 0] },
  { x: [1, 6, 7, 16], k: [2, 2, 16, 18], padding: [2, 3, 2, 2] },
  { x: [1, 13, 100, 40], k: [3, 3, 40, 2], padding: 'same' },
  { x: [1, 6, 9, 220], k: [3, 3, 220, 3], padding: 'same' },
  { x: [2, 4, 8, 1], k: [3, 3, 1, 32] },
  { x: [2, 5, 22, 1], k: [3, 3, 1, 32], padding: 'same' },
  { x: [1, 7, 23, 3], k: [3, 3, 3, 64], strides: [2, 1] },
  { x: [2, 3, 11, 3], k: [3, 3, 3, 32], padding: 'same' },
  { x: [1, 4, 12, 3], k: [3, 3, 3, 48] },
  ...SMALL_IMAGES,
]

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)

function windowOf({ x, k, strides = [1, 1], dilations = [1, 1], padding = 'valid' }: Case): reference.Window {
  const sides = padding === 'valid' ? [0, 0, 0, 0] : padding === 'same' ? reference.same(x.slice(1, 3), k, strides, dilations) : padding
  return { strides, dilations, padding: sides }
}

const titleOf = ({ x, k, ...rest }: Case): string => `[${x}] by [${k}]${Object.entries(rest).map(([name, value]) => ` ${name} ${value}`)}`
const terms = ({ k }: Case): number => 8 + Math.sqrt(sizeOf(k.slice(0, 3)))

const plain = (c: Case): Row => ({
  op: 'conv2d',
  name: titleOf(c),
  operands: [{ shape: c.x }, { shape: c.k }],
  run: (x, k) =>
    conv2d(x!, k!, { strides: c.strides ?? 1, dilations: c.dilations ?? 1, padding: c.padding ?? 'valid', groups: c.groups ?? 1 }),
  reference: (x, k) => reference.conv2d(x!, k!, windowOf(c), c.groups),
  roundings: terms(c),
})

const attrsOf = (c: Case): reference.Window & { groups: number; [name: string]: readonly number[] | number } => ({
  ...windowOf(c),
  groups: c.groups ?? 1,
})
const outputOf = (c: Case): readonly number[] => reference.conv2d(zerosOf(c.x), zerosOf(c.k), windowOf(c), c.groups).shape
const zerosOf = (shape: readonly number[]): Values => generate(shape, () => 0)

/** The gradients by definition: each product of the forward loops, given back to its factor. */
function gradients(c: Case, x: Values, k: Values, g: Values): { x: Values; k: Values } {
  const { strides, dilations, padding } = windowOf(c)
  const dx = new Float64Array(sizeOf(c.x))
  const dk = new Float64Array(sizeOf(c.k))
  const [n, oh, ow, out] = g.shape as [number, number, number, number]
  const [, h, w, channels] = c.x as [number, number, number, number]
  const [kh, kw, inside] = c.k as [number, number, number]
  const offset = (shape: readonly number[], position: readonly number[]): number => position.reduce((a, p, i) => a * shape[i]! + p, 0)
  eachPosition([n, oh, ow, out, kh, kw, inside], ([image, i, j, o, p, q, inner]) => {
    const row = i! * strides[0]! - padding[0]! + p! * dilations[0]!
    const column = j! * strides[1]! - padding[2]! + q! * dilations[1]!
    if (row < 0 || row >= h || column < 0 || column >= w) return
    const group = Math.floor(o! / (out / (c.groups ?? 1)))
    const place = offset(c.x, [image!, row, column, (group * channels) / (c.groups ?? 1) + inner!])
    const weight = offset(c.k, [p!, q!, inner!, o!])
    const flow = at(g, [image!, i!, j!, o!])
    dx[place]! += flow * k.data[weight]!
    dk[weight]! += flow * x.data[place]!
  })
  return { x: { shape: c.x, data: [...dx] }, k: { shape: c.k, data: [...dk] } }
}

const gradientRows = (c: Case): Row[] => [
  {
    op: 'conv2dInputGrad',
    name: titleOf(c),
    operands: [{ shape: outputOf(c) }, { shape: c.k }],
    run: (g, k) => applyOne(Conv2dInputGrad, [g!, k!], { ...attrsOf(c), shape: c.x }),
    reference: (g, k) => gradients(c, zerosOf(c.x), k!, g!).x,
    roundings: terms(c) * 2,
  },
  {
    op: 'conv2dKernelGrad',
    name: titleOf(c),
    operands: [{ shape: c.x }, { shape: outputOf(c) }],
    run: (x, g) => applyOne(Conv2dKernelGrad, [x!, g!], { ...attrsOf(c), shape: c.k }),
    reference: (x, g) => gradients(c, x!, zerosOf(c.k), g!).k,
    roundings: terms(c) * 2,
  },
]

/** Positive numbers and one that is very large: sums that do not contain it must not notice it. */
const uneven = (shape: readonly number[], large: number): { shape: readonly number[]; values: number[] } => {
  const n = sizeOf(shape)
  return { shape, values: Array.from({ length: n }, (_, i) => (i === Math.floor((n * 5) / 8) ? large : 1 + (i % 7) / 4)) }
}
const UNEVEN: readonly Case[] = [CASES[1]!, CASES[4]!, CASES[6]!, CASES[11]!, CASES[15]!, CASES[16]!, SMALL_IMAGES[0]!]
const POSITIVE: readonly (readonly [number, number])[] = [[0.5, 1.5]]

const unevenRows = (c: Case, large: number): Row[] => {
  const [forward, input, kernel] = [plain(c), ...gradientRows(c)] as [Row, Row, Row]
  const one = { name: `${titleOf(c)} with ${large}`, derivatives: 0 as const }
  const sizesOf =
    (row: Row): Row['sizes'] =>
    (...list) =>
      row.reference(...list.map(absolute))
  const [y, x, k] = [outputOf(c), c.x, c.k]
  return [
    { ...forward, ...one, operands: [uneven(x, large), { shape: k, domain: POSITIVE }], sizes: sizesOf(forward) },
    { ...input, ...one, operands: [uneven(y, large), { shape: k, domain: POSITIVE }], sizes: sizesOf(input) },
    { ...kernel, ...one, operands: [uneven(x, large), { shape: y, domain: POSITIVE }], sizes: sizesOf(kernel) },
  ]
}

const activations = {
  linear: (x: number) => x,
  relu: (x: number) => Math.max(x, 0),
  sigmoid: (x: number) => 1 / (1 + Math.exp(-x)),
  tanh: Math.tanh,
}

const biased = (c: Case, activation: FusedActivation): Row => ({
  op: 'conv2dBias',
  name: `${activation}, ${titleOf(c)}`,
  operands: [{ shape: c.x }, { shape: c.k, domain: [[-0.3, 0.3]] }, { shape: [c.k[3]!] }],
  run: (x, k, b) => applyOne(Conv2dBias, [x!, k!, b!], { ...attrsOf(c), activation }),
  reference: (x, k, b) =>
    elementwise((y, bias) => activations[activation](y! + bias!))(reference.conv2d(x!, k!, windowOf(c), c.groups), b!),
  roundings: terms(c) * 4,
})

const pooled = (c: Case, poolSize: readonly [number, number]): Row => ({
  op: 'conv2dReluPool',
  name: `${poolSize}, ${titleOf(c)}`,
  operands: [{ shape: c.x }, { shape: c.k }, { shape: [c.k[3]!] }],
  run: (x, k, b) => apply(Conv2dReluPool, [x!, k!, b!], { ...attrsOf(c), poolSize })[0]!,
  reference: (x, k, b) => {
    const y = elementwise((v, bias) => Math.max(v! + bias!, 0))(reference.conv2d(x!, k!, windowOf(c)), b!)
    return reference.pool2d(y, poolSize, poolSize, [0, 0, 0, 0], (list) => Math.max(...list))
  },
  roundings: terms(c) * 2,
})

const lineOf = (x: Values): Values => reshape(x, [x.shape[0]!, 1, ...x.shape.slice(1)])
const sequence = (
  name: string,
  x: readonly number[],
  k: readonly number[],
  options: Parameters<typeof conv1d>[2] & { sides: readonly [number, number] },
): Row => {
  const { sides, ...given } = options
  return {
    op: 'conv2d',
    name: `conv1d ${name}`,
    operands: [{ shape: x }, { shape: k }],
    run: (t, kernel) => conv1d(t!, kernel!, given),
    reference: (t, kernel) => {
      const y = reference.conv2d(
        lineOf(t!),
        { shape: [1, ...kernel!.shape], data: kernel!.data },
        { strides: [1, given.strides ?? 1], dilations: [1, given.dilations ?? 1], padding: [0, 0, ...sides] },
      )
      return reshape(y, [y.shape[0]!, y.shape[2]!, y.shape[3]!])
    },
    roundings: 8,
  }
}

const upward = (
  name: string,
  x: readonly number[],
  k: readonly number[],
  options: Parameters<typeof conv2dTranspose>[2],
  extents: readonly number[],
  window: reference.Window,
): Row => ({
  op: 'conv2dInputGrad',
  name: `conv2dTranspose ${name}`,
  operands: [{ shape: x }, { shape: k }],
  run: (t: Tensor | undefined, kernel: Tensor | undefined) => conv2dTranspose(t!, kernel!, options),
  reference: (t, kernel) => reference.conv2dTranspose(t!, kernel!, extents, window),
  roundings: 8,
})

const separate = (x: readonly number[], k: readonly number[]): Row => ({
  op: 'conv2d',
  name: `depthwise [${x}] by [${k}]`,
  operands: [{ shape: x }, { shape: k }],
  run: (t, kernel) => depthwiseConv2d(t!, kernel!, { padding: 'same' }),
  reference: (t, kernel) => {
    const window = { strides: [1, 1], dilations: [1, 1], padding: reference.same(x.slice(1, 3), k, [1, 1]) }
    const [n, h, w, channels] = x as [number, number, number, number]
    return generate([n, h, w, channels * k[3]!], ([image, i, j, o]) => {
      const channel = Math.floor(o! / k[3]!)
      const alone = generate([1, h, w, 1], ([, row, column]) => at(t!, [image!, row!, column!, channel]))
      const weights = generate([k[0]!, k[1]!, 1, 1], ([p, q]) => at(kernel!, [p!, q!, channel, o! % k[3]!]))
      return at(reference.conv2d(alone, weights, window), [0, i!, j!, 0])
    })
  },
  roundings: 8,
})

const FUSED: readonly Case[] = [CASES[0]!, CASES[1]!, CASES[3]!, CASES[9]!, CASES[11]!, CASES[12]!, SMALL_IMAGES[0]!]

export const rows: readonly Row[] = checkRows(import.meta.url, [
  ...CASES.map(plain),
  ...[1e10, Number.POSITIVE_INFINITY].flatMap((large) => UNEVEN.flatMap((c) => unevenRows(c, large))),
  ...CASES.flatMap(gradientRows),
  ...FUSED.flatMap((c) => (['linear', 'relu', 'sigmoid', 'tanh'] as const).map((activation) => biased(c, activation))),
  biased(CASES[7]!, 'relu'),
  biased(CASES[15]!, 'relu'),
  pooled(CASES[0]!, [2, 2]),
  pooled({ x: [1, 5, 6, 2], k: [2, 2, 2, 2] }, [2, 3]),
  pooled({ x: [2, 4, 4, 1], k: [3, 3, 1, 1], padding: 'same' }, [2, 2]),
  pooled({ x: [1, 7, 7, 1], k: [3, 3, 1, 2], strides: [2, 2] }, [1, 3]),
  pooled({ x: [0, 6, 6, 1], k: [3, 3, 1, 2] }, [2, 2]),
  pooled({ x: [2, 12, 14, 1], k: [3, 3, 1, 32] }, [2, 2]),
  pooled({ x: [3, 11, 12, 16], k: [3, 3, 16, 35], padding: 'same' }, [2, 2]),
  pooled({ x: [2, 11, 9, 16], k: [3, 3, 16, 70] }, [2, 2]),
  pooled({ x: [1, 14, 17, 16], k: [3, 3, 16, 5], strides: [2, 1], dilations: [1, 2], padding: [1, 0, 2, 2] }, [2, 3]),
  sequence('valid', [2, 7, 2], [3, 2, 2], { sides: [0, 0] }),
  sequence('causal', [1, 6, 2], [3, 2, 1], { padding: 'causal', dilations: 2, sides: [4, 0] }),
  sequence('same, by 2', [1, 6, 1], [3, 1, 2], { padding: 'same', strides: 2, sides: [0, 1] }),
  sequence('padded', [1, 4, 1], [2, 1, 2], { padding: [2, 1], sides: [2, 1] }),
  separate([1, 3, 4, 2], [2, 3, 2, 2]),
  separate([2, 6, 5, 9], [3, 3, 9, 1]),
  separate([1, 5, 13, 35], [3, 3, 35, 1]),
  upward('valid', [1, 2, 3, 2], [3, 2, 1, 2], {}, [4, 4], { strides: [1, 1], dilations: [1, 1], padding: [0, 0, 0, 0] }),
  upward('valid by 2', [1, 2, 2, 1], [3, 1, 2, 1], { strides: 2 }, [5, 4], { strides: [2, 2], dilations: [1, 1], padding: [0, 0, 0, 0] }),
  upward('same by 2', [1, 3, 2, 1], [3, 2, 2, 1], { strides: 2, padding: 'same' }, [6, 4], {
    strides: [2, 2],
    dilations: [1, 1],
    padding: [0, 1, 0, 0],
  }),
  upward('same by 2 with output padding', [1, 2, 2, 1], [3, 3, 1, 1], { strides: 2, padding: 'same', outputPadding: 0 }, [3, 3], {
    strides: [2, 2],
    dilations: [1, 1],
    padding: [1, 1, 1, 1],
  }),
  upward('valid by 3 with output padding', [1, 2, 2, 1], [2, 2, 1, 1], { strides: 3, outputPadding: [2, 1] }, [7, 6], {
    strides: [3, 3],
    dilations: [1, 1],
    padding: [0, 0, 0, 0],
  }),
])

if (isProgram(import.meta.url)) {
  const drawn = (shape: readonly number[], seed: number): Tensor => {
    const next = generator(seed)
    return tensor(
      Float32Array.from({ length: sizeOf(shape) }, () => next() - 0.5),
      { shape },
    )
  }
  const attrs = { strides: [1, 1], padding: [1, 1, 1, 1], dilations: [1, 1], groups: 1 }

  for (const [side, channels, filters] of [
    [4, 24, 40],
    [4, 256, 256], // a large kernel, packed part by part
    [5, 40, 20], // bands of pixels that end within a row
    [7, 70, 33],
    [16, 16, 48],
  ] as const) {
    test(`images of ${side} x ${side} x ${channels}: one does not depend on the rest of its batch`, async () => {
      const [x, g] = [drawn([23, side, side, channels], 1), drawn([23, side, side, filters], 2)]
      const k = drawn([3, 3, channels, filters], 3)
      const shape = (n: number): readonly number[] => [n, side, side, channels]
      const all = await Promise.all([
        conv2d(x, k, { padding: 'same' }).data(),
        applyOne(Conv2dInputGrad, [g, k], { ...attrs, shape: shape(23) }).data(),
      ])
      for (const i of [0, 9, 22]) {
        const one = await Promise.all([
          conv2d(x.slice([i], [1]), k, { padding: 'same' }).data(),
          applyOne(Conv2dInputGrad, [g.slice([i], [1]), k], { ...attrs, shape: shape(1) }).data(),
        ])
        one.forEach((values, pass) => assert.equal(values, all[pass]!.slice(i * values.length, (i + 1) * values.length)))
      }
    })
  }

  test('the gradient of a kernel from many small images is the sum of its parts', async () => {
    const [x, g] = [drawn([601, 4, 4, 64], 1), drawn([601, 4, 4, 64], 2)]
    const from = async (begin: number, count: number): Promise<ArrayLike<number>> =>
      (await applyOne(Conv2dKernelGrad, [x.slice([begin], [count]), g.slice([begin], [count])], {
        ...attrs,
        shape: [3, 3, 64, 64],
      }).data()) as Float32Array
    const [whole, ...parts] = await Promise.all([from(0, 601), from(0, 200), from(200, 200), from(400, 201)])
    for (let i = 0; i < whole!.length; i++) {
      const sum = parts.reduce((total, part) => total + part[i]!, 0)
      if (!(Math.abs(whole![i]! - sum) <= 1e-4)) assert.unreachable(`${i}: ${whole![i]}, ${sum}`)
    }
  })

  test.run()
}
