// Recurrent layers step by step, with everything that the kernels of whole sequences leave out: peepholes, limits,
// coupled gates and other activations.
import type { Tensor } from '../../core/tensor.js'
import * as ops from '../../ops/index.js'
import type { Directed, Direction } from './recurrent.js'

export interface StepOptions {
  /** Limit of what meets the activations; 0: none. */
  readonly clip: number
  readonly linearBeforeReset: boolean
  readonly inputForget: boolean
}

/** Goes through the steps of a direction. `next` makes the states of a step from those before and x of the step. */
function walk(
  { x, mask, reverse }: Direction,
  first: readonly Tensor[],
  next: (x: Tensor, states: readonly Tensor[]) => Tensor[],
): Directed {
  const [, t, d] = x.shape as [number, number, number]
  let states = first
  const outputs: Tensor[] = []
  for (let i = 0; i < t; i++) {
    const at = reverse ? t - 1 - i : i
    const made = next(ops.reshape(ops.slice(x, [0, at], [-1, 1]), [-1, d]), states)
    const here = mask && ops.slice(mask, [0, at], [-1, 1]) // [b, 1]
    states = here ? made.map((state, j) => ops.where(here, state, states[j]!)) : made
    if (reverse) outputs.unshift(states[0]!)
    else outputs.push(states[0]!)
  }
  return { sequence: ops.stack(outputs, 1), state: states[0]!, ...(states[1] ? { cell: states[1] } : {}) }
}

const limited = (x: Tensor, clip: number): Tensor => (clip === 0 ? x : ops.clip(x, -clip, clip))
const times = (x: Tensor, weights: Tensor): Tensor => ops.matMul(x, weights, { transposeB: true })

/** x·Wᵀ, h·Rᵀ and their biases, by gate. */
function products(
  { w, r, bias }: Direction,
  count: number,
): { input: (x: Tensor) => Tensor[]; state: (h: Tensor) => Tensor[]; weights: Tensor[]; offsets: (Tensor | undefined)[] } {
  const halves = bias === undefined ? undefined : (ops.split(bias, 2, 0) as [Tensor, Tensor])
  const plus = (t: Tensor, offset: Tensor | undefined): Tensor => (offset === undefined ? t : ops.add(t, offset))
  return {
    input: (x) => ops.split(plus(times(x, w), halves?.[0]), count, 1),
    state: (h) => ops.split(plus(times(h, r), halves?.[1]), count, 1),
    weights: ops.split(r, count, 0),
    offsets: halves === undefined ? Array.from({ length: count }, () => undefined) : ops.split(halves[1], count, 0),
  }
}

export function lstmSteps(direction: Direction, { clip, inputForget }: StepOptions): Directed {
  const { h0, c0, peepholes, activations } = direction
  const [f, g, h] = activations.map(({ apply }) => apply)
  const { input, state } = products(direction, 4)
  const holes = peepholes && ops.split(peepholes, 3, 0) // of i, o, f
  const seen = (gate: Tensor, c: Tensor, index: number): Tensor => (holes ? ops.add(gate, ops.mul(holes[index]!, c)) : gate)
  return walk(direction, [h0, c0], (x, [before, cell]) => {
    const [fromState, fromInput] = [state(before!), input(x)]
    const [zi, zo, zf, zc] = fromInput.map((z, i) => ops.add(z, fromState[i]!)) as [Tensor, Tensor, Tensor, Tensor]
    const i = f!(limited(seen(zi, cell!, 0), clip))
    const forget = inputForget ? ops.sub(1, i) : f!(limited(seen(zf, cell!, 2), clip))
    const c = ops.add(ops.mul(forget, cell!), ops.mul(i, g!(limited(zc, clip))))
    const o = f!(limited(seen(zo, c, 1), clip))
    return [ops.mul(o, h!(c)), c]
  })
}

export function gruSteps(direction: Direction, { clip, linearBeforeReset }: StepOptions): Directed {
  const { h0, activations } = direction
  const [f, g] = activations.map(({ apply }) => apply)
  const { input, state, weights, offsets } = products(direction, 3)
  return walk(direction, [h0], (x, [before]) => {
    const [xz, xr, xh] = input(x) as [Tensor, Tensor, Tensor]
    const [hz, hr, hh] = state(before!) as [Tensor, Tensor, Tensor]
    const z = f!(limited(ops.add(xz, hz), clip))
    const r = f!(limited(ops.add(xr, hr), clip))
    const reset = times(ops.mul(r, before!), weights[2]!)
    const inner = linearBeforeReset ? ops.mul(r, hh) : offsets[2] ? ops.add(reset, offsets[2]) : reset
    const proposed = g!(limited(ops.add(xh, inner), clip))
    return [ops.add(ops.mul(ops.sub(1, z), proposed), ops.mul(z, before!))]
  })
}

export function rnnSteps(direction: Direction, { clip }: StepOptions): Directed {
  const { input, state } = products(direction, 1)
  const f = direction.activations[0]!.apply
  return walk(direction, [direction.h0], (x, [before]) => [f(limited(ops.add(input(x)[0]!, state(before!)[0]!), clip))])
}
