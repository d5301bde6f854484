// Rule: what makes one optimizer differ from the others, as one table entry. Its formula is written with ops; a fused
// kernel may do the same.
import type { Shape } from '../core/spec.js'
import type { Tensor } from '../core/tensor.js'

/** The values of an optimizer's own options, with defaults filled in. */
export type Settings = Readonly<Record<string, number | boolean>>

/** The new parameter, and its new state by name; what has no slot is ignored. */
export type Updated = { readonly w: Tensor } & { readonly [slot: string]: Tensor | undefined }

export interface Rule<S = Settings> {
  /** The factory's name: 'adam'. */
  readonly name: string
  /** Every option of its own with its default, the learning rate, and the weight decay where it is not 0. */
  readonly defaults: S & { readonly learningRate: number; readonly weightDecay?: number }
  /** Names of the state kept for each parameter, in the order of saved files and of the kernel. */
  readonly slots: readonly string[] | ((settings: S) => readonly string[])
  /** The shape of a slot, where it is not that of the parameter. */
  slotShape?(slot: string, shape: Shape): Shape
  /** The option that says what the slots start from. Without it they start from 0. */
  readonly start?: string
  /** State kept once for all parameters; it starts from 1 and is updated before them. */
  readonly shared?: { readonly name: string; update(value: Tensor, t: Tensor, settings: S): Tensor }
  /**
   * One update of one parameter: the new `w`, and the new value of every slot by its name.
   * @param w the parameter, after weight decay
   * @param g its gradient, after clipping
   * @param slots its state by name, and the updated shared state by its name
   * @param rate the learning rate, a scalar of w's dtype
   * @param t the number of this update, from 1: a scalar of w's dtype
   * @param name of the parameter
   * @param total makes the sum over the whole parameter of a sum over w, g or a slot, which may be parts of theirs
   */
  update(
    w: Tensor,
    g: Tensor,
    slots: Readonly<Record<string, Tensor>>,
    rate: Tensor,
    t: Tensor,
    settings: S,
    name: string,
    total: (sum: Tensor) => Tensor,
  ): Updated
  /** Whether `update` needs the shape of the parameter: it cannot be given parts then. */
  readonly needsShape?: boolean
  /**
   * The op that does the same for all parameters at once, where one exists. Its attributes are the settings and
   * `decay`.
   */
  readonly kernel?: string
}

/** Those of the values that are options of the rule's own: what `update` is given. */
export function ownSettings(rule: Rule, values: Readonly<Record<string, unknown>>): Settings {
  const names = Object.keys(rule.defaults).filter((name) => name !== 'learningRate' && name !== 'weightDecay')
  return Object.fromEntries(names.map((name) => [name, values[name] as number | boolean]))
}

/** The attributes of a kernel, without `decay`. */
export function kernelAttrs(rule: Rule, settings: Settings): Settings {
  return Object.fromEntries(Object.entries(settings).filter(([name]) => name !== rule.start))
}

export const slotsOf = (rule: Rule, settings: Settings): readonly string[] =>
  typeof rule.slots === 'function' ? rule.slots(settings) : rule.slots

/**
 * The update by the rule's formula, with the inputs and results of an optimizer's op: learningRate [], iteration [],
 * the shared state, then per parameter [w, g, ...slots]; the updated shared state, then per parameter [w, ...slots].
 * @param decay decoupled weight decay of each parameter
 * @param total the sum over whole parameters, where w, g and slots are parts
 */
export function updateByFormula(
  rule: Rule,
  settings: Settings,
  inputs: readonly Tensor[],
  decay: readonly number[],
  parameterNames: readonly string[] = [],
  total: (sum: Tensor) => Tensor = (sum) => sum,
): Tensor[] {
  const names = slotsOf(rule, settings)
  const [rate, iteration] = inputs as [Tensor, Tensor]
  const { shared } = rule
  const parameters = inputs.slice(shared ? 3 : 2)
  const before = shared && inputs[2]
  const results: Tensor[] = before ? [shared.update(before, iteration.cast(before.dtype).add(1), settings)] : []
  decay.forEach((share, i) => {
    const [w, g, ...state] = parameters.slice(i * (names.length + 2), (i + 1) * (names.length + 2)) as [Tensor, Tensor, ...Tensor[]]
    const [speed, t] = [rate.cast(w.dtype), iteration.cast(w.dtype).add(1)]
    const slots = Object.fromEntries(names.map((name, k) => [name, state[k]!]))
    if (before) slots[shared.name] = shared.update(before.cast(w.dtype), t, settings)
    const kept = share === 0 ? w : w.mul(speed.mul(-share).add(1))
    const updated = rule.update(kept, g, slots, speed, t, settings, parameterNames[i] ?? '', total)
    results.push(updated.w, ...names.map((name) => updated[name]!))
  })
  return results
}
