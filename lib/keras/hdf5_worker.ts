// Reads an HDF5 file in a thread of its own, which can be ended: a damaged file may send its reader round in circles.
import { parentPort, workerData } from 'node:worker_threads'
import { type Hdf5Value, hdf5Values } from './hdf5_values.js'

export type Hdf5Answer = { values: Hdf5Value[] } | { error: string }

const answer = (): Hdf5Answer => {
  try {
    return { values: hdf5Values((workerData as { bytes: ArrayBuffer }).bytes) }
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) }
  }
}

const made = answer()
parentPort!.postMessage(made, 'values' in made ? made.values.map(({ values }) => values.buffer as ArrayBuffer) : [])
