// Gradients and optimizers as TensorFlow.js has them: by closures over variables, in one call each.
import { unknownName, WeftError } from '../core/error.js'
import { gradients } from '../core/grad.js'
import { currentTrace } from '../core/graph.js'
import { runFresh } from '../core/jit.js'
import { show } from '../core/options.js'
import { Tensor, type TensorLike, Variable } from '../core/tensor.js'
import { asTensor } from '../core/create.js'
import type { Optimizer as WeftOptimizer } from '../optimizers/optimizer.js'
import { mul, sum } from '../ops/index.js'

type Fresh = Parameters<typeof runFresh>[0]
const fresh = <T>(run: (...args: Tensor[]) => T, args: readonly Tensor[], name: string): T => {
  if (currentTrace()) return run(...args)
  return runFresh(run as unknown as Fresh, args, name) as T
}
/** What is differentiated: the sum of the values, each times its part of dy. */
const scalarOf = (value: Tensor, dy: Tensor | undefined): Tensor => {
  const weighted = dy === undefined ? value : mul(value, dy)
  return weighted.rank === 0 ? weighted : sum(weighted)
}
const optional = (dy: TensorLike | undefined): Tensor[] => (dy === undefined ? [] : [asTensor(dy)])

/** (x, dy) → df(x)/dx times dy, by default 1 for each value of f. */
export const grad =
  (f: (x: Tensor) => Tensor) =>
  (x: TensorLike, dy?: TensorLike): Tensor =>
    valueAndGrad(f)(x, dy).grad
/** ([a, b, ...], dy) → [df/da, df/db, ...]. */
export const grads =
  (f: (...args: Tensor[]) => Tensor) =>
  (args: readonly TensorLike[], dy?: TensorLike): Tensor[] =>
    valueAndGrads(f)(args, dy).grads
/** (x, dy) → { value: f(x), grad: df/dx }. */
export const valueAndGrad =
  (f: (x: Tensor) => Tensor) =>
  (x: TensorLike, dy?: TensorLike): { value: Tensor; grad: Tensor } => {
    const { value, grads: found } = valueAndGrads((input) => f(input!))([x], dy)
    return { value, grad: found[0]! }
  }
/** ([a, b, ...], dy) → { value, grads: [df/da, df/db, ...] }. */
export const valueAndGrads =
  (f: (...args: Tensor[]) => Tensor) =>
  (args: readonly TensorLike[], dy?: TensorLike): { value: Tensor; grads: Tensor[] } =>
    fresh(
      (...given) => {
        const inputs = given.slice(0, args.length)
        const value = f(...inputs)
        return { value, grads: gradients(scalarOf(value, given[args.length]), inputs) }
      },
      [...args.map((x) => asTensor(x)), ...optional(dy)],
      'valueAndGrads',
    )

/** The value of f, and its derivatives by the trainable variables that it reads, or by those of a list; by name. */
export function variableGrads(f: () => Tensor, varList?: readonly Variable[]): { value: Tensor; grads: Record<string, Tensor> } {
  const { value, found, variables } = derivatives('variableGrads', f, varList)
  return { value, grads: Object.fromEntries(variables.map((v, i) => [v.name, found[i]!])) }
}

function derivatives(
  what: string,
  f: () => Tensor,
  varList?: readonly Variable[],
): { value: Tensor; found: Tensor[]; variables: Variable[] } {
  let variables: Variable[] = []
  const { value, found } = fresh(
    () => {
      const loss = f()
      if (!(loss instanceof Tensor) || loss.rank !== 0)
        throw new WeftError(
          'ERR_SHAPE',
          `${what}: the function must return a scalar, got ${loss instanceof Tensor ? `shape [${loss.shape}]` : show(loss)}`,
          {
            hint: 'End it with .mean()',
          },
        )
      variables = [...(varList ?? currentTrace()!.reads.keys())].filter(({ trainable }) => trainable)
      if (variables.length === 0)
        throw new WeftError('ERR_ARGUMENT', `${what}: the function reads no trainable variable`, {
          hint: 'Make weights with tf.variable()',
        })
      return { value: loss, found: gradients(loss, variables) }
    },
    [],
    what,
  )
  const names = variables.map(({ name }) => name)
  const twice = names.find((name, i) => names.indexOf(name) < i)
  if (twice !== undefined && what === 'variableGrads')
    throw new WeftError('ERR_ARGUMENT', `${what}: two variables are called '${twice}'`, { hint: 'Give tf.variable() names of their own' })
  return { value, found, variables }
}

/** An optimizer of tf.train: minimize() and applyGradients() on Weft's optimizer of the same kind. */
export class Optimizer {
  /** Weft's optimizer. */
  readonly weft: WeftOptimizer
  private known: readonly Variable[] | undefined

  constructor(weft: WeftOptimizer) {
    this.weft = weft
  }

  /**
   * One step against the gradient of f(), a scalar, by the trainable variables that it reads or those of varList.
   * Returns the loss with returnCost, else null and frees it.
   */
  minimize(f: () => Tensor, returnCost = false, varList?: readonly Variable[]): Tensor | null {
    const { value, found, variables } = derivatives('minimize', f, varList)
    this.update(found, variables)
    for (const gradient of found) gradient.dispose()
    if (returnCost) return value
    value.dispose()
    return null
  }

  /** One step against gradients by the names of variables, as variableGrads() gives them. */
  applyGradients(gradientsOf: Readonly<Record<string, Tensor>>, variables?: readonly Variable[]): void {
    const named = new Map((variables ?? registered()).map((v) => [v.name, v]))
    const pairs = Object.entries(gradientsOf).map(([name, gradient]) => {
      const found = named.get(name)
      if (found === undefined) throw unknownName('variable of applyGradients', name, [...named.keys()])
      return [gradient, found] as const
    })
    this.update(
      pairs.map(([gradient]) => gradient),
      pairs.map(([, found]) => found),
    )
  }

  private update(found: readonly Tensor[], variables: readonly Variable[]): void {
    const same = this.known?.length === variables.length && this.known.every((v, i) => v === variables[i])
    if (this.known !== undefined && !same)
      throw new WeftError('ERR_STATE', 'minimize: this optimizer has the state of other variables', {
        hint: 'Pass the same varList at every call, or make one optimizer for each set of variables',
      })
    this.known = variables
    fresh((...tensors) => void this.weft.apply(tensors, variables), found, 'minimize')
  }

  get learningRate(): number {
    return this.weft.learningRate
  }
  /** Sets the rate of the next steps. */
  set learningRate(rate: number) {
    this.weft.learningRate = rate
  }
  /** The same as setting learningRate. */
  setLearningRate(rate: number): void {
    this.weft.learningRate = rate
  }
  dispose(): void {
    this.weft.dispose()
  }
}

/** Variables of models and of tf.variable() that are alive, for gradients by name. */
const alive = new Map<string, WeakRef<Variable>>()
export const remember = (v: Variable): Variable => {
  alive.set(v.name, new WeakRef(v))
  return v
}
function registered(): Variable[] {
  return [...alive.values()].flatMap((reference) => {
    const found = reference.deref()
    return found === undefined || found.isDisposed ? [] : [found]
  })
}
