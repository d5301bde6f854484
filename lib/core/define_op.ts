// Own ops: defineOp writes one with other ops or names a C++ kernel; loadKernels brings the kernels in.
import path from 'node:path'
import { native } from './addon.js'
import { apply } from './apply.js'
import { checkShape } from './checks.js'
import { WeftError } from './error.js'
import { currentTrace } from './graph.js'
import { type Attrs, type AttrValue, type Call, type Op, ops, registerOp } from './op.js'
import { checkCall, checkOptions, type OptionTable, show } from './options.js'
import { type DType, DTYPES, type Spec } from './spec.js'
import { Tensor } from './tensor.js'

/** As many as the operation is called with: the type lets any of them be taken out by name. */
export type Operands<T> = [T, T, T, T, T, T, T, T, ...T[]]

/** R: one Tensor, or a list where the operation has several results. */
export interface OpDefinition<A extends Attrs = Attrs, R extends Tensor | Tensor[] = Tensor | Tensor[]> {
  /** Unique; a prefix of your own keeps it so: 'mine.cube'. With a C++ kernel: the name in KERNEL(cpu, name). */
  name: string
  /** The results, written with other ops. Without it: `shape` and a kernel from loadKernels(). */
  forward?: (inputs: Operands<Tensor>, attrs: A) => R
  /** Shapes and dtypes of the results; throw when the operands do not fit. */
  shape?: (inputs: Operands<Spec>, attrs: A) => R extends Tensor ? Spec : Spec[]
  /** Gradients of the inputs from those of the outputs. Without it, that of `forward`. */
  grad?: (g: Operands<Tensor>, call: { inputs: Operands<Tensor>; outputs: Operands<Tensor>; attrs: A }) => (Tensor | undefined)[]
  /**
   * dtypes that the C++ kernel takes; inputs of another one are refused, because the kernel would misread their memory.
   * Default ['float32'].
   */
  dtypes?: readonly DType[]
}
const OPTIONS: OptionTable<OpDefinition> = { name: 'string', forward: 'function', shape: 'function', grad: 'function', dtypes: 'list' }

/** A copy that functions of users may change. */
const operands = <T>(values: readonly T[]): Operands<T> => [...values] as Operands<T>

const list = <T>(value: T | T[]): T[] => (Array.isArray(value) ? value : [value])

/** Makes a function of (inputs, attrs) of an own op: a Tensor, or an array where the op has several results. */
export function defineOp<A extends Attrs = Attrs>(definition: OpDefinition<A, Tensor>): (inputs: readonly Tensor[], attrs?: A) => Tensor
export function defineOp<A extends Attrs = Attrs>(definition: OpDefinition<A, Tensor[]>): (inputs: readonly Tensor[], attrs?: A) => Tensor[]
export function defineOp<A extends Attrs = Attrs>(
  definition: OpDefinition<A>,
): (inputs: readonly Tensor[], attrs?: A) => Tensor | Tensor[] {
  checkCall('defineOp(definition)', arguments)
  if (typeof definition !== 'object' || definition === null)
    throw new WeftError('ERR_ARGUMENT', `defineOp: expected { name, forward } or { name, shape }, got ${show(definition)}`)
  checkOptions('defineOp', definition, OPTIONS)
  const { name, forward, shape, grad } = definition
  const dtypes = [...(definition.dtypes ?? ['float32'])] as DType[]
  if (typeof name !== 'string' || name === '') throw new WeftError('ERR_ARGUMENT', 'defineOp: an op needs a name')
  if (ops.has(name))
    throw new WeftError('ERR_ARGUMENT', `defineOp: '${name}' is the name of another op`, {
      hint: `Use a prefix of your own: 'mine.${name}'`,
    })
  if (!forward && !shape) throw new WeftError('ERR_ARGUMENT', `defineOp: '${name}' needs forward, or shape and a kernel from loadKernels()`)
  const userGrad =
    grad &&
    ((g: readonly Tensor[], inputs: readonly Tensor[], outputs: readonly Tensor[], attrs: A) =>
      grad(operands(g), { inputs: operands(inputs), outputs: operands(outputs), attrs }))
  if (!forward) {
    const op: Op = registerOp({
      name,
      shape: (inputs: readonly Spec[], attrs: Attrs) => {
        for (const { dtype } of inputs) checkComputed(name, dtype, dtypes)
        return list(shape!(operands(inputs), attrs as A)).map((spec) => checkedSpec(name, spec))
      },
      ...(userGrad
        ? { grad: (g: readonly Tensor[], call: Call) => userGrad(g, call.inputs, call.outputs, call.attrs as A) }
        : { noGradient: true }),
    })
    return (inputs, attrs) => one(apply(op, checkedInputs(name, inputs), checkedAttrs(name, attrs)))
  }
  return (inputs, attrs) => {
    const given = checkedInputs(name, inputs)
    const facts = checkedAttrs(name, attrs) as A
    const trace = currentTrace()
    const made = list(forward(operands(given), facts))
    if (made.some((t) => !(t instanceof Tensor)))
      throw new WeftError('ERR_ARGUMENT', `${name}: forward returns a Tensor or a list of them, got ${show(made[0])}`)
    if (!trace || !userGrad) return one(made)
    // an alias of the results of forward, whose gradient is the given one instead of the composition's
    const count = given.length
    const op: Op = {
      name,
      alias: count,
      shape: (specs) => specs.slice(count).map((s) => ({ shape: s.shape, dtype: s.dtype })),
      grad: (g, call) => userGrad(g, call.inputs.slice(0, count), call.outputs, facts),
    }
    return one(trace.record(op, [...given, ...made], {}, op.shape([...given, ...made], {})))
  }
}

