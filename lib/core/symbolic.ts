// Symbolic tensors: what functional models are wired with. A public op called on one adds a node to the model's graph.
import { Tensor } from './tensor.js'

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

const isSymbolic = (value: unknown): boolean => value instanceof Tensor && (value as Tensor & Partial<Symbolic>).symbolic === true

/** Wraps a public function so that it can be called on symbolic tensors too. */
export function func<F extends (...args: never[]) => unknown>(fn: F): F {
  const call = (...args: never[]): unknown => {
    if (symbolicFunctions.count > 0) {
      for (const arg of args as unknown[]) {
        if (isSymbolic(arg) || (Array.isArray(arg) && arg.some(isSymbolic))) return symbolicFunctions.record(fn, args, call)
      }
    }
    return fn(...args)
  }
  return call as F
}

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
