// Meeting: a call of fit, evaluate or predict in which all ranks of a distributed run take part, and what they tell
// each other beside its steps.
import { WeftError } from '../core/error.js'
import { gatherOf, leave, msOfSilence, world } from '../distributed/world.js'
import type { AnyModel } from './model.js'

/** What a rank says; `failed`: the message of the error that has ended the call there. */
export interface Word {
  readonly failed: string | null
  readonly code?: string | undefined
}

export class Meeting {
  readonly what: string
  readonly rank: number
  readonly size: number
  private told: { readonly error: unknown } | undefined

  constructor(what: string) {
    this.what = what
    const { rank, size } = world()
    this.rank = rank
    this.size = size
  }

  get alone(): boolean {
    return this.size === 1
  }

  /** What all ranks say, in their order. ERR_DISTRIBUTED where the call has failed on one of them. */
  async say<T>(value: T): Promise<T[]> {
    if (this.alone) return [value]
    const all = await gatherOf<Word & { value?: T }>(this.what, { failed: null, value })
    try {
      rejectFailed(this.what, all)
    } catch (error) {
      this.told = { error }
      throw error
    }
    return all.map((one) => one.value as T)
  }

  /** The same of work that may fail on this rank alone: the others learn it. */
  async saying<T>(work: () => T | Promise<T>): Promise<T[]> {
    if (this.alone) return [await work()]
    let value: T
    try {
      value = await work()
    } catch (error) {
      await this.fail(error)
      throw error
    }
    return this.say(value)
  }

  /** Whether the other ranks know of this error: they were told, or it came from them. */
  knows(error: unknown): boolean {
    return this.alone || (this.told !== undefined && this.told.error === error) || (error as WeftError | null)?.code === 'ERR_DISTRIBUTED'
  }

  /** The others know already of what this rank is about to throw. */
  known(error: unknown): void {
    this.told = { error }
  }

  /** Tells the others that the call has failed here. */
  async fail(error: unknown): Promise<void> {
    if (this.knows(error)) return
    this.told = { error }
    const { message, code } = (error ?? {}) as { message?: string; code?: unknown }
    const word = { failed: message ?? String(error), code: typeof code === 'string' ? code : undefined }
    await orLeave(gatherOf<Word>(this.what, word)).catch(() => undefined)
  }
}

/** The training of this process that the other ranks take part in. */
export const underWay: { training?: { readonly model: AnyModel } | undefined } = {}

/**
 * Tells the other ranks, who wait in the same call, that it was refused here: before it began to meet them. During a
 * training they are in that one, and cannot be told.
 */
export async function tellRefused(what: string, error: unknown): Promise<void> {
  if (underWay.training === undefined) await new Meeting(what).fail(error)
}

/** Work on arguments that are made first; where this rank has none, the others learn it. */
export function withArguments<A, T>(what: string, made: () => A, work: (args: A) => Promise<T>): Promise<T> {
  let args: A
  try {
    args = made()
  } catch (error) {
    return tellRefused(what, error).then(() => {
      throw error
    })
  }
  return work(args)
}

/**
 * Waits until the ranks have met. Those that have not come to the same place after four heartbeats wait for a step that
 * this rank will never do: it leaves the run, so that they learn it.
 */
export async function orLeave(met: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'late'>((resolve) => void (timer = setTimeout(() => resolve('late'), msOfSilence)))
  try {
    if ((await Promise.race([met, late])) === 'late') {
      met.catch(() => undefined)
      leave()
    }
  } finally {
    clearTimeout(timer)
  }
}

/** Throws the first error that has ended the call on a rank. */
export function rejectFailed(what: string, all: readonly (Word | null)[]): void {
  const strange = all.findIndex((one) => one?.failed === undefined)
  if (strange >= 0) throw new WeftError('ERR_DISTRIBUTED', `${what}: rank ${strange} is at another place of the run`)
  const rank = all.findIndex((one) => typeof one!.failed === 'string')
  if (rank < 0) return
  const { failed, code } = all[rank]!
  const subject = what === 'fit' ? 'the training' : 'it'
  throw new WeftError(code === 'ERR_DATA' ? code : 'ERR_DISTRIBUTED', `${what}: ${subject} has failed on rank ${rank}: ${failed}`)
}

/** ERR_DISTRIBUTED where a fact is another one on some rank. @param doing what they do not do alike: 'train' */
export function compareFacts(what: string, doing: string, all: readonly Readonly<Record<string, unknown>>[]): void {
  const shown = (fact: unknown): string => JSON.stringify(fact) ?? 'nothing'
  all.forEach((facts, rank) => {
    for (const key of Object.keys(facts)) {
      const [expected, found] = [shown(all[0]![key]), shown(facts[key])]
      if (expected !== found)
        throw new WeftError(
          'ERR_DISTRIBUTED',
          `${what}: the ranks do not ${doing} alike: ${key} is ${expected} on rank 0 and ${found} on rank ${rank}`,
        )
    }
  })
}

/** Begins a call that computes with weights that all ranks have to share. What differs is ERR_DISTRIBUTED. */
export async function meetToCompute(
  meeting: Meeting,
  model: AnyModel,
  facts: () => Readonly<Record<string, unknown>> | Promise<Readonly<Record<string, unknown>>>,
): Promise<void> {
  if (meeting.alone) return
  const all = await meeting.saying(async () => ({
    facts: { model: model.layers.length, ...(await facts()) },
    sample: await sampleOf(model),
  }))
  compareFacts(
    meeting.what,
    'compute',
    all.map((one) => one.facts),
  )
  const [value, size] = all[0]!.sample
  const other = all.findIndex(({ sample }) => Math.abs(sample[0] - value) > 1e-3 * Math.max(size, sample[1]))
  if (other >= 0)
    throw new WeftError('ERR_DISTRIBUTED', `${meeting.what}: rank ${other} has other weights than rank 0`, {
      hint: `After fit() all ranks have the same ones. To compute with those of this rank write distributed.alone(() => model.${meeting.what}(x))`,
    })
}

/** Values of each weight that are looked at. */
const SAMPLED = 256

/** A number that tells weights apart, up to rounding, and their size: hosts may round differently. */
async function sampleOf(model: AnyModel): Promise<[value: number, size: number]> {
  let [value, squares, count] = [0, 0, 0]
  for (const weight of model.weights) {
    if (!weight.dtype.startsWith('float')) continue
    const some = weight.reshape([-1]).slice([0], [Math.min(weight.size, SAMPLED)])
    for (const one of (await some.cast('float32').data()) as Float32Array) {
      // signs that follow no order of the weights
      value += one * Math.sin(++count * count)
      squares += one * one
    }
    some.dispose()
  }
  return Number.isFinite(value) ? [value, Math.sqrt(squares)] : [0, 0]
}

/** Steps that may be under way on any rank when another one asks for the end. */
const MOST_AHEAD = 4

/** The end of a run of steps that a rank asks for with one of them: all ranks end after the same step. */
export class Ending {
  /** Steps whose figures were read. */
  private heard = 0
  /** How many steps all ranks do, once one has asked for the end. */
  private last: number | undefined

  /** Takes in what was read of the next finished step: how many ranks ask for the end. */
  hear(stops: number): void {
    this.heard++
    if (stops > 0) this.last ??= this.heard - 1 + MOST_AHEAD
  }
  /** Whether a rank has asked. */
  get asked(): boolean {
    return this.last !== undefined
  }
  /** Whether no step follows on the `submitted` ones. */
  halted(submitted: number): boolean {
    return this.last !== undefined && submitted >= this.last
  }
}