const one = (results: Tensor[]): Tensor | Tensor[] => (results.length === 1 ? results[0]! : results)

function checkedInputs(name: string, inputs: readonly Tensor[]): Tensor[] {
  if (!Array.isArray(inputs) || [...inputs].some((t) => !(t instanceof Tensor))) {
    throw new WeftError('ERR_ARGUMENT', `${name}: the first argument is an array of Tensors, got ${show(inputs)}`)
  }
  return [...inputs]
}

/** A copy of the attributes, which are what a kernel can read. */
function checkedAttrs(name: string, attrs: unknown): Attrs {
  if (attrs === undefined) return {}
  if (typeof attrs !== 'object' || attrs === null || Array.isArray(attrs) || attrs instanceof Tensor)
    throw new WeftError('ERR_ARGUMENT', `${name}: attributes are an object, got ${show(attrs)}`)
  const copied: Record<string, AttrValue> = {}
  for (const [key, value] of Object.entries(attrs)) {
    const fits =
      ['number', 'string', 'boolean'].includes(typeof value) || (Array.isArray(value) && value.every((item) => typeof item === 'number'))
    if (!fits)
      throw new WeftError('ERR_ARGUMENT', `${name}: attribute ${key} is a number, string, boolean or list of numbers, got ${show(value)}`)
    copied[key] = Array.isArray(value) ? [...value] : (value as AttrValue)
  }
  return copied
}

function checkedSpec(name: string, spec: unknown): Spec {
  if (typeof spec !== 'object' || spec === null)
    throw new WeftError('ERR_ARGUMENT', `${name}: shape returns { shape, dtype }, got ${show(spec)}`)
  const { shape, dtype } = spec as Spec
  checkShape(name, shape)
  if (!DTYPES.includes(dtype)) throw new WeftError('ERR_DTYPE', `${name}: shape returns an unknown dtype, ${show(dtype)}`)
  return { shape, dtype }
}

/** ERR_DTYPE for what a kernel does not say it takes: it would read memory of another element size. */
function checkComputed(name: string, dtype: DType, dtypes: readonly DType[]): void {
  if (dtypes.includes(dtype)) return
  throw new WeftError('ERR_DTYPE', `${name}: its kernel takes ${dtypes.join(', ')}, not ${dtype}`, {
    op: name,
    hint: `Where the kernel reads ${dtype} too, say so: defineOp({ name, shape, dtypes: [${[...dtypes, dtype].map((d) => `'${d}'`).join(', ')}] })`,
  })
}

/** The longest path of Linux. */
const MOST_PATH = 4096

/** Loads a library of C++ kernels (see native/kernel_library.h); returns the names of the ops it brought. */
export function loadKernels(file: string): string[] {
  checkCall('loadKernels(path)', arguments)
  if (typeof file !== 'string' || file.includes('\0'))
    throw new WeftError('ERR_ARGUMENT', `loadKernels: expected the path of a library, got ${show(file)}`)
  if (file.length > MOST_PATH) throw new WeftError('ERR_ARGUMENT', `loadKernels: the path has ${file.length} characters: ${show(file)}`)
  try {
    return native.loadKernels(path.resolve(file))
  } catch (error) {
    throw new WeftError('ERR_FORMAT', `loadKernels: ${(error as Error).message}`, {
      hint: 'Build the library against the headers of this version of weftjs',
    })
  }
}
