// Hostile calls: whatever a public function of the core is given, it returns or throws a WeftError; and no message
// fails to be made.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as weft from '../../lib/index.js'
import { generator } from '../expect.js'

type AnyFunction = (...args: unknown[]) => unknown
type Maker = () => unknown

const circular: unknown[] = []
circular.push(circular)
const ring: Record<string, unknown> = {}
ring['self'] = ring
let deep: unknown = 1
for (let i = 0; i < 100_000; i++) deep = [deep]
let deepRecord: unknown = 1
for (let i = 0; i < 100_000; i++) deepRecord = { a: deepRecord }
const detached = new Float32Array(4)
structuredClone(detached.buffer, { transfer: [detached.buffer] })
const thrower = Object.defineProperty({}, 'toString', { value: () => ({}) })

/** Values that no function of the core asks for, or that it asks for in another place. */
const hostile: readonly Maker[] = [
  () => undefined,
  () => null,
  () => Number.NaN,
  () => -1,
  () => 1.5,
  () => 2 ** 53,
  () => Number.POSITIVE_INFINITY,
  () => 10n,
  () => Symbol('s'),
  () => '',
  () => 'cpu',
  () => '__proto__',
  () => 'x'.repeat(100_000),
  () => true,
  () => [],
  () => [[]],
  () => [1, 2, 3],
  () => [1, [2]],
  () => [1, undefined],
  () => [null],
  () => ['a'],
  () => [1n],
  () => new Array(5),
  () => [2 ** 40, 2 ** 40],
  () => [2 ** 53, 0],
  () => [-1],
  () => circular,
  () => ring,
  () => deep,
  () => deepRecord,
  () => ({}),
  () => ({ shape: null, dtype: 3, device: [] }),
  () => ({ dtype: 'float31' }),
  () => ({ device: 'nowhere' }),
  () => ({ shape: [1n] }),
  () => ({ wrt: [9, 'a'] }),
  () => ({ wrt: -1 }),
  () => ({ name: null, forward: 1 }),
  () => ({ name: 'x', shape: 5 }),
  () => Object.create(null),
  () => thrower,
  () => new Proxy({}, {}),
  () => new Map([['a', 1]]),
  () => new Set([1]),
  () => new Date(0),
  () => /x/,
  () => new Error('plain'),
  () => Promise.resolve(1),
  () => Buffer.from('abc'),
  () => new ArrayBuffer(8),
  () => new DataView(new ArrayBuffer(8)),
  () => new BigUint64Array(3),
  () => new BigInt64Array(3),
  () => detached,
  () => new Float32Array(3),
  () => [new Float32Array(2), new Float32Array(3)],
  () => () => undefined,
  () => () => Promise.resolve(1),
  () => (x: unknown) => x,
  () => class Thing {},
  () => weft.tensor([1, 2]),
  () => weft.tensor(3),
  () => weft.variable([1, 2]),
  () => {
    const t = weft.tensor([1])
    t.dispose()
    return t
  },
]

/** What a function was asked to do and did; undefined: it returned, or threw a WeftError. */
async function misbehaved(fn: AnyFunction, args: readonly unknown[], follow: (result: unknown) => unknown): Promise<string | undefined> {
  try {
    const result = await fn(...args)
    await follow(result)
  } catch (error) {
    if (error instanceof weft.WeftError && error.message.length > 0 && error.message.length < 2000) return undefined
    // an error that a function of the caller threw is the caller's
    return error instanceof Error ? `${error.name}: ${error.message.slice(0, 200)}` : String(error)
  }
  return undefined
}

const callIt = (result: unknown): unknown => (typeof result === 'function' ? (result as AnyFunction)() : undefined)
const readIt = (result: unknown): unknown => (result instanceof weft.Tensor ? result.array() : undefined)
const target = (): weft.Tensor => weft.tensor([1, 2])
let names = 0

