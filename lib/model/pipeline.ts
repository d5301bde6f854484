// Pipeline: keeps a few runs in flight, so that the device never waits for JavaScript, and gives their results in
// order.
import { hold, release } from '../core/flights.js'
import type { Submitted } from '../core/jit.js'

/**
 * Submits the next run; undefined: there are no more. `how`: the method of its function. 'submitInRow' where the end of
 * a later run tells of this one too.
 */
export type Launch<R> = ((how: 'submit' | 'submitInRow') => Submitted<R>) | undefined

export interface PipelineOptions<R> {
  next(): Launch<R> | Promise<Launch<R>>
  /** Most runs in flight. */
  depth: number
  /** Before a run is submitted. */
  begin?: (index: number) => Promise<void> | undefined
  /** True: nothing more is submitted; what is in flight ends. */
  halted?: () => boolean
  signal?: AbortSignal | undefined
}

/** The event loop gets a turn at least this often, also when no run has to be waited for. */
const TURN_MS = 4

/**
 * Results of the runs, in order. Rejects with the first run's error, and with signal.reason once the runs in flight are
 * done.
 */
export async function* pipeline<R>(options: PipelineOptions<R>): AsyncGenerator<R, void, void> {
  const { next, depth, begin, halted, signal } = options
  const flying: Submitted<R>[] = []
  let [submitted, dry, turned] = [0, false, performance.now()]
  const stopped = (): boolean => dry || signal?.aborted === true || halted?.() === true
  hold()
  try {
    for (;;) {
      while (flying.length < depth && !stopped()) {
        const waited = next()
        const launch = waited instanceof Promise ? await unlessAborted(waited, signal) : waited
        if (!launch) {
          dry = true
          break
        }
        await begin?.(submitted)
        if (stopped()) break
        // every second run tells of the one before it, since each telling costs the device some 10 µs
        const run = launch(depth > 2 && submitted % 2 === 0 ? 'submitInRow' : 'submit')
        run.done.catch(() => undefined)
        flying.push(run)
        submitted++
      }
      const first = flying.shift()
      if (!first) break
      if (flying.length === 0) first.wake?.()
      await first.done
      yield first.outputs
      if (performance.now() - turned > TURN_MS) {
        await new Promise((resolve) => setImmediate(resolve))
        turned = performance.now()
      }
    }
    signal?.throwIfAborted()
  } finally {
    // the weights are those of the last complete step only when the runs in flight are done
    for (const run of flying) run.wake?.()
    await Promise.allSettled(flying.map((run) => run.done))
    release()
  }
}

/** The promise's result, or undefined as soon as the signal is aborted. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T | undefined> {
  if (!signal) return promise
  return new Promise((resolve, reject) => {
    const abort = (): void => resolve(undefined)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
