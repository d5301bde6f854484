// Data and initial weights of a row's network as files that both sides read.
import { removeNetwork, writeNetwork } from '../shared/networks.mjs'
import { networks } from './rows.mjs'

/** The row with all that a side needs to load it, and a function that removes the files. */
export const withNetwork = (row) => {
  if (row.network === undefined) return { row, remove: () => undefined }
  const written = writeNetwork(row.network, { ...networks[row.network], samples: row.samples })
  const { folder, layers, inputShape, weightShapes } = written
  return { row: { ...row, folder, layers, inputShape, weightShapes }, remove: () => removeNetwork(written) }
}
