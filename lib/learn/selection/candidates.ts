// Candidates: the parameters that searches try. Order of a grid: scikit-learn's, by names, the last one varying first.
import { WeftError } from '../../core/error.js'
import { show } from '../../core/options.js'
import { isRecord } from '../../core/tree.js'
import { isTypedArray } from '../../core/checks.js'
import type { RandomState } from './random.js'

export type Params = Readonly<Record<string, unknown>>
/** Values to try for each parameter, or several such records. */
export type ParamGrid = Readonly<Record<string, readonly unknown[]>> | readonly Readonly<Record<string, readonly unknown[]>>[]
/** A function of a source of numbers in [0, 1), as uniform() and logUniform() are; or values to draw from. */
export type Distribution = readonly unknown[] | ((random: () => number) => unknown)
export type ParamDistributions = Readonly<Record<string, Distribution>>

/** Numbers in [low, high), each equally probable. */
export const uniform =
  (low: number, high: number): ((random: () => number) => number) =>
  (random) =>
    low + random() * (high - low)

/** Numbers in [low, high) whose logarithms are equally probable: for rates and penalties. */
export function logUniform(low: number, high: number): (random: () => number) => number {
  if (!(low > 0 && high > low))
    throw new WeftError('ERR_ARGUMENT', `logUniform: expected 0 < low < high, got ${show(low)} and ${show(high)}`)
  return (random) => Math.exp(Math.log(low) + random() * (Math.log(high) - Math.log(low)))
}

/** Integers from low to high - 1, each equally probable. */
export const randomInteger =
  (low: number, high: number): ((random: () => number) => number) =>
  (random) =>
    low + Math.floor(random() * (high - low))

const isList = (values: unknown): values is readonly unknown[] => (Array.isArray(values) || isTypedArray(values)) && values.length > 0

/** Every combination of a grid. */
export function gridOf(what: string, grid: unknown): Params[] {
  const grids: readonly unknown[] = Array.isArray(grid) ? grid : [grid]
  const wrong = (found: unknown): WeftError =>
    new WeftError('ERR_ARGUMENT', `${what}: the grid has a list of values for each parameter, got ${show(found)}`, {
      hint: `Write ${what}(model, { C: [0.1, 1, 10] })`,
    })
  if (grids.length === 0) throw wrong(grid)
  return grids.flatMap((own) => {
    if (!isRecord(own)) throw wrong(own)
    return Object.keys(own)
      .sort()
      .reduce<Params[]>(
        (made, name) => {
          const values = own[name]
          if (!isList(values)) throw wrong({ [name]: values })
          return made.flatMap((params) => Array.from(values, (value) => ({ ...params, [name]: value })))
        },
        [{}],
      )
  })
}

/** Drawn combinations; of lists alone each at most once. */
export function drawnFrom(what: string, distributions: unknown, count: number, random: RandomState): Params[] {
  if (!isRecord(distributions) || !Object.values(distributions).every((own) => isList(own) || typeof own === 'function'))
    throw new WeftError('ERR_ARGUMENT', `${what}: there is a list of values or a function for each parameter, got ${show(distributions)}`, {
      hint: `Write ${what}(model, { C: logUniform(0.01, 100) })`,
    })
  const names = Object.keys(distributions).sort()
  if (names.every((name) => isList(distributions[name]))) {
    const grid = gridOf(what, distributions)
    return Array.from(random.permutation(grid.length).subarray(0, count), (at) => grid[at]!)
  }
  return Array.from({ length: count }, () =>
    Object.fromEntries(
      names.map((name) => {
        const own = distributions[name] as Distribution
        return [name, typeof own === 'function' ? own(() => random.uniform()) : own[random.integer(own.length - 1)]]
      }),
    ),
  )
}
