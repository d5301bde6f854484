// Symbolic tensors: what functional models are wired with. A public op called on one adds a node to the model's graph.
import { checkCall, type OptionTable } from './options.js'
import { Tensor, type TensorLike } from './tensor.js'

/** A value of a functional model: shape with `null` for the batch, and the node that makes it. */
export interface Symbolic {
  readonly symbolic: true
}

/** @internal lib/model/functional.ts says how a function of symbolic tensors is recorded. */
export const symbolicFunctions: {
  count: number
  /** `called` is the public function, by which a saved model names what it wraps. */
  record: (fn: (...args: never[]) => unknown, args: readonly unknown[], called: (...args: never[]) => unknown) => unknown
} = {
  count: 0,
  record: () => {
    throw new Error('functional models are not loaded')
  },
}

/**
 * @internal What becomes of masks: lib/ops/masks.ts says how a function is called whose operands carry one. `own`: the
 * code under way sees to all masks itself, as gradients, losses and the layers of this package do. `told`: masks that a
 * layer's call was told of, which are its own affair.
 */
export const maskedCalls: {
  own: boolean
  told: readonly (Tensor | undefined)[]
  run: (fn: (...args: never[]) => unknown, args: readonly unknown[], called: (...args: never[]) => unknown) => unknown
} = { own: false, told: [], run: (fn, args) => fn(...(args as never[])) }

const isMasked = (value: unknown): boolean => value instanceof Tensor && value.mask !== undefined

const isSymbolic = (value: unknown): boolean => value instanceof Tensor && (value as Tensor & Partial<Symbolic>).symbolic === true

/**
 * A public function: it refuses surplus arguments and wrong options, and can be called on symbolic tensors.
 * @param signature the call as users write it: 'cumSum(x, axis, options)'
 * @param options the table of its options, which are then the last parameter
 */
export function func<F extends (...args: never[]) => unknown>(signature: string, fn: F): F
export function func<F extends (...args: never[]) => unknown>(signature: string, options: OptionTable<object>, fn: F): F
export function func<F extends (...args: never[]) => unknown>(signature: string, ...rest: [F] | [OptionTable<object>, F]): F {
  const [options, fn] = rest.length === 1 ? [undefined, rest[0]] : rest
  const most = countOf(signature)
  const call = (...args: never[]): unknown => {
    if (args.length > most || (options !== undefined && args.length === most)) checkCall(signature, args, options)
    if (symbolicFunctions.count > 0) {
      for (const arg of args as unknown[]) {
        if (isSymbolic(arg) || (Array.isArray(arg) && arg.some(isSymbolic))) return symbolicFunctions.record(fn, args, call)
      }
    }
    if (!maskedCalls.own) {
      for (const arg of args as unknown[]) {
        if (isMasked(arg) || (Array.isArray(arg) && arg.some(isMasked))) return maskedCalls.run(fn, args, call)
      }
    }
    return fn(...args)
  }
  Object.defineProperty(call, 'name', { value: signature.slice(0, signature.indexOf('(')) })
  return call as F
}

/** The number of parameters in a signature; 'einsum(equation, ...operands)' has no end of them. */
const countOf = (signature: string): number => {
  if (signature.includes('...')) return Number.POSITIVE_INFINITY
  return signature.endsWith('()') ? 0 : signature.split(', ').length
}

/** The Tensor method of a public function: its first operand is the tensor itself. */
export type Method<F> = F extends (x: TensorLike, ...rest: infer R) => infer T ? (...rest: R) => T : never

/** Installs functions as methods of Tensor: the first argument becomes `this`. */
export function methods(functions: Record<string, (x: Tensor, ...args: never[]) => unknown>): void {
  for (const [name, fn] of Object.entries(functions)) {
    Object.defineProperty(Tensor.prototype, name, {
      value: function (this: Tensor, ...args: never[]): unknown {
        return fn(this, ...args)
      },
      writable: true,
      configurable: true,
      enumerable: false,
    })
  }
}
