// makeFolder: a folder with those above it.
import { mkdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { isSystemError } from './system_error.js'

/**
 * Makes a folder with those above it, and returns the first that it made. Node's own mkdir({ recursive: true }) never
 * returns where the system refuses a folder with ENOENT whose parent exists, as below /proc.
 */
export async function makeFolder(folder: string): Promise<string | undefined> {
  try {
    return await make(folder)
  } catch (error) {
    const above = path.dirname(folder)
    if (!isSystemError(error, 'ENOENT') || above === folder) throw error
    const first = await makeFolder(above)
    const last = await make(folder)
    return first ?? last
  }
}

/** The folder where it was made, undefined where it has been there. */
async function make(folder: string): Promise<string | undefined> {
  try {
    await mkdir(folder)
    return folder
  } catch (error) {
    if (isSystemError(error, 'EEXIST') && (await stat(folder)).isDirectory()) return undefined
    throw error
  }
}
