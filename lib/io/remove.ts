// Removal of saved models.
import { rmdir, unlink } from 'node:fs/promises'
import path from 'node:path'
import { FILES, settle, TRAINING_FILE } from './folder.js'
import { refusePublished, unpublish } from './published.js'
import { inTurn } from './turns.js'
import { isSystemError, systemError } from '../core/system_error.js'

/**
 * Removes the files of a saved model, and its folder where nothing else is in it. Who is reading it goes on: open files
 * stay. A folder that is not there is fine. ERR_ARGUMENT for a published version.
 */
export function removeModel(folder: string): Promise<void> {
  return inTurn(folder, async () => {
    try {
      await refusePublished('remove', folder)
      await settle(folder)
      await unpublish(folder)
      // the description goes last: what is left by a process that ends meanwhile is known as ours, and is replaced
      for (const name of [TRAINING_FILE, ...FILES]) await unlink(path.join(folder, name)).catch(ignore('ENOENT', 'ENOTDIR'))
      await rmdir(folder).catch(ignore('ENOENT', 'ENOTDIR', 'ENOTEMPTY', 'EEXIST', 'EBUSY'))
    } catch (error) {
      throw systemError(`${folder} cannot be removed`, error, 'ERR_ARGUMENT')
    }
  })
}

const ignore =
  (...codes: string[]) =>
  (error: unknown): void => {
    if (!isSystemError(error, ...codes)) throw error
  }
