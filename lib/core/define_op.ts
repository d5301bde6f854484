// Own ops: defineOp writes one with other ops or names a C++ kernel; loadKernels brings the kernels in.
import path from 'node:path'
import { apply } from './apply.js'
import { native } from './device.js'
import { WeftError } from './error.js'
import { currentTrace } from './graph.js'
import { type Attrs, type Call, type Op, ops, registerOp, type Spec } from './op.js'
import { Tensor } from './tensor.js'

export interface OpDefinition<A extends Attrs = Attrs> {
  /** Unique; a prefix of your own keeps it so: 'mine.cube'. With a C++ kernel: the name in KERNEL(cpu, name). */
  name: string
  /** The results, written with other ops. Without it: `shape` and a kernel from loadKernels(). */
  forward?: (inputs: Tensor[], attrs: A) => Tensor | Tensor[]
  /** Shapes and dtypes of the results; throw when the operands do not fit. */
  shape?: (inputs: readonly Spec[], attrs: A) => Spec | Spec[]
  /** Gradients of the inputs from those of the outputs. Without it, that of `forward`. */
  grad?: (g: Tensor[], call: { inputs: Tensor[]; outputs: Tensor[]; attrs: A }) => (Tensor | undefined)[]
}

const list = <T>(value: T | T[]): T[] => (Array.isArray(value) ? value : [value])

/** Makes a function of (inputs, attrs) of an own op: a Tensor, or an array where the op has several results. */
export function defineOp<A extends Attrs = Attrs>(
  definition: OpDefinition<A>,
): (inputs: readonly Tensor[], attrs?: A) => Tensor | Tensor[] {
  const { name, forward, shape, grad } = definition
  if (typeof name !== 'string' || name === '') throw new WeftError('ERR_ARGUMENT', 'defineOp: an op needs a name')
  if (ops.has(name))
    throw new WeftError('ERR_ARGUMENT', `defineOp: '${name}' is the name of another op`, {
      hint: `Use a prefix of your own: 'mine.${name}'`,
    })
  if (!forward && !shape) throw new WeftError('ERR_ARGUMENT', `defineOp: '${name}' needs forward, or shape and a kernel from loadKernels()`)
  const userGrad =
    grad &&
    ((g: readonly Tensor[], inputs: readonly Tensor[], outputs: readonly Tensor[], attrs: A) =>
      grad([...g], { inputs: [...inputs], outputs: [...outputs], attrs }))
  if (!forward) {
    const op: Op = registerOp({
      name,
      shape: (inputs: readonly Spec[], attrs: Attrs) => list(shape!(inputs, attrs as A)),
      ...(userGrad
        ? { grad: (g: readonly Tensor[], call: Call) => userGrad(g, call.inputs, call.outputs, call.attrs as A) }
        : { noGradient: true }),
    })
    return (inputs, attrs) => one(apply(op, checked(name, inputs), attrs ?? {}))
  }
  return (inputs, attrs = {} as A) => {
    const given = checked(name, inputs)
    const trace = currentTrace()
    const made = list(forward(given, attrs))
    if (!trace || !userGrad) return one(made)
    // the results stand for those of forward, with the given gradient instead of the composition's
    const count = given.length
    const op: Op = {
      name,
      alias: count,
      shape: (specs) => specs.slice(count).map((s) => ({ shape: s.shape, dtype: s.dtype })),
      grad: (g, call) => userGrad(g, call.inputs.slice(0, count), call.outputs, attrs),
    }
    return one(trace.record(op, [...given, ...made], {}, op.shape([...given, ...made], {})))
  }
}

const one = (results: Tensor[]): Tensor | Tensor[] => (results.length === 1 ? results[0]! : results)

function checked(name: string, inputs: readonly Tensor[]): Tensor[] {
  if (!Array.isArray(inputs) || inputs.some((t) => !(t instanceof Tensor))) {
    throw new WeftError('ERR_ARGUMENT', `${name}: the first argument is an array of Tensors`)
  }
  return [...inputs]
}

/** Loads a library of C++ kernels (see native/kernel_library.h); returns the names of the ops it brought. */
export function loadKernels(file: string): string[] {
  try {
    return native.loadKernels(path.resolve(file))
  } catch (error) {
    throw new WeftError('ERR_FORMAT', `loadKernels: ${(error as Error).message}`, {
      hint: 'Build the library against the headers of this version of weftjs',
    })
  }
}
