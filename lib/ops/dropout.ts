// Dropout (Srivastava et al. 2014), scaled so that the mean stays.
// Tested in test/ops/random.test.ts.
import { applyOne } from '../core/apply.js'
import { WeftError } from '../core/error.js'
import { type Op, registerOp } from '../core/op.js'
import type { OptionTable } from '../core/options.js'
import { advance, callState } from '../core/random.js'
import { drawnForRows, sharing } from '../core/share.js'
import { func, type Method, methods } from '../core/symbolic.js'
import { type Tensor, type TensorLike, Variable } from '../core/tensor.js'
import { alike } from './cast.js'
import { mul } from './arithmetic.js'
import { ones, zerosLike } from './creation.js'
import { keepMask } from './masks.js'
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
  /** Draws from this state: the state of a layer, a Variable, moves on by itself. Default: new places at each call. */
  state?: Tensor
}

const OPTIONS: OptionTable<DropoutOptions> = { seed: 'any', state: 'object' }

/**
 * Each value zeroed with probability rate, the others divided by 1 - rate. Always drops: layers do so in training only.
 */
export const dropout: (x: TensorLike, rate: number, options?: DropoutOptions) => Tensor = func(
  'dropout(x, rate, options)',
  OPTIONS,
  (x, rate, options = {}) => {
    if (typeof rate !== 'number' || !(rate >= 0 && rate <= 1))
      throw new WeftError('ERR_ARGUMENT', `dropout: the rate is a number in [0, 1], got ${rate}`, { op: 'dropout' })
    const source = single('dropout', x, 'float')
    if (rate === 0) return keepMask(alike(source), [x])
    if (rate === 1) return zerosLike(source)
    const { seed, state } = options
    const drawn = state === undefined ? callState(seed) : state instanceof Variable ? advance(state) : state
    if (sharing() === undefined) return keepMask(applyOne(Dropout, [source, drawn], { rate }), [x])
    // what one process would drop from the rows of all
    const kept = drawnForRows(source.shape, (shape) => applyOne(Dropout, [ones(shape, { dtype: source.dtype }), drawn], { rate }))
    return keepMask(mul(source, kept), [x])
  },
)

methods({ dropout })

declare module '../core/tensor.js' {
  interface TensorMethods {
    dropout: Method<typeof dropout>
  }
}
