// Op: everything the framework knows about an operation, except how to run it.
import type { Spec } from './spec.js'
import type { Tensor } from './tensor.js'

export type AttrValue = number | string | boolean | readonly number[]
export type Attrs = Readonly<Record<string, AttrValue>>

export interface Op<A extends Attrs = Attrs> {
  /** The kernel's name on every device; see docs/operations.md. */
  readonly name: string
  /** Shapes and dtypes of the results. Throws when the operands do not fit. */
  shape(inputs: readonly Spec[], attrs: A): Spec[]
  /** Gradients of the inputs from those of the outputs, written with other ops; undefined where none flows. */
  grad?(g: readonly Tensor[], call: Call<A>): (Tensor | undefined)[]
  /** The same results written with simpler ops: the gradient of an op that has no `grad` of its own. */
  compose?(inputs: readonly Tensor[], attrs: A): Tensor[]
  /**
   * No gradient flows through it, by design: the results are drawn, discrete, or new state. Such an op has neither
   * `grad` nor `compose`.
   */
  readonly noGradient?: boolean
  /**
   * Its results are constants, by the will of the program: what lies behind takes no part, also where that has no
   * gradient itself, as the weights that another optimizer has changed.
   */
  readonly stopsGradient?: boolean
  /** Which values the op takes where its kernel looks at them, for the message of a fault: 'labels go from 0 to 9'. */
  valuesTaken?(inputs: readonly Spec[], attrs: A): string
  /** Result i is the memory of input `alias` + i, seen with another shape: no kernel. */
  readonly alias?: number
  /** Only the CPU has a kernel: it makes first values of weights, which are drawn there. */
  readonly cpuOnly?: boolean
  /** Runs as soon as its inputs are there: what it begins goes on while other calls run. */
  readonly early?: boolean
  /** Other processes meet this one in it: it stays where it was recorded among the calls that are not updates. */
  readonly collective?: boolean
  /** Writes new state over old: ordered after everything that can still fail. */
  readonly updates?: boolean
}

/** One operation of a graph: what was called, on what, with which results. */
export interface Call<A extends Attrs = Attrs> {
  readonly op: Op<A>
  readonly inputs: readonly Tensor[]
  readonly outputs: readonly Tensor[]
  readonly attrs: A
  /** Order of recording. */
  readonly order: number
  /** The layer that recorded it, for error messages. */
  readonly layer: string | undefined
}

const table = new Map<string, Op>()

/** Registers an op of the framework by its name. */
export function registerOp<A extends Attrs>(op: Op<A>): Op<A> {
  if (table.has(op.name)) throw new Error(`op '${op.name}' is defined twice`)
  if ((op.grad === undefined && op.compose === undefined) !== (op.noGradient ?? false))
    throw new Error(`op '${op.name}' has either a gradient (grad or compose) or noGradient: true`)
  table.set(op.name, op as unknown as Op)
  return op
}

/** All registered ops by name. */
export const ops: ReadonlyMap<string, Op> = table

/** A registered op: the core calls the few ops it needs by their names, so that it imports none. */
export function opNamed(name: string): Op {
  const op = table.get(name)
  if (op === undefined) throw new Error(`op '${name}' is not loaded`)
  return op
}
