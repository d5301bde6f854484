// Hostile calls: whatever a public function of the core is given, it returns or throws a WeftError; and no message
// fails to be made.
import { test } from 'uvu'
import * as weft from '../../lib/index.js'
import { type AnyFunction, hostileTests, type Target } from '../hostile.js'

const callIt = (result: unknown): unknown => (typeof result === 'function' ? (result as AnyFunction)() : undefined)
const readIt = (result: unknown): unknown => (result instanceof weft.Tensor ? result.array() : undefined)
const target = (): weft.Tensor => weft.tensor([1, 2])
let names = 0

/** The functions with arguments that are right, which hostile values replace one by one and in pairs. */
const functions: Readonly<Record<string, Target>> = {
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

hostileTests(functions)

test.run()
