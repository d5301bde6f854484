// Sources of fit: arrays or streams to train on, and those to validate with: the last rows, or data of their own.
import { WeftError } from '../core/error.js'
import type { Tensor } from '../core/tensor.js'
import { draws, permutation } from '../data/shuffle.js'
import { balancedWeights, classWeightOption } from './class_weight.js'
import { ascending } from './evaluate.js'
import { type Columns, isStream, type ModelData, type StreamSource, toColumns } from './feed.js'
import type { AnyModel, ShuffleState } from './model.js'
import { rowsSource, type Source, streamSource } from './source.js'
import type { FitOptions } from './training.js'

/** Data to train on and data to validate with. */
export interface Sources {
  training: Source
  validation: Source | undefined
}

/** Opens what fit was given. The tensors that are made of arrays are noted in `owned`. */
export async function openSources(
  model: AnyModel,
  x: ModelData | StreamSource,
  y: ModelData | undefined,
  options: FitOptions,
  owned: Tensor[],
): Promise<Sources> {
  const { batchSize = 32, validationSplit = 0, validationData, shuffle = true, stepsPerEpoch } = options
  const given = classWeightOption('fit', options.classWeight)
  const validation = validationData === undefined ? undefined : validationSource(model, validationData, options, owned)
  if (isStream(x)) {
    if (validationSplit > 0)
      throw new WeftError('ERR_ARGUMENT', 'fit: validationSplit needs arrays; a source of batches cannot be split', {
        hint: 'Pass validationData',
      })
    const classWeight = given === 'balanced' ? await balancedWeights('fit', undefined, 0) : given
    return { training: streamSource(model.forms, x, { steps: stepsPerEpoch, option: 'fit: stepsPerEpoch', classWeight }), validation }
  }
  const columns = toColumns(model.forms, x, y, options.sampleWeight, owned)
  const { rows } = columns
  if (rows === 0) throw new WeftError('ERR_ARGUMENT', 'fit: x has no rows')
  const kept = validationData === undefined ? Math.floor(rows * (1 - validationSplit)) : rows
  if (validationSplit > 0 && (kept === 0 || kept === rows)) {
    throw new WeftError(
      'ERR_ARGUMENT',
      `fit: validationSplit ${validationSplit} of ${rows} samples leaves ${kept} to train on and ${rows - kept} to validate with`,
    )
  }
  let last: ShuffleState | undefined
  const drawn = ({ seed, pass }: ShuffleState): Int32Array => new Int32Array(permutation(kept, draws(seed, pass)).buffer)
  let early: { readonly seed: number; readonly pass: number; readonly rows: Int32Array } | undefined
  let left = (options.epochs ?? 1) - (options.initialEpoch ?? 0)
  const order = (): Int32Array => {
    left--
    if (!shuffle) return ascending(0, kept)
    last = model.nextShuffle()
    const known = early?.seed === last.seed && early.pass === last.pass ? early.rows : undefined
    early = undefined
    return known ?? drawn(last)
  }
  /** Draws the order of the epoch that is likely to come, while the device does the last steps of this one. */
  const prepare = (): void => {
    const next = shuffle && left > 0 ? model.shuffleState : undefined
    if (next) early = { seed: next.seed, pass: next.pass, rows: drawn(next) }
  }
  const classWeight = given === 'balanced' ? await balancedWeights('fit', columns.y, kept) : given
  return {
    training: rowsSource(columns, {
      batchSize,
      order,
      prepare,
      shuffle: {
        get next() {
          return shuffle ? model.shuffleState : undefined
        },
        get last() {
          return last
        },
      },
      stepsPerEpoch,
      classWeight,
    }),
    validation: kept < rows ? heldOut(columns, kept, rows, options) : validation,
  }
}

function heldOut(columns: Columns, begin: number, end: number, options: FitOptions): Source {
  const batchSize = options.validationBatchSize ?? options.batchSize ?? 32
  return rowsSource(columns, {
    batchSize,
    order: () => ascending(begin, end),
    stepsPerEpoch: options.validationSteps,
    classWeight: undefined,
  })
}

function validationSource(model: AnyModel, given: NonNullable<FitOptions['validationData']>, options: FitOptions, owned: Tensor[]): Source {
  if (isStream(given))
    return streamSource(model.forms, given, { steps: options.validationSteps, option: 'fit: validationSteps', restarts: true })
  const data: readonly unknown[] = given
  if (!Array.isArray(data) || data.length < 2 || data.length > 3) {
    throw new WeftError('ERR_ARGUMENT', 'fit: validationData must be [x, y], [x, y, sampleWeight] or a source of batches')
  }
  const columns = toColumns(model.forms, data[0], data[1], data[2], owned)
  if (columns.rows === 0) throw new WeftError('ERR_ARGUMENT', 'fit: validationData has no rows')
  return heldOut(columns, 0, columns.rows, options)
}
