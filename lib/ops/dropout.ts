// Dropout (Srivastava et al. 2014), scaled so that the mean stays.
import { applyOne } from '../core/apply.js'
import { checkOptions, WeftError } from '../core/error.js'
import { type Op, registerOp } from '../core/op.js'
import { advance, callState } from '../core/random.js'
import { func, methods } from '../core/symbolic.js'
import { type Tensor, type TensorLike, Variable } from '../core/tensor.js'
import { alike } from './cast.js'
import { zerosLike } from './creation.js'
import { single } from './operands.js'

type DropoutAttrs = { readonly rate: number }

export const Dropout: Op<DropoutAttrs> = registerOp<DropoutAttrs>({
  name: 'dropout',
  shape: ([x]) => [{ shape: x!.shape, dtype: x!.dtype }],
  grad: ([g], { inputs: [, state], attrs }) => [applyOne(Dropout, [g!, state!], attrs)],
})

export interface DropoutOptions {
  /** Drops the same places at every call. */
  seed?: number
  /** Draws from this state: a variable made by randomState() moves on by itself. Default: new places at each call. */
  state?: Tensor
}

/** Each value zeroed with probability rate, the others divided by 1 - rate. Always drops: layers do so in training only. */
export const dropout: (x: TensorLike, rate: number, options?: DropoutOptions) => Tensor = func((x, rate, options = {}) => {
  checkOptions('dropout', options, ['seed', 'state'])
  if (typeof rate !== 'number' || !(rate >= 0 && rate <= 1))
    throw new WeftError('ERR_ARGUMENT', `dropout: the rate is a number in [0, 1], got ${rate}`, { op: 'dropout' })
  const source = single('dropout', x, 'float')
  if (rate === 0) return alike(source)
  if (rate === 1) return zerosLike(source)
  const { seed, state } = options
  const drawn = state === undefined ? callState(seed) : state instanceof Variable ? advance(state) : state
  return applyOne(Dropout, [source, drawn], { rate })
})

methods({ dropout })

declare module '../core/tensor.js' {
  interface Tensor {
    dropout(rate: number, options?: DropoutOptions): Tensor
  }
}
