// Reference of the recurrent ops: one row, one step, one unit after the other, in double precision.
import { at, generate, type Values } from './reference.js'

export interface Steps {
  activation: string
  recurrentActivation: string
  resetAfter: boolean
  reverse: boolean
  mask?: readonly (readonly boolean[])[]
  scale?: readonly (readonly number[])[]
}

const ACTIVATIONS: Readonly<Record<string, (x: number) => number>> = {
  linear: (x) => x,
  relu: (x) => Math.max(0, x),
  tanh: Math.tanh,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  hardSigmoid: (x) => Math.min(1, Math.max(0, x / 6 + 0.5)),
}

const dot = (state: readonly number[], weights: Values, column: number): number =>
  state.reduce((sum, value, k) => sum + value * at(weights, [k, column]), 0)

/** What a step keeps, and the states after it. */
interface Step {
  h: number[]
  c: number[]
  gates: number[]
  inner: number[]
}
type Cell = (projected: (column: number) => number, met: readonly number[], before: Step) => Step

/** x·kernel + bias of every step: [b, t, n]. */
export const project = (x: Values, kernel: Values, bias?: Values): Values =>
  generate([x.shape[0]!, x.shape[1]!, kernel.shape[1]!], ([b, t, n]) => {
    let sum = bias ? bias.data[n!]! : 0
    for (let d = 0; d < x.shape[2]!; d++) sum += at(x, [b!, t!, d]) * at(kernel, [d, n!])
    return sum
  })

function run(projected: Values, h0: Values, c0: Values | undefined, gateCount: number, steps: Steps, cell: Cell): Record<string, Values> {
  const [b, t] = projected.shape as [number, number]
  const u = h0.shape[1]!
  const units = Array.from({ length: u }, (_, j) => j)
  const all: Step[][] = []
  const last: Step[] = []
  for (let row = 0; row < b; row++) {
    let now: Step = {
      h: units.map((j) => at(h0, [row, j])),
      c: units.map((j) => (c0 ? at(c0, [row, j]) : 0)),
      gates: new Array<number>(gateCount * u).fill(0),
      inner: new Array<number>(u).fill(0),
    }
    const kept: Step[] = []
    for (let i = 0; i < t; i++) {
      const place = steps.reverse ? t - 1 - i : i
      if (steps.mask && !steps.mask[row]![place]!) now = { ...now, gates: now.gates.map(() => 0), inner: now.inner.map(() => 0) }
      else {
        const met = now.h.map((value, j) => value * (steps.scale ? steps.scale[row]![j]! : 1))
        now = cell((column) => at(projected, [row, place, column]), met, now)
      }
      kept[place] = now
    }
    all.push(kept)
    last.push(now)
  }
  const sequence = (of: keyof Step, n: number): Values => generate([b, t, n], ([row, place, j]) => all[row!]![place!]![of][j!]!)
  return {
    h: sequence('h', u),
    cells: sequence('c', u),
    gates: sequence('gates', gateCount * u),
    inner: sequence('inner', u),
    last: generate([b, u], ([row, j]) => last[row!]!.h[j!]!),
    cell: generate([b, u], ([row, j]) => last[row!]!.c[j!]!),
  }
}

export function lstm(projected: Values, recurrent: Values, h0: Values, c0: Values, steps: Steps): Record<string, Values> {
  const act = ACTIVATIONS[steps.activation]!
  const inside = ACTIVATIONS[steps.recurrentActivation]!
  const u = h0.shape[1]!
  return run(projected, h0, c0, 4, steps, (p, met, before) => {
    const gates = Array.from({ length: 4 * u }, (_, n) => (n >= 2 * u && n < 3 * u ? act : inside)(p(n) + dot(met, recurrent, n)))
    const c = before.c.map((value, j) => gates[u + j]! * value + gates[j]! * gates[2 * u + j]!)
    return { gates, c, h: c.map((value, j) => gates[3 * u + j]! * act(value)), inner: before.inner }
  })
}

export function gru(projected: Values, recurrent: Values, bias: Values | undefined, h0: Values, steps: Steps): Record<string, Values> {
  const act = ACTIVATIONS[steps.activation]!
  const inside = ACTIVATIONS[steps.recurrentActivation]!
  const u = h0.shape[1]!
  const offset = (n: number): number => (bias && steps.resetAfter ? bias.data[n]! : 0)
  return run(projected, h0, undefined, 3, steps, (p, met, before) => {
    const gates = Array.from({ length: 2 * u }, (_, n) => inside(p(n) + dot(met, recurrent, n) + offset(n)))
    const inner = met.map((value, j) => (steps.resetAfter ? dot(met, recurrent, 2 * u + j) + offset(2 * u + j) : gates[u + j]! * value))
    met.forEach((_, j) => {
      const through = steps.resetAfter ? gates[u + j]! * inner[j]! : dot(inner, recurrent, 2 * u + j)
      gates.push(act(p(2 * u + j) + through))
    })
    return { gates, inner, c: before.c, h: before.h.map((value, j) => gates[j]! * value + (1 - gates[j]!) * gates[2 * u + j]!) }
  })
}

export function simpleRnn(projected: Values, recurrent: Values, h0: Values, steps: Steps): Record<string, Values> {
  const act = ACTIVATIONS[steps.activation]!
  return run(projected, h0, undefined, 0, steps, (p, met, before) => ({
    ...before,
    h: met.map((_, j) => act(p(j) + dot(met, recurrent, j))),
  }))
}
