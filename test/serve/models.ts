// Small models whose answers tests know, and folders for them.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { layers, type Sequential, sequential, tensor } from '../../lib/index.js'

/** [n, size] → [n, size]: times `by`. */
export function scaling(by: number, size: number = 2, name?: string): Sequential {
  const net = sequential([layers.dense({ units: size, useBias: false, inputShape: [size], name: 'y' })], name === undefined ? {} : { name })
  net.setWeights([tensor(Array.from({ length: size }, (_, i) => Array.from({ length: size }, (_, j) => (i === j ? by : 0))))])
  return net
}

/** A folder that is gone after the tests. */
export function scratch(): { folder: string; remove: () => void } {
  const folder = mkdtempSync(path.join(tmpdir(), 'weft-serve-'))
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) }
}
