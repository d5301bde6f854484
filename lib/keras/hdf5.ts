// HDF5 files, read apart from the thread that asks: bounded in time and memory.
import { Worker } from 'node:worker_threads'
import { WeftError } from '../core/error.js'
import type { Hdf5Answer } from './hdf5_worker.js'
import type { Hdf5Value } from './hdf5_values.js'

const BASE_MS = 60_000
const BYTES_PER_MS = 1000
const BASE_MEBIBYTES = 512

/** The datasets of numbers by their paths. ERR_FORMAT for what is no such file. @param what names the file */
export function readHdf5(what: string, bytes: ArrayBuffer): Promise<Hdf5Value[]> {
  const size = bytes.byteLength
  const wrong = (why: string): WeftError =>
    new WeftError('ERR_FORMAT', `${what} is not an HDF5 file that can be read: ${why.slice(0, 300)}`)
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./hdf5_worker.js', import.meta.url), {
      workerData: { bytes },
      transferList: [bytes],
      // the reader makes numbers of 8 bytes
      resourceLimits: { maxOldGenerationSizeMb: BASE_MEBIBYTES + Math.ceil((size * 16) / 2 ** 20) },
    })
    const timer = setTimeout(
      () => {
        reject(wrong('reading it does not end'))
        void worker.terminate()
      },
      BASE_MS + size / BYTES_PER_MS,
    )
    worker.once('message', (answer: Hdf5Answer) => {
      clearTimeout(timer)
      if ('values' in answer) resolve(answer.values)
      else reject(wrong(answer.error))
    })
    worker.once('error', (error) => {
      clearTimeout(timer)
      reject(wrong((error as Error).message))
    })
    worker.once('exit', () => {
      clearTimeout(timer)
      reject(wrong('its reader ended'))
    })
  })
}
