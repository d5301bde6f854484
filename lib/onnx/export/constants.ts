// Constants of an exported model: weights, tensors that layers made themselves, and what follows from these alone.
import { apply } from '../../core/apply.js'
import { withDevice } from '../../core/device.js'
import { type DType, sizeOf } from '../../core/spec.js'
import type { Tensor } from '../../core/tensor.js'
import { slice } from '../../ops/index.js'
import { type Extent, fixedExtent, sizeOfExtents } from './extent.js'
import type { Probed, SymbolicCall, Value } from './probe.js'
import { random } from './operators/random.js'
import { Unsupported } from './unsupported.js'

/** A constant that is larger the longer the inputs are: the largest one, whose first values along axes are taken. */
export interface Table {
  readonly tensor: Tensor
  readonly axes: readonly number[]
}

export interface Constants {
  readonly tensors: Map<Value, Tensor>
  readonly tables: Map<Value, Table>
  /** Constants of one number that follows from the sizes. */
  readonly sizes: Map<Value, Extent>
  /** Leaves that are none of these, with the reason. */
  readonly failures: Map<Value, Unsupported>
}

/** The number that all elements are, where that is known. */
export function uniformValue({ call }: Value): number | undefined {
  if (call?.op.name !== 'fill') return undefined
  return fixedExtent(call.attrs.map(({ value }) => value as number))
}

/**
 * Sorts the leaves of a model by how its graph says them.
 * @param longest the most steps of tables that grow with the input
 */
export function constantsOf({ leaves, leavesAt }: Pick<Probed, 'leaves' | 'leavesAt'>, longest: number): Constants {
  const found: Constants = { tensors: new Map(), tables: new Map(), sizes: new Map(), failures: new Map() }
  let longer: readonly Tensor[] | undefined
  leaves.forEach((leaf, i) => {
    const tensors = leaf.leaves!
    const [first] = tensors as [Tensor]
    if (tensors.every((t) => t === first)) {
      found.tensors.set(leaf, first)
      return
    }
    try {
      const varying = leaf.extents.flatMap((extent, axis) => (fixedExtent(extent) === undefined ? [axis] : []))
      if (varying.length === 0) same(found, leaf, tensors)
      else {
        longer ??= leavesAt(longest)
        const tensor = longer.length === leaves.length ? longer[i]! : undefined
        found.tables.set(leaf, { tensor: checked(tensor, tensors, varying), axes: varying })
      }
    } catch (error) {
      found.failures.set(leaf, error instanceof Unsupported ? error : new Unsupported((error as Error).message))
    }
  })
  return found
}

/** Constants of one shape that were made anew at each size. */
function same(found: Constants, leaf: Value, tensors: readonly Tensor[]): void {
  const values = tensors.map((t) => Array.from(t.dataSync() as ArrayLike<number>))
  if (values.every((list) => list.every((n, i) => Object.is(n, values[0]![i])))) found.tensors.set(leaf, tensors[0]!)
  else if (tensors[0]!.size === 1)
    found.sizes.set(
      leaf,
      values.map(([n]) => Number(n)),
    )
  else throw new Unsupported('a constant whose values differ from size to size')
}

/** The table, if it and each of the others begin alike. */
function checked(table: Tensor | undefined, tensors: readonly Tensor[], axes: readonly number[]): Tensor {
  for (const t of tensors) {
    const fits = table?.rank === t.rank && table.dtype === t.dtype && t.shape.every((n, i) => axes.includes(i) || n === table.shape[i])
    const both = fits && t.shape.map((n, i) => Math.min(n, table.shape[i]!))
    const begin = (whole: Tensor): Tensor =>
      slice(
        whole,
        t.shape.map(() => 0),
        both as number[],
      )
    if (!both || !sameBytes(begin(table), begin(t)))
      throw new Unsupported('a constant that differs from size to size by more than its length')
  }
  return table!
}

function sameBytes(a: Tensor, b: Tensor): boolean {
  const [x, y] = [a, b].map((t) => Array.from(t.dataSync() as ArrayLike<number>)) as [number[], number[]]
  return x.every((n, i) => Object.is(n, y[i]))
}

const isHalf = (dtype: DType): boolean => dtype === 'float16' || dtype === 'bfloat16'

const halves = new WeakMap<Tensor, DType>()
/** The dtype of 16 bits that has the values of a float32 constant; undefined where none is known to have them. */
export const halfOf = (t: Tensor): DType | undefined => halves.get(t)

/** Results larger than their operands by more than this are left to whoever runs the model. */
const MOST_GROWTH = 4
const SMALL = 65_536

/** Computes the call now if all its operands are constant. Returns whether it did. */
export function fold(call: SymbolicCall, { tensors }: Constants, device: string): boolean {
  const { op, inputs, outputs, attrs } = call
  // a fill is said by its number
  if (op.name === 'fill' || op.updates || Object.hasOwn(random, op.name)) return false
  const operands = inputs.map((v) => tensors.get(v) ?? filled(v, device))
  if (operands.includes(undefined)) return false
  if (!outputs.every(({ extents }) => extents.every((extent) => fixedExtent(extent) !== undefined))) return false
  if (!attrs.every((list) => Object.entries(list).every(([name, value]) => String(value) === String(attrs[0]![name])))) return false
  const given = inputs.reduce((sum, { extents }) => sum + sizeOfExtents(extents, 1)[0]!, 0)
  const made = outputs.reduce((sum, { extents }) => sum + sizeOfExtents(extents, 1)[0]!, 0)
  if (made > SMALL && made > MOST_GROWTH * given) return false
  const results = withDevice(device, () => apply(op, operands as Tensor[], attrs[0]!))
  outputs.forEach((v, i) => void tensors.set(v, results[i]!))
  const [from] = operands as [Tensor]
  if (op.name === 'cast' && results[0]!.dtype === 'float32' && isHalf(from.dtype)) halves.set(results[0]!, from.dtype)
  return true
}

/** A small tensor of one number. */
function filled(v: Value, device: string): Tensor | undefined {
  const shape = v.extents.map(fixedExtent)
  if (uniformValue(v) === undefined || shape.includes(undefined) || sizeOf(shape as number[]) > SMALL) return undefined
  return withDevice(device, () => apply(v.call!.op, [], v.call!.attrs[0]!)[0]!)
}
