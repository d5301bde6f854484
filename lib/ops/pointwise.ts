// What the families of pointwise operations are made with: shape rules of one, two and three operands, and public functions.
import { applyOne } from '../core/apply.js'
import { type Attrs, type Call, type Op, registerOp, type Spec } from '../core/op.js'
import { func } from '../core/symbolic.js'
import { Tensor, type TensorLike } from '../core/tensor.js'
import { unbroadcast } from './broadcast.js'
import { broadcastShapes, type Kind, promoted, single } from './operands.js'

export type Unary = (x: TensorLike) => Tensor
export type Binary = (a: TensorLike, b: TensorLike) => Tensor

// function declarations throughout: families import each other in circles, and these run while the circle is being loaded
function same([x]: readonly Spec[]): Spec[] {
  return [{ shape: x!.shape, dtype: x!.dtype }]
}

/** An op of one operand. `slope`: the gradient of x from g, x and y; absent where it is zero everywhere. */
export function unaryOp<A extends Attrs>(name: string, slope?: (g: Tensor, x: Tensor, y: Tensor, attrs: A) => Tensor): Op<A> {
  return registerOp<A>({
    name,
    shape: same,
    grad: slope ? ([g], { inputs: [x], outputs: [y], attrs }) => [slope(g!, x!, y!, attrs)] : () => [],
  })
}

/** The gradient kernel of a unary op, (g, x or y) → gradient of x; `compose` says the same with simpler ops, for second derivatives. */
export function gradientOp<A extends Attrs>(name: string, compose: (g: Tensor, at: Tensor, attrs: A) => Tensor): Op<A> {
  return registerOp<A>({ name, shape: same, compose: ([g, at], attrs) => [compose(g!, at!, attrs)] })
}

/** An op of two operands of one dtype. `slopes`: gradients of a and b in the result's shape, as functions so that only those needed are made. */
export function binaryOp(
  name: string,
  result?: 'bool',
  slopes?: (g: Tensor, call: Call) => [(() => Tensor) | undefined, (() => Tensor) | undefined],
): Op {
  const op: Op = {
    name,
    shape: (inputs) => [
      {
        shape: broadcastShapes(
          name,
          inputs.map((x) => x.shape),
        ),
        dtype: result ?? inputs[0]!.dtype,
      },
    ],
  }
  if (!slopes) return registerOp(result ? op : { ...op, grad: () => [] })
  return registerOp({
    ...op,
    grad: ([g], call) => slopes(g!, call).map((slope, i) => slope && unbroadcast(slope(), call.inputs[i]!.shape)),
  })
}

/** The public function of a unary op without attributes. */
export function unary(op: Op, kind: Kind): Unary {
  return func((x: TensorLike) => applyOne(op, [single(op.name, x, kind)], {}))
}

/** The public function of a binary op: promotes dtypes and broadcasts. */
export function binary(op: Op, kind: Kind): Binary {
  return func((a: TensorLike, b: TensorLike) => {
    const ready = a instanceof Tensor && b instanceof Tensor && a.dtype === b.dtype && a.dtype === 'float32' && a.device === b.device
    return applyOne(op, ready ? [a, b] : promoted(op.name, [a, b], kind), {})
  })
}
