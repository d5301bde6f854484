// What pointwise operations are made with: from a name, a kind and a gradient follow the op, its gradient's op, the
// public function, its checks and the Tensor method.
import { applyOne } from '../core/apply.js'
import { type Attrs, type Call, type Op, registerOp } from '../core/op.js'
import type { Spec } from '../core/spec.js'
import { func, methods } from '../core/symbolic.js'
import { Tensor, type TensorLike } from '../core/tensor.js'
import type { Broadcast, BroadcastCheck } from '../core/tensor_shapes.js'
import type { BinaryDType, DTypeOf, Result, ResultKind, ShapeOf, UnaryDType } from '../core/tensor_types.js'
import { keepMask } from './masks.js'
import { broadcastShapes, type Kind, numberOf, promoted, single } from './operands.js'
import { call, unbroadcast } from './raw.js'

/** A pointwise function of one operand, and of the further arguments `Rest`. */
export type Unary<K extends ResultKind = 'float', Rest extends unknown[] = []> = <X extends TensorLike>(
  x: X,
  ...rest: Rest
) => Result<ShapeOf<X>, UnaryDType<K, DTypeOf<X>>>
export type UnaryMethod<K extends ResultKind = 'float', Rest extends unknown[] = []> = <X extends Tensor>(
  this: X,
  ...rest: Rest
) => Result<ShapeOf<X>, UnaryDType<K, DTypeOf<X>>>

/** A pointwise function of two operands that broadcast. */
export type Binary<K extends ResultKind = 'number'> = <A extends TensorLike, B extends TensorLike>(
  a: A,
  b: B & BroadcastCheck<ShapeOf<A>, ShapeOf<B>>,
) => Result<Broadcast<ShapeOf<A>, ShapeOf<B>>, BinaryDType<K, A, B>>
export type BinaryMethod<K extends ResultKind = 'number'> = <A extends Tensor, B extends TensorLike>(
  this: A,
  b: B & BroadcastCheck<ShapeOf<A>, ShapeOf<B>>,
) => Result<Broadcast<ShapeOf<A>, ShapeOf<B>>, BinaryDType<K, A, B>>

/** Attributes of pointwise ops are numbers; kernels know them by the same names. */
export type Numbers = Readonly<Record<string, number>>

/**
 * How the gradient of x follows from g, the gradient of the result.
 * { input } or { output }: a kernel `<name>Grad` of (g, x) or (g, y); the function says the same with simpler ops, for
 * second derivatives. A function of (g, x, y): written with simpler ops. 'zero': the function is flat. 'none': the
 * results are not numbers.
 */
export type UnaryGradient<A extends Numbers> =
  | { readonly input: (g: Tensor, x: Tensor, attrs: A) => Tensor }
  | { readonly output: (g: Tensor, y: Tensor, attrs: A) => Tensor }
  | ((g: Tensor, x: Tensor, y: Tensor) => Tensor)
  | 'zero'
  | 'none'

export interface UnaryDefinition<A extends Numbers> {
  readonly name: string
  /** What the op computes with; bools and integers are converted. */
  readonly kind: Kind
  /** Further arguments of the function, in order, with their defaults. */
  readonly attributes?: A
  readonly gradient: UnaryGradient<A>
  /** The dtype of the results, where it is not that of x. */
  readonly result?: 'bool'
}

function gradientOf<A extends Numbers>(name: string, gradient: UnaryGradient<A>): Partial<Op<A>> {
  if (gradient === 'none') return { noGradient: true }
  if (gradient === 'zero') return { grad: () => [] }
  if (typeof gradient === 'function') return { grad: ([g], { inputs: [x], outputs: [y] }) => [gradient(g!, x!, y!)] }
  const kernel = `${name}Grad`
  const slope = 'input' in gradient ? gradient.input : gradient.output
  registerOp<A>({
    name: kernel,
    shape: ([x]) => [{ shape: x!.shape, dtype: x!.dtype }],
    compose: ([g, at], attrs) => [slope(g!, at!, attrs)],
  })
  return { grad: ([g], { inputs: [x], outputs: [y], attrs }) => [call(kernel, [g!, 'input' in gradient ? x! : y!], attrs)] }
}

