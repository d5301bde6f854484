// Recurrent layers in plain JavaScript, step by step in double precision: what the layers' values are compared with.
// Written from the formulas, apart from the reference of the operations (test/reference_recurrent.ts), which also gives
// what a step saves: a mistake in the order of the gates would have to be made in both.
export type Matrix = number[][]
export type Kind = 'lstm' | 'gru' | 'simpleRnn'

const sigmoid = (v: number): number => 1 / (1 + Math.exp(-v))
const functions: Record<string, (v: number) => number> = {
  linear: (v) => v,
  relu: (v) => Math.max(v, 0),
  tanh: Math.tanh,
  sigmoid,
  hardSigmoid: (v) => Math.min(1, Math.max(0, v / 6 + 0.5)),
  softsign: (v) => v / (1 + Math.abs(v)),
}

/** row · matrix, of the columns begin ... begin + count - 1. */
const product = (row: readonly number[], matrix: Matrix, begin: number, count: number): number[] =>
  Array.from({ length: count }, (_, j) => row.reduce((sum, value, i) => sum + value * matrix[i]![begin + j]!, 0))
const plus = (...rows: readonly (readonly number[])[]): number[] => rows[0]!.map((_, j) => rows.reduce((sum, row) => sum + row[j]!, 0))

export interface Weights {
  kernel: Matrix
  recurrent: Matrix
  /** [gates · units], of gru with resetAfter [2][3 · units]. */
  bias: number[] | Matrix
}

export interface ReferenceOptions {
  mask?: boolean[][]
  reverse?: boolean
  states?: Matrix[]
  activation?: string
  recurrentActivation?: string
  resetAfter?: boolean
}

/** One sequence [time][features] → h of every step in the order of the input, and the last states. */
function runOne(
  kind: Kind,
  { kernel, recurrent, bias }: Weights,
  x: Matrix,
  options: ReferenceOptions,
  mask: boolean[] | undefined,
  first: number[][],
) {
  const u = recurrent.length
  const { activation = 'tanh', recurrentActivation = 'sigmoid', resetAfter = true, reverse = false } = options
  const act = (row: number[]): number[] => row.map(functions[activation]!)
  const gate = (row: number[]): number[] => row.map(functions[recurrentActivation]!)
  let [h, c] = first as [number[], number[]]
  const sequence: Matrix = []
  for (let n = 0; n < x.length; n++) {
    const t = reverse ? x.length - 1 - n : n
    if (mask === undefined || mask[t]) {
      const row = x[t]!
      if (kind === 'simpleRnn') {
        h = act(plus(product(row, kernel, 0, u), product(h, recurrent, 0, u), bias as number[]))
      } else if (kind === 'lstm') {
        const z = (g: number): number[] =>
          plus(product(row, kernel, g * u, u), product(h, recurrent, g * u, u), (bias as number[]).slice(g * u, (g + 1) * u))
        const [i, f, candidate, o] = [gate(z(0)), gate(z(1)), act(z(2)), gate(z(3))]
        c = c.map((value, j) => f[j]! * value + i[j]! * candidate[j]!)
        const shown = act(c)
        h = o.map((value, j) => value * shown[j]!)
      } else {
        const [own, other] = resetAfter ? (bias as Matrix) : [bias as number[], new Array<number>(3 * u).fill(0)]
        const part = (b: number[], g: number): number[] => b.slice(g * u, (g + 1) * u)
        const input = (g: number): number[] => plus(product(row, kernel, g * u, u), part(own!, g))
        const state = (g: number, from: number[]): number[] => plus(product(from, recurrent, g * u, u), part(other!, g))
        const z = gate(plus(input(0), state(0, h)))
        const r = gate(plus(input(1), state(1, h)))
        const met = resetAfter
          ? state(2, h).map((value, j) => r[j]! * value)
          : state(
              2,
              h.map((value, j) => r[j]! * value),
            )
        const candidate = act(plus(input(2), met))
        h = h.map((value, j) => z[j]! * value + (1 - z[j]!) * candidate[j]!)
      }
    }
    sequence[t] = h
  }
  return { sequence, states: kind === 'lstm' ? [h, c] : [h] }
}

/**
 * x [batch][time][features] → sequence [batch][time][units] in the order of the input, states [state][batch][units].
 */
export function reference(
  kind: Kind,
  weights: Weights,
  x: Matrix[],
  options: ReferenceOptions = {},
): { sequence: Matrix[]; states: Matrix[] } {
  const u = weights.recurrent.length
  const count = kind === 'lstm' ? 2 : 1
  const rows = x.map((one, b) => {
    const first = Array.from({ length: count }, (_, k) => options.states?.[k]?.[b] ?? new Array<number>(u).fill(0))
    return runOne(kind, weights, one, options, options.mask?.[b], first)
  })
  return { sequence: rows.map((row) => row.sequence), states: Array.from({ length: count }, (_, k) => rows.map((row) => row.states[k]!)) }
}
