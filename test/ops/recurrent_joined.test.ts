// A recurrence bound together with the products around it (native/join.cc): the same values as op by op, whatever the
// sizes.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { device } from '../../lib/core/device.js'
import { gradients, gru, jit, type LstmOptions, lstm, profile, simpleRnn, synchronize, type Tensor, tensor } from '../../lib/index.js'

type Layer = (x: Tensor, kernel: Tensor, recurrent: Tensor, bias: Tensor | undefined, options?: LstmOptions) => Tensor
const layers: { name: string; gates: number; biases: number; run: Layer }[] = [
  { name: 'lstm', gates: 4, biases: 1, run: (x, k, r, b, options) => lstm(x, k, r, b, options).sequence },
  { name: 'gru', gates: 3, biases: 2, run: (x, k, r, b, options) => gru(x, k, r, b, options).sequence },
  {
    name: 'simpleRnn',
    gates: 1,
    biases: 1,
    run: (x, k, r, b, { recurrentActivation: _, ...options } = {}) => simpleRnn(x, k, r, b, options).sequence,
  },
]

let state = 1
/** Even numbers in [-scale, scale), the same on every machine (Park and Miller 1988). */
const values = (shape: number[], scale: number): Tensor => {
  const next = (): number => {
    state = (state * 48_271) % 2_147_483_647
    return (state / 1_073_741_823.5 - 1) * scale
  }
  return tensor(Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, next), shape)
}
const operands = (gates: number, biases: number, [b, t, d, u]: readonly number[]): Tensor[] => [
  values([b!, t!, d!], 1),
  values([d!, gates * u!], 1 / Math.sqrt(d!)),
  values([u!, gates * u!], 1 / Math.sqrt(u!)),
  values(biases === 2 ? [2, gates * u!] : [gates * u!], 0.1),
  values([b!, t!, u!], 1),
]
const difference = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let largest = 0
  let scale = 0
  for (let i = 0; i < b.length; i++) {
    largest = Math.max(largest, Math.abs(a[i]! - b[i]!))
    scale = Math.max(scale, Math.abs(b[i]!))
  }
  return a.length === b.length ? largest / scale : Number.NaN
}
/** Equal bits on the CPU, whose sums are in one order whatever the batch; a GPU may cut a batch in other ways. */
const same = (a: ArrayLike<number>, b: ArrayLike<number>): void => {
  if (device() === 'cpu') assert.equal(a, b)
  else assert.ok(difference(a, b) < 3e-6)
}
const rows = (t: Tensor, begin: number, count: number): Tensor => t.slice([begin], [count])

const sizes: readonly (readonly number[])[] = [
  [40, 29, 33, 40], // several chunks of rows, blocks of steps, panels that units and features fill in part
  [7, 5, 1, 17],
  [19, 31, 20, 16],
  [3, 250, 5, 4], // too few rows to join forward
]
for (const { name, gates, biases, run } of layers) {
  for (const size of sizes) {
    for (const reverse of [false, true]) {
      test(`${name} [${size}]${reverse ? ', reversed' : ''}: joined forward has the bits of op by op`, async () => {
        const [x, kernel, recurrent, bias] = operands(gates, biases, size) as [Tensor, Tensor, Tensor, Tensor, Tensor]
        const joined = jit((...given: Tensor[]) => run(given[0]!, given[1]!, given[2]!, given[3], { reverse }))(x, kernel, recurrent, bias)
        const single = run(x, kernel, recurrent, bias, { reverse })
        same((await joined.data()) as Float32Array, (await single.data()) as Float32Array)
        const without = jit((...given: Tensor[]) => run(given[0]!, given[1]!, given[2]!, undefined, { reverse }))(x, kernel, recurrent)
        same((await without.data()) as Float32Array, (await run(x, kernel, recurrent, undefined, { reverse }).data()) as Float32Array)
      })
    }
    test(`${name} [${size}]: gradients of a batch are those of its parts, masked and with factors`, async () => {
      const [x, kernel, recurrent, bias, g] = operands(gates, biases, size) as [Tensor, Tensor, Tensor, Tensor, Tensor]
      const [b, t, , u] = size as [number, number, number, number]
      const mask = tensor(
        Uint8Array.from({ length: b * t }, (_, i) => Number(i % 5 !== 2)),
        { shape: [b, t], dtype: 'bool' },
      )
      const factors = values([b, u], 1.5)
      const both = jit((...given: Tensor[]) => {
        const [x, kernel, recurrent, bias, g, mask, factors] = given as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]
        const y = run(x, kernel, recurrent, bias, { mask, recurrentScale: factors, reverse: true })
        return gradients(y.mul(g).sum(), [x, kernel, recurrent, bias])
      })
      const whole = both(x, kernel, recurrent, bias, g, mask, factors)
      const half = b >> 1
      const parts = [
        [0, half],
        [half, b - half],
      ].map(([begin, count]) => {
        const own = [x, g, mask, factors].map((operand) => rows(operand!, begin!, count!)) as [Tensor, Tensor, Tensor, Tensor]
        return both(own[0], kernel, recurrent, bias, own[1], own[2], own[3])
      })
      const dx = await Promise.all(parts.map((part) => part[0]!.data()))
      same((await whole[0]!.data()) as Float32Array, Float32Array.from([...dx[0]!, ...dx[1]!] as number[]))
      for (let i = 1; i < 4; i++) {
        const [first, second] = await Promise.all(parts.map((part) => part[i]!.data()))
        const sum = Float64Array.from(first as Float32Array, (value, j) => value + (second as Float32Array)[j]!)
        assert.ok(difference((await whole[i]!.data()) as Float32Array, sum) < 3e-6)
      }
    })
  }
}

