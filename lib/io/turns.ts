// Changes of one place that follow each other.
import { type BigIntStats, linkSync, lstatSync, renameSync, rmSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import path from 'node:path'
import { WeftError } from '../core/error.js'
import { isSystemError } from '../core/system_error.js'
import { stagingName } from './leftovers.js'
import { kindOf } from './regular_file.js'

/** The last work at each place that was begun in this process. */
const queues = new Map<string, Promise<void>>()
/**
 * The lock of a process that was killed counts for so long, as whoever waits sees it: clocks of machines differ. Who
 * works touches its lock.
 */
const LOCK_MS = 10_000
const TOUCH_MS = 2000
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
  const handle = await acquired(lock)
  // the file itself, whatever has its name by now
  const touch = setInterval(() => void handle.utimes(new Date(), new Date()).catch(() => undefined), TOUCH_MS).unref()
  try {
    await work()
  } finally {
    clearInterval(touch)
    try {
      // no other file has this number as long as this one is open
      if (lookAt(lock)?.ino === (await handle.stat({ bigint: true })).ino) rmSync(lock, { force: true })
    } finally {
      await handle.close()
    }
  }
}

/** The lock as a file that this call made, once it can. */
async function acquired(lock: string): Promise<FileHandle> {
  let seen: BigIntStats | undefined
  let since = 0
  for (;;) {
    try {
      return await open(lock, 'wx')
    } catch (error) {
      if (!isSystemError(error, 'EEXIST')) throw error
    }
    const facts = lookAt(lock)
    if (facts && !facts.isFile() && !facts.isSymbolicLink())
      throw new WeftError('ERR_ARGUMENT', `${lock} is ${kindOf(facts)}, in the place of a file that says who writes`, {
        hint: 'Remove it, or give it another name',
      })
    if (facts === undefined || seen === undefined || !isSame(facts, seen)) [seen, since] = [facts, performance.now()]
    else if (performance.now() - since > LOCK_MS) takeAway(lock, seen)
    else await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
}

const lookAt = (file: string): BigIntStats | undefined => lstatSync(file, { bigint: true, throwIfNoEntry: false })
const isSame = (a: BigIntStats, b: BigIntStats): boolean => a.ino === b.ino && a.mtimeNs === b.mtimeNs

/**
 * Takes a lock away that was left. Several processes may do so, and one may have made a lock of its own since: that one
 * is put back. Nothing of this waits, so that hardly any time is between the steps.
 */
function takeAway(lock: string, left: BigIntStats): void {
  const aside = path.join(path.dirname(lock), stagingName())
  const now = lookAt(lock)
  if (now === undefined || !isSame(now, left)) return
  try {
    renameSync(lock, aside)
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return
    throw error
  }
  try {
    if (!isSame(lookAt(aside)!, left)) linkSync(aside, lock)
  } catch (error) {
    if (!isSystemError(error, 'EEXIST')) throw error
  } finally {
    rmSync(aside, { force: true })
  }
}
