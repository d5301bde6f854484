// Masked steps: ONNX's recurrent operators know lengths only, while a mask may leave out steps anywhere. The steps that
// count are moved to the front, the operator is told how many there are, and its results are put back.
import type { Emitter } from '../emitter.js'
import type { Value } from '../probe.js'

export interface MaskedSteps {
  /** int32 [batch], at least 1: runtimes refuse empty sequences. */
  readonly lengths: string
  /** x [time, batch, features] with the steps that count in front. */
  readonly compacted: (x: string) => string
  /** The states of the compacted steps [time, batch, units] at the steps of the input; `before`: the initial ones. */
  readonly spread: (states: string, before: string, reverse: boolean) => string
  /** The last states [batch, units]; the initial ones where no step counts. */
  readonly last: (states: string, before: string) => string
}

/** What follows from a mask, bool [batch, time]. It is written once, however many layers see the mask. */
export function lengthsOf(mask: Value, emitter: Emitter): MaskedSteps {
  return emitter.shared(mask, 'steps', () => {
    const { nodes, sizes } = emitter
    const counts = emitter.ordered(mask, [1, 0]) // bool [time, batch]
    const ones = emitter.cast(counts, 'int32')
    const total = nodes.add('ReduceSum', [ones, nodes.ints([0])], { keepdims: { int: 0 } }) // [batch]
    const some = nodes.add('Greater', [total, nodes.scalar(0, 'int32')])
    const time = sizes.scalar(mask.extents[1]!)
    const place = nodes.add('Unsqueeze', [nodes.add('Range', [nodes.int(0), time, nodes.int(1)]), nodes.ints([1])]) // [time, 1]
    // places are all different, and those of steps that do not count are behind the others
    const rank = nodes.add('Where', [counts, place, nodes.add('Add', [place, time])])
    const sorted = { axis: { int: 0 }, largest: { int: 0 }, sorted: { int: 1 } }
    const order = nodes.addMany('TopK', [rank, sizes.vector(mask.extents[1]!)], sorted, 2)[1]! // int64 [time, batch]
    const taken = (from: string, places: string): string => {
      const wide = nodes.add('Expand', [nodes.add('Unsqueeze', [places, nodes.ints([2])]), nodes.add('Shape', [from])])
      return nodes.add('GatherElements', [from, wide], { axis: { int: 0 } })
    }
    const until = (exclusive: boolean): string => nodes.add('CumSum', [ones, nodes.int(0)], { exclusive: { int: Number(exclusive) } })
    const chosen = (where: string, axis: number, states: string, before: string): string =>
      nodes.add('Where', [nodes.add('Unsqueeze', [where, nodes.ints([axis])]), states, before])
    return {
      lengths: nodes.add('Max', [total, nodes.scalar(1, 'int32')]),
      compacted: (x) => taken(x, order),
      spread: (states, before, reverse) => {
        // the state after the last step that counts so far: forward that of so many, backward that of the next one
        const seen = until(reverse)
        const index = reverse ? seen : nodes.add('Max', [nodes.add('Sub', [seen, nodes.scalar(1, 'int32')]), nodes.scalar(0, 'int32')])
        const any = reverse ? nodes.add('Less', [seen, total]) : nodes.add('Greater', [seen, nodes.scalar(0, 'int32')])
        return chosen(any, 2, taken(states, emitter.cast(index, 'int64')), before)
      },
      last: (states, before) => chosen(some, 1, states, before),
    }
  })
}