/** The functions with arguments that are right, which hostile values replace one by one and in pairs. */
const functions: Readonly<Record<string, { fn: AnyFunction; args: readonly Maker[]; follow?: (result: unknown) => unknown }>> = {
  tensor: { fn: weft.tensor as AnyFunction, args: [() => [1, 2], () => ({ dtype: 'float32' }), () => undefined], follow: readIt },
  variable: { fn: weft.variable as AnyFunction, args: [() => [1, 2], () => ({ name: 'w' }), () => undefined], follow: readIt },
  assign: {
    fn: (...args) => (weft.Variable.prototype.assign as AnyFunction).apply(weft.variable([1, 2]), args),
    args: [() => [3, 4], () => undefined],
  },
  to: { fn: (...args) => (target().to as AnyFunction).apply(target(), args), args: [() => 'cpu', () => undefined] },
  jit: { fn: weft.jit as AnyFunction, args: [() => (x: unknown) => x, () => ({}), () => undefined], follow: callIt },
  jitted: { fn: weft.jit((...args: unknown[]) => args.length) as AnyFunction, args: [target, () => 1, () => 'a'] },
  grad: { fn: weft.grad as AnyFunction, args: [() => (x: weft.Tensor) => x.sum(), () => ({}), () => undefined], follow: callIt },
  gradOf: { fn: weft.grad((x: weft.Tensor) => x) as AnyFunction, args: [target, () => 1] },
  valueAndGrad: {
    fn: weft.valueAndGrad as AnyFunction,
    args: [() => (x: weft.Tensor) => x.sum(), () => ({}), () => undefined],
    follow: callIt,
  },
  gradients: { fn: weft.gradients as AnyFunction, args: [() => weft.tensor(1), () => [target()], () => undefined] },
  gradientsInside: {
    fn: (...args) => weft.jit(() => (weft.gradients as AnyFunction)(...args) as weft.Tensor[])(),
    args: [() => weft.tensor(1), () => [target()], () => undefined],
  },
  gradCheck: { fn: weft.gradCheck as AnyFunction, args: [() => (x: weft.Tensor) => x.sum(), () => [[1, 2]], () => ({}), () => undefined] },
  defineOp: {
    fn: weft.defineOp as AnyFunction,
    args: [() => ({ name: `fuzz.${names++}`, forward: ([x]: weft.Tensor[]) => x }), () => undefined],
    follow: callIt,
  },
  ownOp: {
    fn: weft.defineOp({ name: 'fuzz.own', forward: ([x]) => x! }) as AnyFunction,
    args: [() => [target()], () => ({}), () => undefined],
  },
  ownKernel: {
    fn: weft.defineOp({ name: 'fuzz.kernel', shape: ([x]) => x! }) as AnyFunction,
    args: [() => [target()], () => ({})],
  },
  loadKernels: { fn: weft.loadKernels as AnyFunction, args: [() => '/nowhere/mine.so', () => undefined] },
  tidy: { fn: weft.tidy as AnyFunction, args: [() => () => 1, () => undefined] },
  tidied: { fn: (value) => weft.tidy(() => value), args: [() => 1] },
  profile: { fn: weft.profile as AnyFunction, args: [() => () => 1, () => undefined] },
  setSeed: { fn: weft.setSeed as AnyFunction, args: [() => 1, () => undefined] },
  setDevice: { fn: weft.setDevice as AnyFunction, args: [() => 'cpu', () => undefined] },
  withDevice: { fn: weft.withDevice as AnyFunction, args: [() => 'cpu', () => () => 1, () => undefined] },
  device: { fn: weft.device as AnyFunction, args: [() => undefined] },
  devices: { fn: weft.devices as AnyFunction, args: [() => undefined] },
  memory: { fn: weft.memory as AnyFunction, args: [() => undefined] },
  synchronize: { fn: weft.synchronize as AnyFunction, args: [() => undefined] },
}

for (const [name, { fn, args, follow = () => undefined }] of Object.entries(functions)) {
  test(`${name}: every hostile value in every place`, async () => {
    const random = generator(names + name.length)
    const problems: string[] = []
    const attempt = async (list: readonly Maker[]): Promise<void> => {
      const given = list.map((make) => make())
      const problem = await misbehaved(fn, given, follow)
      if (problem) problems.push(`${list.map((make) => String(make).slice(6, 60)).join(', ')}: ${problem}`)
    }
    for (let place = 0; place < args.length; place++)
      for (const make of hostile)
        await attempt(args.map((right, i) => (i === place ? make : right)).slice(0, Math.max(place + 1, args.length - 1)))
    for (let i = 0; i < 200; i++)
      await attempt(args.map((right) => (random() < 0.3 ? right : hostile[Math.floor(random() * hostile.length)]!)))
    assert.equal(problems.slice(0, 10), [])
  })
}

test.run()
