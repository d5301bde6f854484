// Collectives: operations on the tensors of all ranks. They are ops of the traced graph, with gradients: where the loss
// of the run is the sum of the ranks' losses, the gradient of a collective is the collective that goes the other way.
import { apply, applyOne } from '../core/apply.js'
import { WeftError } from '../core/error.js'
import type { Op } from '../core/op.js'
import { checkCall, checkOptions, type OptionTable, show } from '../core/options.js'
import type { DType, Spec } from '../core/spec.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import { equal, where, zerosLike } from '../ops/index.js'
import { axisOf, operand } from '../ops/operands.js'
import { opened } from './world.js'

/** How values of the ranks become one. */
export type Reduce = 'sum' | 'mean' | 'max' | 'min'

type ReduceAttrs = { readonly reduce: 'sum' | 'max' | 'min' }
type RootAttrs = { readonly root: number }
type PeerAttrs = { readonly to: number; readonly from: number }

const same = ([x]: readonly Spec[]): Spec[] => [{ shape: x!.shape, dtype: x!.dtype }]
/** As many extents as before, the first one `factor` times as long. */
const scaled = ([x]: readonly Spec[], factor: number): Spec[] => [
  { shape: [Math.round(x!.shape[0]! * factor), ...x!.shape.slice(1)], dtype: x!.dtype },
]
const size = (): number => opened('distributed').size

export const AllReduce: Op<ReduceAttrs> = {
  name: 'allReduce',
  shape: same,
  grad: ([g], { inputs: [x], outputs: [y], attrs: { reduce } }) => {
    const total = applyOne(AllReduce, [g!], { reduce: 'sum' })
    if (reduce === 'sum') return [total]
    // to those who hold the extreme, in equal shares
    const holds = equal(x!, y!)
    const holders = applyOne(AllReduce, [holds.cast(g!.dtype)], { reduce: 'sum' })
    return [where(holds, total.div(holders), zerosLike(total))]
  },
}
export const AllGather: Op = {
  name: 'allGather',
  shape: (inputs) => scaled(inputs, size()),
  grad: ([g]) => [applyOne(ReduceScatter, [g!], { reduce: 'sum' })],
}
export const ReduceScatter: Op<ReduceAttrs> = {
  name: 'reduceScatter',
  shape: (inputs) => scaled(inputs, 1 / size()),
  grad: ([g]) => [applyOne(AllGather, [g!], {})],
}
const Broadcast: Op<RootAttrs> = {
  name: 'broadcast',
  shape: same,
  grad: ([g], { attrs: { root } }) => {
    const total = applyOne(AllReduce, [g!], { reduce: 'sum' })
    return [opened('distributed').rank === root ? total : total.mul(0)]
  },
}
export const AllToAll: Op = { name: 'allToAll', shape: same, grad: ([g]) => [applyOne(AllToAll, [g!], {})] }
export const SendRecv: Op<PeerAttrs> = {
  name: 'sendRecv',
  shape: same,
  grad: ([g], { attrs: { to, from } }) => [applyOne(SendRecv, [g!], { to: from, from: to })],
}
const AllReduceMany: Op<{ readonly rows: number }> = {
  name: 'allReduceMany',
  shape: (inputs) => inputs.map(({ shape, dtype }) => ({ shape, dtype })),
  grad: (g, { attrs }) => apply(AllReduceMany, g, attrs),
}

/** The two halves of allReduceMany, whose values travel while other calls run. The bucket's number joins them. */
type BucketAttrs = { readonly bucket: number }
const AllReduceBegin: Op<BucketAttrs> = {
  name: 'allReduceBegin',
  early: true,
  noGradient: true,
  shape: () => [{ shape: [1], dtype: 'int32' }],
}
const allReduceFinish = (specs: readonly Spec[]): Op<BucketAttrs> => ({
  name: 'allReduceFinish',
  noGradient: true,
  shape: () => specs.map(({ shape, dtype }) => ({ shape, dtype })),
})
/** Buckets of this process so far. */
let buckets = 0

