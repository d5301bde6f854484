// Optimizer updates: one call per step updates all parameters and their state. Formulas: docs/operations.md.
import { isInteger } from '../core/checks.js'
import { WeftError } from '../core/error.js'
import { type Attrs, type Op, registerOp } from '../core/op.js'
import { sameShape } from '../core/spec.js'

export type OptimizerAttrs = Attrs & {
  /** Decoupled weight decay of each parameter. */
  readonly decay: readonly number[]
}

/**
 * Inputs: learningRate [], iteration [], `shared` tensors kept once, then per parameter [w, g, ...state];
 * outputs: the updated shared tensors, then per parameter [w, ...state].
 */
function optimizerOp(name: string, shared = 0): Op<OptimizerAttrs> {
  return registerOp<OptimizerAttrs>({
    name,
    noGradient: true,
    updates: true,
    shape: (inputs, { decay }) => {
      const parameters = inputs.slice(2 + shared)
      const group = parameters.length / decay.length
      if (!isInteger(group, 2)) {
        throw new WeftError('ERR_ARGUMENT', `${name}: ${parameters.length} tensors for ${decay.length} parameters`, { op: name })
      }
      parameters.forEach((t, i) => {
        const w = parameters[i - (i % group)]!
        if (!sameShape(t.shape, w.shape) || t.dtype !== w.dtype) {
          throw new WeftError(
            sameShape(t.shape, w.shape) ? 'ERR_DTYPE' : 'ERR_SHAPE',
            `${name}: a tensor ${t.dtype} [${t.shape}] does not fit its parameter ${w.dtype} [${w.shape}]`,
            {
              op: name,
              shapes: [w.shape, t.shape],
            },
          )
        }
      })
      return [...inputs.slice(2, 2 + shared), ...parameters.filter((_, i) => i % group !== 1)].map(({ shape, dtype }) => ({ shape, dtype }))
    },
  })
}

export const Sgd: Op<OptimizerAttrs> = optimizerOp('sgd')
export const Adam: Op<OptimizerAttrs> = optimizerOp('adam')
export const Rmsprop: Op<OptimizerAttrs> = optimizerOp('rmsprop')
export const Adagrad: Op<OptimizerAttrs> = optimizerOp('adagrad')
export const Adadelta: Op<OptimizerAttrs> = optimizerOp('adadelta')
export const Adamax: Op<OptimizerAttrs> = optimizerOp('adamax')
export const Nadam: Op<OptimizerAttrs> = optimizerOp('nadam', 1)
export const Lion: Op<OptimizerAttrs> = optimizerOp('lion')
