// What the programs of these tests share: small data, a small classifier, the losses of steps, a hash of what came out.
// Imported by file, and not all of weftjs: every rank of every test starts with it.
import { createHash } from 'node:crypto'
import { everyRank } from '../../../lib/callbacks/index.js'
import { tensor } from '../../../lib/core/create.js'
import type { Tensor } from '../../../lib/core/tensor.js'
import * as layers from '../../../lib/layers/index.js'
import { type Sequential, sequential } from '../../../lib/model/sequential.js'

/** Inputs that follow no class: [rows, 4]. */
export const waves = (rows: number): Tensor =>
  tensor(
    Float32Array.from({ length: rows * 4 }, (_, i) => Math.sin(i * 1.7)),
    { shape: [rows, 4] },
  )

/** Classes 0, 1, 2, 0, 1, ... */
export const classes = (rows: number): Tensor => tensor(Int32Array.from({ length: rows }, (_, i) => i % 3))

/** From `inputs` values to three classes, not compiled; `between`: layers before the last one. */
export const classifier = (units: number, between: Parameters<typeof sequential>[0] & unknown[] = [], inputs = 4): Sequential =>
  sequential([
    layers.dense({ units, activation: 'relu', inputShape: [inputs] }),
    ...between,
    layers.dense({ units: 3, activation: 'softmax' }),
  ])

/** A callback that keeps the loss of each step. */
export const keepingLosses = (steps: number[]): object =>
  everyRank({ onBatchEnd: (_: number, logs: Record<string, number>) => void steps.push(logs['batchLoss']!) })

/** The bits of tensors. */
export async function hashOf(tensors: readonly Tensor[]): Promise<string> {
  const hash = createHash('sha256')
  for (const t of tensors) hash.update(Buffer.from((await t.data()).slice().buffer))
  return hash.digest('hex')
}