/** dtypes whose values can be added up, and compared, over ranks. */
const REDUCED: readonly DType[] = ['float32', 'float64', 'int32', 'int64', 'uint8', 'float16', 'bfloat16']

function reduceOf(op: string, reduce: unknown, dtype: DType): Reduce {
  if (!['sum', 'mean', 'max', 'min'].includes(reduce as string))
    throw new WeftError('ERR_ARGUMENT', `${op}: reduce is 'sum', 'mean', 'max' or 'min', got ${show(reduce)}`)
  if (!REDUCED.includes(dtype) || (reduce === 'mean' && !dtype.includes('float')))
    throw new WeftError('ERR_DTYPE', `${op}: the ${reduce} of ${dtype} cannot be taken over ranks`, { hint: `Write x.cast('float32')` })
  return reduce as Reduce
}

function rankOf(op: string, name: string, value: unknown): number {
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) < size()) return value as number
  throw new WeftError('ERR_ARGUMENT', `${op}: ${name} is a rank from 0 to ${size() - 1}, got ${show(value)}`)
}

/** The tensor with the axis in front, and the way back. */
function inFront(x: Tensor, axis: number): [Tensor, (y: Tensor) => Tensor] {
  if (axis === 0) return [x, (y) => y]
  const order = [axis, ...Array.from({ length: x.rank }, (_, i) => i).filter((i) => i !== axis)]
  const back = order.map((_, i) => order.indexOf(i))
  return [x.transpose(order), (y) => y.transpose(back)]
}

function alongAxis(op: string, x: Tensor, given: number, divided: boolean): number {
  if (x.rank === 0) throw new WeftError('ERR_SHAPE', `${op}: a scalar has no axis`, { op, shapes: [x.shape], hint: 'Write x.reshape([1])' })
  const axis = axisOf(op, given, x.rank)
  if (divided && x.shape[axis]! % size() !== 0)
    throw new WeftError(
      'ERR_SHAPE',
      `${op}: axis ${axis} of shape [${x.shape}] cannot be cut into ${size()} equal parts, one for each rank`,
      {
        op,
        shapes: [x.shape],
      },
    )
  return axis
}

/**
 * The sum, mean, maximum or minimum over the tensors of all ranks, which have one shape: the same on each of them.
 * Gradients: of the sum the sum of the gradients, of an extreme those who hold it share it.
 * @param options `reduce`: default 'sum'
 * @example distributed.allReduce(loss, { reduce: 'mean' })
 */
export function allReduce(x: TensorLike, options: { reduce?: Reduce } = {}): Tensor {
  checkCall('distributed.allReduce(x, options)', arguments)
  checkOptions('distributed.allReduce', options, { reduce: 'string' })
  const source = operand('distributed.allReduce', x)
  const reduce = reduceOf('distributed.allReduce', options.reduce ?? 'sum', source.dtype)
  const n = size()
  if (n === 1) return source
  if (reduce === 'mean') return applyOne(AllReduce, [source], { reduce: 'sum' }).div(n)
  return applyOne(AllReduce, [source], { reduce })
}

const AXIS: OptionTable<{ axis?: number }> = { axis: 'integer' }

/**
 * The tensors of all ranks, which have one shape, joined along an axis (default 0) in the order of the ranks.
 * @example distributed.allGather(predictions)   // [rows, 10] on each of 4 ranks → [4 * rows, 10]
 */
export function allGather(x: TensorLike, options: { axis?: number } = {}): Tensor {
  checkCall('distributed.allGather(x, options)', arguments)
  checkOptions('distributed.allGather', options, AXIS)
  const source = operand('distributed.allGather', x)
  const axis = alongAxis('distributed.allGather', source, options.axis ?? 0, false)
  if (size() === 1) return source
  const [moved, back] = inFront(source, axis)
  return back(applyOne(AllGather, [moved], {}))
}

