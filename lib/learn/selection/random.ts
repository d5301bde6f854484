// Random: the numbers behind splits and searches. MT19937 (Matsumoto, Nishimura 1998), drawn from as NumPy's
// RandomState does, so that a seed gives the splits that scikit-learn gives for the same random_state.
import { WeftError } from '../../core/error.js'
import { nextSeed } from '../../core/random.js'
import { show } from '../../core/options.js'

const SIZE = 624
const SHIFT = 397

export class RandomState {
  readonly seed: number
  private readonly words = new Uint32Array(SIZE)
  private at = SIZE

  /** @param seed 0 to 2^32 - 1; undefined: a new one at each call, the same ones after the same setSeed() */
  constructor(what: string, seed: number | undefined) {
    if (seed !== undefined && !(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32))
      throw new WeftError('ERR_ARGUMENT', `${what}: a seed is an integer from 0 to 2^32 - 1, got ${show(seed)}`)
    this.seed = seed ?? nextSeed()
    const { words } = this
    words[0] = this.seed
    for (let i = 1; i < SIZE; i++) words[i] = Math.imul(1812433253, words[i - 1]! ^ (words[i - 1]! >>> 30)) + i
  }

  /** 32 random bits. */
  word(): number {
    const { words } = this
    if (this.at === SIZE) {
      for (let i = 0; i < SIZE; i++) {
        const mixed = (words[i]! & 0x80000000) | (words[(i + 1) % SIZE]! & 0x7fffffff)
        words[i] = words[(i + SHIFT) % SIZE]! ^ (mixed >>> 1) ^ (mixed & 1 ? 0x9908b0df : 0)
      }
      this.at = 0
    }
    let y = words[this.at++]!
    y ^= y >>> 11
    y ^= (y << 7) & 0x9d2c5680
    y ^= (y << 15) & 0xefc60000
    return (y ^ (y >>> 18)) >>> 0
  }

  /** Uniform in [0, 1), of 53 bits. */
  uniform(): number {
    const [a, b] = [this.word() >>> 5, this.word() >>> 6]
    return (a * 67108864 + b) / 9007199254740992
  }

  /** Uniform among 0, 1, ... most: bits are drawn until they are not above it. */
  integer(most: number): number {
    if (most === 0) return 0
    const mask = 2 ** (32 - Math.clz32(most)) - 1
    let value: number
    do value = (this.word() & mask) >>> 0
    while (value > most)
    return value
  }

  /** The list in random order, in place (Fisher, Yates). */
  shuffle<T extends { length: number; [i: number]: unknown }>(list: T): T {
    for (let i = list.length - 1; i > 0; i--) {
      const j = this.integer(i)
      const kept = list[i]
      list[i] = list[j]
      list[j] = kept
    }
    return list
  }

  /** 0 to n - 1 in random order. */
  permutation(n: number): Uint32Array {
    return this.shuffle(Uint32Array.from({ length: n }, (_, i) => i) as never) as Uint32Array
  }

  /** From the normal distribution of mean 0 and deviation 1 (Box, Muller 1958). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform())
  }
}
