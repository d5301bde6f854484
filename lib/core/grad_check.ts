// gradCheck: a function's gradient beside central finite differences, both in float64 on the CPU.
import { tensor } from './apply.js'
import { WeftError } from './error.js'
import { grad, jit } from './jit.js'
import { isFloat } from './op.js'
import { Tensor, type TensorLike } from './tensor.js'

export interface GradCheckOptions {
  /** Step of the differences, relative to max(1, |x|). Default 1e-5. */
  epsilon?: number
  /** Largest |analytic - numeric| / max(1, |analytic|, |numeric|) that passes. Default 1e-6. */
  tolerance?: number
}

/** Compares the gradient of a scalar function with finite differences, for each input of a float dtype. */
export async function gradCheck(
  fn: (...inputs: Tensor[]) => Tensor,
  inputs: readonly TensorLike[],
  options: GradCheckOptions = {},
): Promise<{ ok: boolean; maxError: number }> {
  const { epsilon = 1e-5, tolerance = 1e-6 } = options
  if (!Array.isArray(inputs) || inputs.length === 0)
    throw new WeftError('ERR_ARGUMENT', 'gradCheck: the second argument is a list of inputs')
  const tensors = await Promise.all(inputs.map(widen))
  const wrt = tensors.flatMap((t, i) => (isFloat(t.dtype) ? [i] : []))
  const evaluate = jit(fn, { name: 'gradCheck' })
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
      if (!(error <= maxError)) maxError = error
    }
  }
  evaluate.dispose()
  return { ok: maxError <= tolerance, maxError }
}

async function widen(value: TensorLike): Promise<Tensor> {
  if (!(value instanceof Tensor)) return tensor(value, { dtype: 'float64', device: 'cpu' })
  if (!isFloat(value.dtype)) return value
  return tensor(Float64Array.from((await value.data()) as Float32Array), { shape: value.shape, dtype: 'float64', device: 'cpu' })
}
