// Random numbers of models: a stream for each seed, the same on every machine.
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { nextSeed } from '../core/random.js'

/** Numbers from one seed (sfc32 of PractRand, Doty-Humphrey 2010). */
export class Random {
  private a: number
  private b: number
  private c = 0x9e3779b9
  private count = 1
  private spare: number | undefined

  /** @param seed null: the next one of the process, which setSeed() makes reproducible */
  constructor(seed: number | null) {
    const own = seed ?? nextSeed()
    this.a = own | 0
    this.b = Math.floor(own / 2 ** 32) | 0
    for (let i = 0; i < 15; i++) this.bits()
  }

  /** 32 random bits as an integer of at least 0. */
  bits(): number {
    const sum = (this.a + this.b + this.count++) | 0
    this.a = this.b ^ (this.b >>> 9)
    this.b = (this.c + (this.c << 3)) | 0
    this.c = ((this.c << 21) | (this.c >>> 11)) + sum
    return sum >>> 0
  }
  /** A number in [0, 1), with 53 random bits. */
  uniform(): number {
    return ((this.bits() >>> 5) * 2 ** 26 + (this.bits() >>> 6)) / 2 ** 53
  }
  /** An integer from 0 to `end` - 1. */
  integer(end: number): number {
    return Math.floor(this.uniform() * end)
  }
  /** A number of the standard normal distribution (Marsaglia's polar method, 1964). */
  normal(): number {
    if (this.spare !== undefined) {
      const value = this.spare
      this.spare = undefined
      return value
    }
    for (;;) {
      const [x, y] = [2 * this.uniform() - 1, 2 * this.uniform() - 1]
      const square = x * x + y * y
      if (square === 0 || square >= 1) continue
      const factor = Math.sqrt((-2 * Math.log(square)) / square)
      this.spare = y * factor
      return x * factor
    }
  }
  /** The list in a random order (Fisher and Yates), in place. */
  shuffle<T extends Int32Array | number[]>(list: T): T {
    for (let i = list.length - 1; i > 0; i--) {
      const j = this.integer(i + 1)
      const value = list[i]!
      list[i] = list[j]!
      list[j] = value
    }
    return list
  }
}

/** Throws ERR_ARGUMENT unless the option is null or an integer. */
export function checkSeedOption(what: string, seed: unknown): void {
  if (seed !== null && !Number.isSafeInteger(seed))
    throw new WeftError('ERR_ARGUMENT', `${what}: seed must be an integer or null, got ${show(seed)}`, { hint: 'Write seed: 1' })
}

/** Lets timers and requests run between parts of a long computation. */
export const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