/** Registers an op of one operand, and that of its gradient. */
export function unaryOp<A extends Numbers>({ name, gradient, result }: Omit<UnaryDefinition<A>, 'kind' | 'attributes'>): Op<A> {
  return registerOp<A>({
    name,
    shape: ([x]) => [{ shape: x!.shape, dtype: result ?? x!.dtype }],
    ...gradientOf(name, gradient),
  })
}

/** A pointwise operation of one operand: op, gradient, public function and Tensor method. */
export function unary<A extends Numbers>(definition: UnaryDefinition<A>): (x: TensorLike, ...attributes: (number | undefined)[]) => Tensor {
  const { name, kind, attributes } = definition
  const op = unaryOp(definition)
  const names = Object.keys(attributes ?? {})
  const none = {} as A
  const fn =
    names.length === 0
      ? (x: TensorLike) => keepMask(applyOne(op, [single(name, x, kind)], none), [x])
      : (x: TensorLike, ...given: (number | undefined)[]) => {
          const attrs: Record<string, number> = {}
          names.forEach((attribute, i) => {
            attrs[attribute] = numberOf(name, attribute, given[i] ?? attributes![attribute])
          })
          return keepMask(applyOne(op, [single(name, x, kind)], attrs as A), [x])
        }
  return installed(name, func(`${name}(${['x', ...names].join(', ')})`, fn))
}

/** Gradients of a and b in the result's shape, as functions so that only those needed are made. */
type BinaryGradient = (g: Tensor, a: Tensor, b: Tensor, y: Tensor) => [() => Tensor, () => Tensor]

export interface BinaryDefinition {
  readonly name: string
  /** What the op computes with; bools and integers are converted. */
  readonly kind: Kind
  readonly gradient: BinaryGradient | 'zero' | 'none'
  /** The dtype of the results, where it is not that of the operands. */
  readonly result?: 'bool'
  /** Makes the operands ready. Default: they are promoted to a common dtype. */
  readonly operands?: (name: string, values: readonly [TensorLike, TensorLike]) => Tensor[]
}

/** The shape rule of operands that broadcast; the dtype is that of the last. */
export function broadcasting(name: string, result?: 'bool'): (inputs: readonly Spec[]) => Spec[] {
  return (inputs) => [
    {
      shape: broadcastShapes(
        name,
        inputs.map((x) => x.shape),
      ),
      dtype: result ?? inputs[inputs.length - 1]!.dtype,
    },
  ]
}

/** A pointwise operation of two operands that broadcast: op, public function and Tensor method. */
export function binary<K extends ResultKind = 'number'>({ name, kind, gradient, result, operands }: BinaryDefinition): Binary<K> {
  const flow = (g: Tensor, { inputs: [a, b], outputs: [y] }: Call<Attrs>): Tensor[] =>
    (gradient as BinaryGradient)(g, a!, b!, y!).map((slope, i) => unbroadcast(slope(), (i === 0 ? a! : b!).shape))
  const op: Op = registerOp({
    name,
    shape: broadcasting(name, result),
    ...(gradient === 'none' ? { noGradient: true } : { grad: gradient === 'zero' ? () => [] : ([g], made) => flow(g!, made) }),
  })
  const fn = (a: TensorLike, b: TensorLike): Tensor => {
    const ready = a instanceof Tensor && b instanceof Tensor && a.dtype === b.dtype && a.dtype === 'float32' && a.device === b.device
    const inputs = ready && operands === undefined ? [a, b] : operands ? operands(name, [a, b]) : promoted(name, [a, b], kind)
    return keepMask(applyOne(op, inputs, {}), [a, b])
  }
  return installed(name, func(`${name}(a, b)`, fn))
}

/** The function, which is a Tensor method too. */
function installed<F extends (x: TensorLike, ...rest: never[]) => unknown>(name: string, fn: F): F {
  methods({ [name]: fn as (x: Tensor, ...args: never[]) => unknown })
  return fn
}
