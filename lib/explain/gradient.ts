// Gradients of one output of a network by its inputs: a recorded function, and the samples cut into batches.
import { integer } from '../core/checks.js'
import { tensor } from '../core/create.js'
import { WeftError } from '../core/error.js'
import { gradients } from '../core/grad.js'
import { orderCalls } from '../core/graph.js'
import { jit } from '../core/jit.js'
import { show } from '../core/options.js'
import { isFloat } from '../core/spec.js'
import { Tensor } from '../core/tensor.js'
import { concat, slice } from '../ops/index.js'
import { type AnyModel, Model } from '../model/model.js'
import { floatsOf, type Outputs, type Samples, targetsOf } from '../learn/report/predictor.js'

/** A network with one input and one output, or a function of a batch that is made of Weft's operations. */
export type Differentiable = AnyModel | ((x: Tensor) => Tensor)

export interface TargetOption {
  /** The output to explain: for all samples, or one for each. Default: the largest of each sample. */
  target?: number | readonly number[]
  /** Samples at a time. Default 64. */
  batchSize?: number
}

/** The model as a recorded function: [samples, ...] to [samples, outputs]. */
export function forwardOf(what: string, net: unknown): (x: Tensor) => Tensor {
  const isNet = net instanceof Model
  if (!isNet && typeof net !== 'function')
    throw new WeftError('ERR_ARGUMENT', `${what}: expected a network or a function of Weft's operations, got ${show(net)}`, {
      hint: 'Models of weftjs/learn have no gradients: use permutationImportance(), shap() or partialDependence()',
    })
  return (x) => {
    const found: unknown = isNet
      ? (net as unknown as { apply(x: Tensor, options: object): unknown }).apply(x, { training: false })
      : (net as (x: Tensor) => unknown)(x)
    if (!(found instanceof Tensor) || found.rank === 0 || found.rank > 2 || found.shape[0] !== x.shape[0])
      throw new WeftError('ERR_SHAPE', `${what}: the model gives ${found instanceof Tensor ? `shape [${found.shape}]` : show(found)}`, {
        hint: 'One row of outputs for each sample is expected: [samples, outputs]',
      })
    return found.rank === 1 ? found.expandDims(-1) : found
  }
}

/** One-hot rows of the targets. */
export function pickOf(targets: Int32Array, columns: number, device: string): Tensor {
  const rows = new Float32Array(targets.length * columns)
  targets.forEach((at, row) => {
    rows[row * columns + at] = 1
  })
  return tensor(rows, { shape: [targets.length, columns], device })
}

/**
 * Throws where x reaches the outputs by way of integers alone, as ids do: gradients would be zeros that say nothing.
 */
function checkConnected(what: string, outputs: Tensor, x: Tensor): void {
  const reached = new Set([x])
  const smooth = new Set([x])
  for (const { inputs, outputs: made } of orderCalls([outputs]))
    for (const t of made) {
      if (inputs.some((input) => reached.has(input))) reached.add(t)
      if (isFloat(t.dtype) && inputs.some((input) => smooth.has(input))) smooth.add(t)
    }
  if (smooth.has(outputs) || !reached.has(outputs)) return
  throw new WeftError('ERR_UNSUPPORTED', `${what}: the model makes integers of its inputs, and integers have no gradients`, {
    hint: 'For ids before a layers.embedding() use integratedGradients(), for others occlusion()',
  })
}

export interface Batch {
  readonly x: Tensor
  /** One-hot rows of the outputs to explain. */
  readonly pick: Tensor
  readonly targets: Int32Array
  /** The outputs to explain: f(x). */
  readonly values: Float64Array
}
export interface Differentiated {
  /** Gradient of the picked outputs by x, of x's shape. */
  gradient(x: Tensor, pick: Tensor): Tensor
  /** The picked outputs [samples]. */
  value(x: Tensor, pick: Tensor): Promise<Float64Array>
}

/** Joins what `each` makes of batches of the samples. Everything else is freed. */
export async function overBatches(
  what: string,
  net: unknown,
  samples: Samples,
  { target, batchSize = 64 }: TargetOption,
  each: (batch: Batch, f: Differentiated) => Promise<Tensor>,
): Promise<{ joined: Tensor; targets: number[] }> {
  integer(what, 'batchSize', batchSize, 1)
  const forward = forwardOf(what, net)
  const { x, own } = floatsOf(what, samples, net instanceof Model ? net.device : undefined)
  const outputs = jit((t: Tensor) => forward(t))
  const picked = jit((t: Tensor, pick: Tensor) => forward(t).mul(pick).sum(-1))
  const slope = jit((t: Tensor, pick: Tensor) => {
    const found = forward(t)
    checkConnected(what, found, t)
    return gradients(found.mul(pick).sum(), [t])[0]!
  })
  const parts: Tensor[] = []
  const chosen: number[] = []
  const value = async (t: Tensor, pick: Tensor): Promise<Float64Array> => {
    const found = picked(t, pick)
    const data = Float64Array.from((await found.data()) as Float32Array)
    found.dispose()
    return data
  }
  try {
    const n = x.shape[0]!
    if (n === 0) throw new WeftError('ERR_SHAPE', `${what}: there are no samples`)
    for (let from = 0; from < n; from += batchSize) {
      const count = Math.min(batchSize, n - from)
      const rest = x.shape.slice(1)
      const part = slice(x, [from, ...rest.map(() => 0)], [count, ...rest])
      const found = outputs(part)
      const columns = found.shape[1]!
      const known: Outputs = { data: Float64Array.from((await found.data()) as Float32Array), rows: count, columns }
      found.dispose()
      const targets = targetsOf(what, known, typeof target === 'object' ? target.slice(from, from + count) : target)
      chosen.push(...targets)
      const pick = pickOf(targets, columns, x.device)
      const values = Float64Array.from(targets, (at, row) => known.data[row * columns + at]!)
      try {
        parts.push(await each({ x: part, pick, targets, values }, { gradient: slope, value }))
      } finally {
        part.dispose()
        pick.dispose()
      }
    }
    if (typeof target === 'object' && target.length !== n)
      throw new WeftError('ERR_SHAPE', `${what}: ${target.length} targets for ${n} samples`)
    const joined = parts.length === 1 ? parts.pop()! : concat(parts, 0)
    return { joined, targets: chosen }
  } finally {
    for (const part of parts) part.dispose()
    for (const fn of [outputs, picked, slope]) fn.dispose()
    if (own) x.dispose()
  }
}
