// gradCheck: compares a function's gradient with central finite differences, both in float64 on the CPU.
import { checkFunction } from './checks.js'
import { tensor } from './create.js'
import { WeftError } from './error.js'
import { grad } from './grad.js'
import { jit } from './jit.js'
import { checkCall, type OptionTable, show } from './options.js'
import { isFloat } from './spec.js'
import { Tensor, type TensorLike } from './tensor.js'

export interface GradCheckOptions {
  /** Step of the differences, relative to max(1, |x|). Default 1e-5. */
  epsilon?: number
  /** Largest |analytic - numeric| / max(1, |analytic|, |numeric|) that passes. Default 1e-6. */
  tolerance?: number
}
const OPTIONS: OptionTable<GradCheckOptions> = { epsilon: 'number', tolerance: 'number' }

/**
 * Compares the gradient of a scalar function with finite differences, for each input of a float dtype. Both are
 * computed in float64 on the CPU:
 * ERR_DTYPE for an own op whose kernel does not compute float64.
 */
export async function gradCheck(
  fn: (...inputs: Tensor[]) => Tensor,
  inputs: readonly TensorLike[],
  options: GradCheckOptions = {},
): Promise<{ ok: boolean; maxError: number }> {
  checkCall('gradCheck(fn, inputs, options)', arguments, OPTIONS)
  checkFunction('gradCheck', fn)
  const { epsilon = 1e-5, tolerance = 1e-6 } = options
  if (!(epsilon > 0) || !(tolerance >= 0))
    throw new WeftError('ERR_ARGUMENT', `gradCheck: epsilon must be above 0 and tolerance at least 0, got ${epsilon} and ${tolerance}`)
  if (!Array.isArray(inputs) || inputs.length === 0)
    throw new WeftError('ERR_ARGUMENT', `gradCheck: the second argument is a list of inputs, got ${show(inputs)}`, {
      hint: 'Write gradCheck(fn, [x])',
    })
  const tensors = await Promise.all([...inputs].map(widen))
  const wrt = tensors.flatMap((t, i) => (isFloat(t.dtype) ? [i] : []))
  if (wrt.length === 0) throw new WeftError('ERR_DTYPE', 'gradCheck: none of the inputs is a float', { hint: "cast('float32')" })
  const evaluate = jit(fn, { name: 'gradCheck' })
  try {
    const analytic = await Promise.all(grad(fn, { wrt })(...tensors).map((t) => t.data()))
    let maxError = 0
    for (const [k, position] of wrt.entries()) {
      const t = tensors[position]!
      const values = (await t.data()) as Float64Array
      for (let i = 0; i < values.length; i++) {
        const h = epsilon * Math.max(1, Math.abs(values[i]!))
        const at = async (x: number): Promise<number> => {
          const moved = values.slice()
          moved[i] = x
          return evaluate(
            ...tensors.map((other, j) => (j === position ? tensor(moved, { shape: t.shape, dtype: 'float64', device: 'cpu' }) : other)),
          ).item()
        }
        const [above, below] = await Promise.all([at(values[i]! + h), at(values[i]! - h)])
        const numeric = (above - below) / (2 * h)
        const exact = Number(analytic[k]![i])
        const error = Math.abs(exact - numeric) / Math.max(1, Math.abs(exact), Math.abs(numeric))
        // an error that is no number stays the largest
        if (!(error <= maxError) && !Number.isNaN(maxError)) maxError = error
      }
    }
    return { ok: maxError <= tolerance, maxError }
  } finally {
    evaluate.dispose()
  }
}

async function widen(value: TensorLike): Promise<Tensor> {
  if (!(value instanceof Tensor)) return tensor(value, { dtype: 'float64', device: 'cpu' })
  if (!isFloat(value.dtype)) return value
  return tensor(Float64Array.from((await value.data()) as Float32Array), { shape: value.shape, dtype: 'float64', device: 'cpu' })
}
