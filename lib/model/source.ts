// Sources: where the batches of an epoch come from: rows of arrays on the device, in an order, or a stream.
import { tensor } from '../core/create.js'
import { WeftError } from '../core/error.js'
import type { Tensor } from '../core/tensor.js'
import { batchColumns, checkEnds, type Columns, deviceOf, type Forms, openStream, type StreamSource, streamSize } from './feed.js'
import type { ClassWeight } from './class_weight.js'
import type { Launch } from './pipeline.js'
import type { Steps } from './step.js'

/** One pass over the data. */
export interface Epoch {
  next(): Launch<Tensor> | Promise<Launch<Tensor>>
  /** Number of steps, where it is known. */
  readonly steps: number | undefined
  /** Frees what only this pass needed; the source may have more to give. */
  end(): Promise<void> | void
}

export interface Source {
  open(steps: Steps): Epoch | Promise<Epoch>
  /** Lets go of the stream, if one is open. */
  close(): Promise<void>
}

export interface RowsOptions {
  batchSize: number
  /** The order of the rows of the next epoch, as indices into the arrays. */
  order: () => Int32Array
  stepsPerEpoch: number | undefined
  classWeight: ClassWeight | undefined
}

/** Batches of rows of arrays: the device picks them, so that a step takes nothing from the host. */
export function rowsSource(columns: Columns, options: RowsOptions): Source {
  const { batchSize, order, stepsPerEpoch, classWeight } = options
  const batch = { x: columns.x, y: columns.y, sampleWeight: columns.sampleWeight }
  return {
    open(steps) {
      const rows = order()
      const most = Math.ceil(rows.length / batchSize)
      if (stepsPerEpoch !== undefined && stepsPerEpoch > most) {
        throw new WeftError(
          'ERR_ARGUMENT',
          `${stepsPerEpoch} steps of ${batchSize} rows were asked for, the data have ${rows.length} rows, which make ${most}`,
        )
      }
      const permutation = tensor(rows, { device: deviceOf(columns.x) })
      const count = stepsPerEpoch ?? most
      let step = 0
      return {
        steps: count,
        next: () => {
          if (step === count) return undefined
          const size = Math.min(batchSize, rows.length - step++ * batchSize)
          return () => steps.onRows.submit(batch, permutation, size, classWeight)
        },
        end: () => permutation.dispose(),
      }
    },
    close: async () => undefined,
  }
}

export interface StreamOptions {
  /** Batches of an epoch; default: all. */
  steps: number | undefined
  /** The option that sets them, for messages: "fit: stepsPerEpoch". */
  option: string
  /** Every epoch begins anew, not where the last one ended. */
  restarts?: boolean
  classWeight?: ClassWeight | undefined
}

/**
 * Batches of a stream. With `steps` an epoch goes on where the last one ended unless it restarts; otherwise each epoch
 * is one pass.
 */
export function streamSource(forms: Forms, source: StreamSource, options: StreamOptions): Source {
  const { steps: stepsPerEpoch, option, restarts = false, classWeight } = options
  if (stepsPerEpoch === undefined) checkEnds(option, source)
  let iterator: AsyncIterator<unknown> | Iterator<unknown> | undefined
  let passes = 0
  let waiting = false
  const close = async (): Promise<void> => {
    const open = iterator
    iterator = undefined
    const returned = open?.return?.()
    // a generator that is still making a value that nobody wants any more returns when it is done with it, or never
    if (waiting) Promise.resolve(returned).catch(() => undefined)
    else await returned
  }
  return {
    async open(steps) {
      if (!iterator) {
        iterator = await openStream(source, stepsPerEpoch === undefined ? option : undefined)
        passes++
      }
      let step = 0
      return {
        steps: stepsPerEpoch ?? streamSize(source),
        next: async () => {
          if (step === stepsPerEpoch) return undefined
          waiting = true
          const { value, done } = await iterator!.next()
          waiting = false
          if (done) {
            iterator = undefined
            if (step === 0 || stepsPerEpoch !== undefined) throw ranDry(step, stepsPerEpoch, passes)
            return undefined
          }
          step++
          const { x, y, sampleWeight } = batchColumns(forms, value)
          return () => steps.onBatch.submit({ x, y, sampleWeight }, classWeight, false)
        },
        end: () => (stepsPerEpoch === undefined || restarts ? close() : undefined),
      }
    },
    close,
  }
}

function ranDry(step: number, wanted: number | undefined, passes: number): WeftError {
  const asked = wanted === undefined ? 'an epoch needs at least one' : `${wanted} steps per epoch were asked for`
  return new WeftError('ERR_ARGUMENT', `the source of batches ran dry after ${step} in pass ${passes}; ${asked}`, {
    hint: 'Pass a function that returns a new iterable for each epoch, or a data.Dataset with repeat()',
  })
}