test('what a caller reads itself is not joined away', async () => {
  const [x, kernel, recurrent, bias, g] = operands(4, 1, [8, 6, 5, 16]) as [Tensor, Tensor, Tensor, Tensor, Tensor]
  const fn = (x: Tensor, kernel: Tensor, recurrent: Tensor, bias: Tensor, g: Tensor): Tensor[] =>
    gradients(lstm(x, kernel, recurrent, bias).sequence.mul(g).sum(), [x, kernel, recurrent, bias])
  const all = jit(fn)(x, kernel, recurrent, bias, g)
  const wanted = [[0], [1], [2], [3], [0, 3], [1, 2]]
  for (const list of wanted) {
    const some = jit((...given: Tensor[]) => list.map((i) => fn(...(given as Parameters<typeof fn>))[i]!))(x, kernel, recurrent, bias, g)
    for (const [place, i] of list.entries()) {
      assert.ok(difference((await some[place]!.data()) as Float32Array, (await all[i]!.data()) as Float32Array) < 1e-6)
    }
  }
  // a weight decay on the slopes' own kernel, and the gradient of x read twice: readers beside the joined ones
  const beside = jit((...given: Tensor[]) => {
    const [dx, dkernel] = fn(...(given as Parameters<typeof fn>))
    return [dx!.add(dx!), dkernel!.add(given[1]!.mul(2))]
  })(x, kernel, recurrent, bias, g)
  assert.ok(difference((await beside[0]!.data()) as Float32Array, (await all[0]!.mul(2).data()) as Float32Array) < 1e-6)
  assert.ok(difference((await beside[1]!.data()) as Float32Array, (await all[1]!.add(kernel.mul(2)).data()) as Float32Array) < 1e-6)
})

for (const [name, gates, biases, run] of [
  ['lstm', 4, 1, lstm],
  ['gru', 3, 2, gru],
] as const) {
  test(`a profile names what was joined: ${name}`, async () => {
    if (device() !== 'cpu') return
    const given = operands(gates, biases, [16, 4, 8, 16]) as [Tensor, Tensor, Tensor, Tensor, Tensor]
    const step = jit((...all: Tensor[]) => {
      const [x, kernel, recurrent, bias, g] = all as [Tensor, Tensor, Tensor, Tensor, Tensor]
      return gradients(run(x, kernel, recurrent, bias).sequence.mul(g).sum(), [x, kernel, recurrent, bias])
    })
    const { kernels } = await profile(async () => {
      step(...given)
      await synchronize()
    })
    const joined = kernels.map((kernel) => kernel.name).filter((kernel) => kernel.includes('+'))
    assert.equal(joined.sort(), [`dense+${name}`, `${name}Grad+products`])
  })
}

for (const dtype of ['float16', 'bfloat16'] as const) {
  const units = 32
  const of = (shape: number[], value: (i: number) => number): Tensor =>
    tensor(
      Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => value(i)),
      { shape },
    )
  /** The gradient of all states by the bias, of operands of a dtype. */
  const slopes = async (bias: Tensor, to: 'float32' | typeof dtype): Promise<number[]> => {
    const given = [of([1, 5, 2], () => 0), of([2, 4 * units], () => 0), of([units, 4 * units], () => 0), bias].map((t) => t.cast(to))
    const run = jit((...[x, k, r, b]: Tensor[]) => gradients(lstm(x!, k!, r!, b!).state.sum(), [b!])[0]!)
    return [
      ...(await run(...given)
        .cast('float32')
        .data()),
    ] as number[]
  }

  test(`${dtype}: gradients of lstm where cells are near the ends of tanh, and where gates are shut`, async () => {
    // exact in 16 bits: gates i 3, f 6, g from 1 on, o 1; the cells come near 4
    const steep = of([4 * units], (i) => [3, 6, 1 + (i % units) / 64, 1][Math.floor(i / units)]!)
    const [narrow, wide] = [await slopes(steep, dtype), await slopes(steep, 'float32')]
    const most = Math.max(...wide.map(Math.abs))
    narrow.forEach((value, i) =>
      assert.ok(Math.abs(value - wide[i]!) <= 0.02 * Math.abs(wide[i]!) + 1e-3 * most, `${i}: ${value}, ${wide[i]}`),
    )
    // a gate of exp(-20), which is 0 in float16
    const shut = await slopes(
      of([4 * units], (i) => (i < 3 * units ? 0.5 : -20)),
      dtype,
    )
    assert.not(shut.some(Number.isNaN))
  })
}

test.run()
