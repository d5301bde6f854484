// Share: the rows of a batch that this process computes, where several processes share the batch.
import { applyOne } from './apply.js'
import { during } from './during.js'
import { callOf, currentTrace } from './graph.js'
import { type Call, type Op, opNamed } from './op.js'
import type { Tensor } from './tensor.js'

export interface Share {
  /**
   * Rows `begin` to `begin + rows - 1` of the batch are computed here; a process without rows computes one for nothing.
   */
  readonly begin: number
  readonly rows: number
  /** Rows of the whole batch. */
  readonly total: number
  /** How much of the whole a mean over the rows here is: rows / total, and 0 for a process without rows. */
  readonly weight: number
  /** The sum over all processes. */
  readonly sum: (value: Tensor) => Tensor
}

const context: { share: Share | undefined } = { share: undefined }

/** The share that is computed while a step is traced; undefined: the whole batch. */
export const sharing = (): Share | undefined => context.share

/** Runs fn, which computes a share of a batch. */
export const withShare = <T>(share: Share | undefined, fn: () => T): T => (share === undefined ? fn() : during(context, { share }, fn))

/**
 * The part of a batch of `total` rows for one of `size` processes: each gets as many rows as the others, or one more.
 */
export function shareOf(total: number, rank: number, size: number, sum: Share['sum']): Share {
  const [least, more] = [Math.floor(total / size), total % size]
  const rows = least + (rank < more ? 1 : 0)
  const begin = rank * least + Math.min(rank, more)
  return rows > 0 ? { begin, rows, total, weight: rows / total, sum } : { begin: 0, rows: 1, total, weight: 0, sum }
}

/** Rows that a process has of its own for a batch: how many, how many others come before them, and those of all. */
export interface Part {
  readonly begin: number
  readonly rows: number
  readonly total: number
  /** The rows of each process. Where it is given, all processes have the same program for the same batches. */
  readonly of?: string
}

/** The share of a process that brings its rows. Without any it computes one for nothing. */
export const shareOfPart = ({ begin, rows, total }: Part, sum: Share['sum']): Share =>
  rows > 0 ? { begin, rows, total, weight: rows / total, sum } : { begin: 0, rows: 1, total, weight: 0, sum }

/**
 * Sums over shares that are recorded one after another in one trace. The sum is read by the first share before the
 * others are recorded, so each share reads a value of its own, which link() makes the sum. The gradient of such a sum
 * is the sum of the gradients of all shares.
 */
export class LinkedSums {
  /** The sums that each share has asked for, in order. */
  private readonly calls: Call[][] = []

  /** The sum over all shares, for the next share. */
  next(): (value: Tensor) => Tensor {
    const own: Call[] = []
    this.calls.push(own)
    const op: Op = { name: 'identity', shape: ([x]) => [{ shape: x!.shape, dtype: x!.dtype }], grad: ([g]) => [sum(g!)] }
    const sum = (value: Tensor): Tensor => {
      const result = applyOne(op, [value], {})
      own.push(callOf(result)!)
      return result
    }
    return sum
  }

  /** After all shares were recorded: `total` makes the sum of their values, which stand in the order of the shares. */
  link(total: (values: readonly Tensor[]) => Tensor): void {
    const [first, ...others] = this.calls
    if (others.some((own) => own.length !== first!.length)) throw new Error('shares of a batch ask for different sums')
    first?.forEach((_, n) => {
      const sum = total(this.calls.map((own) => own[n]!.inputs[0]!))
      for (const own of this.calls) Object.assign(own[n]!, { op: opNamed('identity'), inputs: [sum] })
    })
  }
}

/**
 * What is drawn at random for the rows of a batch, as if one process drew it for all of them: `draw` is called with the
 * shape of the whole batch, and the rows of this process are cut out.
 */
export function drawnForRows(shape: readonly number[], draw: (shape: readonly number[]) => Tensor): Tensor {
  const share = context.share
  // weights that are made meanwhile are made outside the trace
  if (share === undefined || currentTrace() === undefined || shape.length === 0 || shape[0] !== share.rows) return draw(shape)
  const whole = draw([share.total, ...shape.slice(1)])
  return rowsOf.cut(whole, share)
}

/** @internal lib/ops/slice.ts says how rows are cut out of a tensor. */
export const rowsOf: { cut: (t: Tensor, share: Share) => Tensor } = {
  cut: () => {
    throw new Error('slices are not loaded')
  },
}