/**
 * The sum or mean over all ranks, of which each gets its part along an axis (default 0): rank 0 the first. The axis is
 * a multiple of the number of ranks.
 */
export function reduceScatter(x: TensorLike, options: { axis?: number; reduce?: 'sum' | 'mean' } = {}): Tensor {
  checkCall('distributed.reduceScatter(x, options)', arguments)
  checkOptions('distributed.reduceScatter', options, { axis: 'integer', reduce: 'string' })
  const source = operand('distributed.reduceScatter', x)
  const reduce = reduceOf('distributed.reduceScatter', options.reduce ?? 'sum', source.dtype)
  if (reduce !== 'sum' && reduce !== 'mean')
    throw new WeftError('ERR_ARGUMENT', `distributed.reduceScatter: reduce is 'sum' or 'mean', got '${reduce}'`)
  const axis = alongAxis('distributed.reduceScatter', source, options.axis ?? 0, true)
  if (size() === 1) return source
  const [moved, back] = inFront(source, axis)
  const part = back(applyOne(ReduceScatter, [moved], { reduce: 'sum' }))
  return reduce === 'mean' ? part.div(size()) : part
}

/** The tensor of one rank, `root` (default 0), on all of them. The others give a tensor of the same shape. */
export function broadcast(x: TensorLike, options: { root?: number } = {}): Tensor {
  checkCall('distributed.broadcast(x, options)', arguments)
  checkOptions('distributed.broadcast', options, { root: 'integer' })
  const source = operand('distributed.broadcast', x)
  const root = rankOf('distributed.broadcast', 'root', options.root ?? 0)
  return size() === 1 ? source : applyOne(Broadcast, [source], { root })
}

/**
 * Part r along an axis (default 0) goes to rank r; the parts that come in are joined along it in the order of the
 * ranks. The axis is a multiple of the number of ranks.
 */
export function allToAll(x: TensorLike, options: { axis?: number } = {}): Tensor {
  checkCall('distributed.allToAll(x, options)', arguments)
  checkOptions('distributed.allToAll', options, AXIS)
  const source = operand('distributed.allToAll', x)
  const axis = alongAxis('distributed.allToAll', source, options.axis ?? 0, true)
  if (size() === 1) return source
  const [moved, back] = inFront(source, axis)
  return back(applyOne(AllToAll, [moved], {}))
}

/** Sends the tensor to rank `to`, and returns the one that rank `from` sends here, which has the same shape. */
export function sendRecv(x: TensorLike, options: { to: number; from: number }): Tensor {
  checkCall('distributed.sendRecv(x, options)', arguments)
  checkOptions('distributed.sendRecv', options, { to: 'integer', from: 'integer' })
  if (options === undefined) throw new WeftError('ERR_ARGUMENT', 'distributed.sendRecv: the options { to, from } are missing')
  const source = operand('distributed.sendRecv', x)
  const [to, from] = [rankOf('distributed.sendRecv', 'to', options.to), rankOf('distributed.sendRecv', 'from', options.from)]
  return size() === 1 ? source : applyOne(SendRecv, [source], { to, from })
}

/**
 * @internal Sums over all ranks of many tensors of one dtype, which travel together. A bad value that any rank has met
 * so far in the step fails on all of them. Ranks whose batches have another number of `rows` fail, too.
 */
export function allReduceMany(tensors: readonly Tensor[], rows: number): Tensor[] {
  return size() === 1 || tensors.length === 0 ? [...tensors] : apply(AllReduceMany, tensors, { rows })
}

/**
 * @internal The same in two halves: the values travel from when the last of them is there, while other calls run, until
 * the function that is returned is called, in the same trace.
 */
export function allReduceBegin(tensors: readonly Tensor[]): () => Tensor[] {
  const bucket = buckets++
  const token = applyOne(AllReduceBegin, tensors, { bucket })
  return () => apply(allReduceFinish(tensors), [token], { bucket })
}
