// Changes of one place that follow each other.
import { open, rm, stat } from 'node:fs/promises'
import { isSystemError } from '../core/system_error.js'

/** The last work at each place that was begun in this process. */
const queues = new Map<string, Promise<void>>()
/** The lock of a process that was killed counts for so long. */
const LOCK_MS = 10_000
const LOOK_MS = 20

/**
 * Runs what is done to one place one after the other, in the order of the calls. With `lock` the work of other
 * processes counts too: a file beside the place, '<place>.lock', is there meanwhile.
 */
export async function inTurn(place: string, work: () => Promise<void>, { lock = false }: { lock?: boolean } = {}): Promise<void> {
  const begin = lock ? () => locked(`${place}.lock`, work) : work
  const before = queues.get(place) ?? Promise.resolve()
  const turn = before.then(begin, begin)
  queues.set(place, turn)
  try {
    await turn
  } finally {
    if (queues.get(place) === turn) queues.delete(place)
  }
}

async function locked(lock: string, work: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      await (await open(lock, 'wx')).close()
      break
    } catch (error) {
      if (!isSystemError(error, 'EEXIST')) throw error
      const age = await stat(lock).then(
        ({ mtimeMs }) => Date.now() - mtimeMs,
        () => 0,
      )
      if (age > LOCK_MS) await rm(lock, { force: true })
      else await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
  }
  try {
    await work()
  } finally {
    await rm(lock, { force: true })
  }
}
