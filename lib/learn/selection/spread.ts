// Spread: the trials of a search or of a cross-validation over the ranks of a distributed run. Each rank does its part
// as if it were alone; what came out is gathered, so that every rank has what one process would have.
import { createHash } from 'node:crypto'
import { WeftError } from '../../core/error.js'
import { nextSeed, type RandomSequence, randomSequence, resumeRandom } from '../../core/random.js'
import { apart, gatherOf, world } from '../../distributed/world.js'
import { hashOfRows, type Rowed, rowCount } from './rows.js'

/** What a rank says after its part. */
type Word = { readonly value: unknown } | { readonly failed: string }

/** Numbers that JSON does not have. */
const NUMBER = '$number'
const isLost = (own: unknown): own is number => typeof own === 'number' && (!Number.isFinite(own) || Object.is(own, -0))
const packed = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_, own: unknown) => (isLost(own) ? { [NUMBER]: Object.is(own, -0) ? '-0' : String(own) } : own)) ?? 'null',
  )
const unpacked = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value), (_, own: unknown) => {
    const number = (own as { [NUMBER]?: string } | null)?.[NUMBER]
    return number === undefined ? own : Number(number)
  })

export class Spread {
  private readonly what: string
  /** Ranks that take part. */
  readonly size: number
  readonly rank: number

  /** @param ranks the option of the same name: without it this process works alone */
  constructor(what: string, ranks: boolean | undefined) {
    this.what = what
    const { size, rank } = world()
    this.size = ranks ? size : 1
    this.rank = ranks ? rank : 0
  }

  /**
   * What the parts of all ranks give, in their order: values that JSON can hold, and numbers that are none.
   * @throws what the part of this rank throws; ERR_DISTRIBUTED where that of another one has thrown
   */
  async together<T>(part: () => T | Promise<T>): Promise<T[]> {
    if (this.size === 1) return [await part()]
    let failure: { error: unknown } | undefined
    let word: Word
    try {
      word = { value: packed(await apart(async () => await part(), false)) }
    } catch (error) {
      failure = { error }
      word = { failed: String((error as Error | null)?.message ?? error) }
    }
    const all = await gatherOf(this.what, word)
    if (failure) throw failure.error
    const rank = all.findIndex((one) => 'failed' in one)
    if (rank >= 0)
      throw new WeftError('ERR_DISTRIBUTED', `${this.what}: it has failed on rank ${rank}: ${(all[rank] as { failed: string }).failed}`)
    return all.map((one) => unpacked((one as { value: unknown }).value) as T)
  }

  /**
   * Begins: ranks that were given something else learn it, and what is drawn at random is that of rank 0.
   * @param begin checks what was given, and makes a value of it, as splits, which becomes that of rank 0 too; facts
   *   have to be equal on all ranks
   */
  async meet<T>(begin: () => { value: T; facts: Readonly<Record<string, unknown>> }): Promise<T> {
    if (this.size === 1) return begin().value
    let made: T | undefined
    const all = await this.together(() => {
      const { value, facts } = begin()
      made = value
      // long: it travels where it differs
      return {
        facts: Object.fromEntries(Object.entries(facts).map(([name, fact]) => [name, shortOf(fact)])),
        hash: hashOf(value),
        random: randomSequence(),
      }
    })
    const zero = all[0]!
    all.forEach(({ facts }, rank) => {
      for (const [name, fact] of Object.entries(zero.facts)) {
        if (fact !== facts[name])
          throw new WeftError('ERR_DISTRIBUTED', `${this.what}: ${name} is ${fact} on rank 0 and ${facts[name]} on rank ${rank}`, {
            hint: 'Every rank is given the same data, candidates and options',
          })
      }
    })
    resumeRandom(zero.random as RandomSequence)
    if (all.every(({ hash }) => hash === zero.hash)) return made!
    return (await this.together(() => (this.rank === 0 ? made : undefined)))[0]!
  }

  /**
   * The results of jobs, in order. Job k is done by rank k modulo their number, whatever the others take, so that the
   * results do not depend on speed. `done` is told of each as it comes; on the other ranks' jobs when all are there.
   */
  async deal<R>(count: number, run: (places: readonly number[]) => Promise<R[]>, done: (at: number, result: R) => void): Promise<R[]> {
    const placesOf = (rank: number): number[] => Array.from({ length: count }, (_, at) => at).filter((at) => at % this.size === rank)
    const parts = await this.together(() => run(placesOf(this.rank)))
    const results = new Array<R>(count)
    parts.forEach((part, rank) => {
      placesOf(rank).forEach((at, i) => {
        results[at] = part[i]!
        if (rank !== this.rank) done(at, part[i]!)
      })
    })
    return results
  }
}

/** Facts of data for ranks that have to be given the same; one process compares nothing. */
export const factsOfData = (what: string, spread: Spread, x: Rowed, y: Rowed): Record<string, unknown> =>
  spread.size === 1 ? {} : { rows: rowCount(what, x), 'the hash of x': hashOfRows(what, x), 'the hash of y': hashOfRows(what, y) }

/** A fact for messages: of a long one its begin, and what tells it from others. */
function shortOf(fact: unknown): string {
  const text = JSON.stringify(fact) ?? 'nothing'
  return text.length <= 200 ? text : `${text.slice(0, 200)}... (sha256 ${hashOf(fact).slice(0, 12)})`
}

const hashOf = (value: unknown): string =>
  createHash('sha256')
    .update(JSON.stringify(value) ?? '')
    .digest('hex')

/** A failed trial as another thread or rank is told of it. */
export interface SentError {
  readonly code: string | undefined
  readonly message: string
}
export const sentError = (error: unknown): SentError => {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: string }
  return { code: typeof code === 'string' ? code : undefined, message: message ?? String(error) }
}
export const errorOf = ({ code, message }: SentError): Error =>
  code === undefined ? new Error(message) : new WeftError(code as 'ERR_DATA', message)

/** Seeds of so many jobs: each draws from its own sequence, so that no result depends on who does the others. */
export const seedsOf = (count: number): number[] => Array.from({ length: count }, nextSeed)

/** Runs a job with random numbers of its own; afterwards the sequence is where it was. */
export async function drawingFrom<T>(seed: number, job: () => Promise<T>): Promise<T> {
  const before = randomSequence()
  resumeRandom({ seed, drawn: 0, streams: 0 })
  try {
    return await job()
  } finally {
    resumeRandom(before)
  }
}
