// Single files, replaced as a whole while others read them: written aside, flushed, and renamed.
import { rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { flushFolder, realPlace } from './folder.js'
import { refusePublished } from './published.js'
import { kindOf } from './regular_file.js'
import { removeLeftovers, stagingName } from './leftovers.js'
import { inTurn } from './turns.js'
import { WeftError } from '../core/error.js'
import { systemError } from '../core/system_error.js'

/**
 * Lets `fill` write a file under another name in the folder of `target`, and then renames it. When anything fails, what
 * was there stays. Makes the folders above it; one that is a published version stays as it is. Writes of one file
 * follow each other in the order of the calls.
 * @param what who writes, for errors
 */
export function replaceFile(what: string, target: string, fill: (file: string) => Promise<void>): Promise<void> {
  return inTurn(target, async () => {
    try {
      const file = await realPlace(target)
      const there = await stat(file).catch(() => undefined)
      // a rename would put a file in the place of a device or pipe
      if (there && !there.isFile() && !there.isDirectory())
        throw new WeftError('ERR_ARGUMENT', `${what}: ${target} is ${kindOf(there)}, not a regular file`)
      const folder = path.dirname(file)
      await refusePublished(what, folder)
      await removeLeftovers(folder)
      const prepared = path.join(folder, stagingName())
      try {
        await fill(prepared)
        await rename(prepared, file)
      } catch (error) {
        await rm(prepared, { force: true }).catch(() => undefined)
        throw error
      }
      await flushFolder(folder)
    } catch (error) {
      throw systemError(`${what}: ${target} cannot be written`, error, 'ERR_ARGUMENT')
    }
  })
}
