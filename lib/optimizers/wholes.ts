// Wholes: what an optimizer keeps for its variables, as it is saved, where each rank has a part of it alone.
import { WeftError } from '../core/error.js'
import { outsideTrace } from '../core/graph.js'
import type { Tensor, Variable } from '../core/tensor.js'
import { variableOf } from '../core/variable.js'
import type { Partition } from '../distributed/parts.js'
import { constraintOf } from '../layers/weight_options.js'
import { full, zeros } from '../ops/index.js'
import { sameShape, type Shape } from '../core/spec.js'

/** What saving needs of the variables: the name of a slot, and the variable it belongs to. */
export interface Slot {
  readonly of: Variable
  readonly name: string
  /** Where the ranks have parts, this rank's part. */
  readonly state: Variable
}

export class Wholes {
  private readonly byPart: ReadonlyMap<Variable, Variable>
  private readonly partition: Partition

  /** @param filled with the parts of all ranks, which all make it then; else zeros, for values that are to come */
  constructor(slots: readonly Slot[], partition: Partition, filled: boolean) {
    this.partition = partition
    this.byPart = outsideTrace(
      () =>
        new Map(
          slots.map(({ of, state }) => {
            const value = filled ? partition.gather([state], [of.shape])[0]! : zeros(of.shape, { dtype: of.dtype, device: of.device })
            return [state, variableOf(value, { name: state.name, trainable: false })]
          }),
        ),
    )
  }

  of(part: Variable): Variable | undefined {
    return this.byPart.get(part)
  }

  /** Gives the parts the values of the wholes. */
  take(): void {
    outsideTrace(() => {
      for (const [part, whole] of this.byPart) part.assign(this.partition.of(whole))
    })
  }

  dispose(): void {
    for (const whole of this.byPart.values()) whole.dispose()
  }
}

/**
 * ERR_SHAPE unless each value is the whole of its slot: parts of another shape may have the length of the right ones.
 */
export function checkWholes(what: string, slots: readonly Slot[], values: readonly Tensor[]): void {
  slots.forEach(({ of, name }, i) => {
    const { shape } = values[i]!
    if (sameShape(shape, of.shape)) return
    throw new WeftError('ERR_SHAPE', `${what}.setWeights: '${of.name}/${name}' has shape [${of.shape}], got [${shape}]`, {
      shapes: [shape, of.shape],
    })
  })
}

/** The updated weights as their constraints leave them; a constraint is given a whole weight. */
export function constrained(targets: readonly Variable[], updated: readonly Tensor[], partition: Partition): Tensor[] {
  const bound = [...updated]
  const places = targets.flatMap((target, i) => (constraintOf(target) ? [i] : []))
  const wholes = partition.gather(
    places.map((i) => updated[i]!),
    places.map((i) => targets[i]!.shape),
  )
  places.forEach((i, k) => void (bound[i] = partition.of(constraintOf(targets[i]!)!(wholes[k]!))))
  return bound
}

/** A variable of the dtype and on the device of another, every element `start`. */
export function slotLike(like: Variable, name: string, start: number, shape: Shape): Variable {
  return outsideTrace(() => {
    const value = full(shape, start, { dtype: like.dtype, device: like.device })
    return variableOf(value, { name: `${like.name}/${name}`, trainable: false })
  })
}
