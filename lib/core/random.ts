// Random state: the seed, and the streams of numbers that layers and call sites draw from.
import { randomInt } from 'node:crypto'
import { applyOne } from './apply.js'
import { tensor } from './create.js'
import { WeftError } from './error.js'
import { currentTrace, outsideTrace } from './graph.js'
import { opNamed } from './op.js'
import { checkCall, show } from './options.js'
import type { Tensor, Variable } from './tensor.js'
import { variable } from './variable.js'

/** Undefined until the first use: WEFT_SEED, or a new one for each process. */
let seed: number | undefined
/** Number of the next layer or call site. */
let streams = 0
/** Number of the next shuffle. */
let shuffles = 0
/** How often setSeed was called. */
let generation = 0

/** @internal Changes with every setSeed(): shuffle orders that go on from before are out of date. */
export const seedGeneration = (): number => generation

function checkSeed(what: string, value: unknown): number {
  if (!Number.isSafeInteger(value)) {
    throw new WeftError('ERR_ARGUMENT', `${what}: a seed is an integer, got ${show(value)}`)
  }
  return value as number
}

/** A seed as the 32 bits of a generator's key, both halves mixed in. */
function key(value: number): number {
  return (value | 0) ^ Math.imul(Math.floor(value / 2 ** 32) | 0, 0x9e3779b1)
}

function currentSeed(): number {
  if (seed === undefined) {
    const given = process.env['WEFT_SEED']
    if (given !== undefined && given !== '' && !/^-?\d+$/.test(given.trim()))
      throw new WeftError('ERR_ARGUMENT', `WEFT_SEED='${given}' is not an integer`, { hint: 'Write for example WEFT_SEED=1' })
    seed = given ? checkSeed('WEFT_SEED', Number(given)) : randomInt(2 ** 31)
  }
  return seed
}

/**
 * Makes what is created from now on reproducible: initial weights, dropout, random tensors and shuffle orders. Layers
 * that exist keep their numbers.
 */
export function setSeed(value: number): void {
  checkCall('setSeed(seed)', arguments)
  seed = checkSeed('setSeed', value)
  streams = 0
  shuffles = 0
  generation++
}

/** The state (seed, stream, offset) of a new stream, or with a seed of its own the first stream of that. */
function fresh(own: number | undefined): Int32Array {
  return own === undefined ? new Int32Array([key(currentSeed()), streams++, 0]) : new Int32Array([key(checkSeed('seed', own)), -1, 0])
}

/**
 * The state of one layer's or call site's random numbers: int32 [seed, stream, offset], saved with the model. Made
 * outside any trace.
 */
export function randomState(own?: number): Variable {
  checkCall('randomState(seed)', arguments)
  return outsideTrace(() => variable(tensor(fresh(own)), { name: 'randomState', trainable: false }))
}

/** The state to draw the next numbers with; the variable moves on, in a traced function when the step succeeds. */
export function advance(state: Variable): Tensor {
  const trace = currentTrace()
  const now = trace ? trace.resolve(state) : applyOne(opNamed('identity'), [state], {})
  state.assign(applyOne(opNamed('add'), [now, tensor(new Int32Array([0, 0, 1]))], {}))
  return now
}

/**
 * The state for one call: outside a trace a stream of its own; inside one a new state variable, so that each replay
 * draws new numbers.
 * With a seed always the same numbers.
 */
export function callState(own: number | undefined): Tensor {
  return own === undefined && currentTrace() ? advance(randomState()) : tensor(fresh(own))
}

/** @internal Where the sequence of shuffle orders is: nextSeed() goes on from there. */
export interface ShuffleSequence {
  readonly seed: number
  readonly drawn: number
}
export const shuffleSequence = (): ShuffleSequence => ({ seed: currentSeed(), drawn: shuffles })
export function resumeShuffles({ seed: from, drawn }: ShuffleSequence): void {
  seed = from
  shuffles = drawn
}

/** @internal Everything that decides what is drawn from now on. */
export interface RandomSequence extends ShuffleSequence {
  readonly streams: number
}
export const randomSequence = (): RandomSequence => ({ ...shuffleSequence(), streams })
export function resumeRandom(from: RandomSequence): void {
  resumeShuffles(from)
  streams = from.streams
}

/** A seed for one shuffle order: a new one at each call, the same ones after the same setSeed(). */
export function nextSeed(): number {
  // SplitMix32's finalizer (Steele et al. 2014) over the seed and the count
  let mixed = (key(currentSeed()) + Math.imul(++shuffles, 0x9e3779b9)) | 0
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
