// Sources of fit: arrays or streams to train on, and those to validate with: the last rows, or data of their own.
import { WeftError } from '../core/error.js'
import type { Tensor } from '../core/tensor.js'
import { draws, permutation } from '../data/shuffle.js'
import { balancedWeights, classWeightOption } from './class_weight.js'
import { ascending } from './evaluate.js'
import { type Columns, isStream, type ModelData, type StreamSource, toColumns } from './feed.js'
import type { Meeting } from './meeting.js'
import type { AnyModel, ShuffleState } from './model.js'
import { rowsSource, type Shards, type Source, streamSource } from './source.js'
import type { FitOptions } from './training.js'

/** Data to train on and data to validate with. */
export interface Sources {
  training: Source
  validation: Source | undefined
}

/** Where the rows of the ranks are told. */
interface Telling {
  readonly meeting: Meeting
  readonly sharded: boolean
  /** Rows of arrays of this rank, to train on and to validate with; 0 of a stream. */
  own: { training: number; validation: number }
  all: readonly { training: number; validation: number }[]
}

/** Opens what fit was given. The tensors that are made of arrays are noted in `owned`. */
export async function openSources(
  model: AnyModel,
  x: ModelData | StreamSource,
  y: ModelData | undefined,
  options: FitOptions,
  owned: Tensor[],
  meeting: Meeting,
): Promise<Sources> {
  const telling: Telling = { meeting, sharded: options.sharded === true && !meeting.alone, own: { training: 0, validation: 0 }, all: [] }
  if (!telling.sharded) return open(model, x, y, options, owned, telling)
  let sources: Sources | undefined
  telling.all = await meeting.saying(async () => {
    sources = await open(model, x, y, options, owned, telling)
    return telling.own
  })
  return sources!
}

/** What the ranks have; undefined where each has the same. */
const shardsOf = (telling: Telling, which: 'training' | 'validation') => (): Shards | undefined =>
  telling.sharded ? { counts: telling.all.map((one) => one[which]), rank: telling.meeting.rank } : undefined

async function open(
  model: AnyModel,
  x: ModelData | StreamSource,
  y: ModelData | undefined,
  options: FitOptions,
  owned: Tensor[],
  telling: Telling,
): Promise<Sources> {
  const { meeting, sharded } = telling
  const { batchSize = 32, validationSplit = 0, validationData, shuffle = true, stepsPerEpoch } = options
  const given = classWeightOption('fit', options.classWeight)
  const whole = options.shards !== undefined
  const validation = validationData === undefined ? undefined : validationSource(model, validationData, options, owned, telling)
  if (isStream(x)) {
    if (validationSplit > 0)
      throw new WeftError('ERR_ARGUMENT', 'fit: validationSplit needs arrays; a source of batches cannot be split', {
        hint: 'Pass validationData',
      })
    const classWeight = given === 'balanced' ? await balancedWeights('fit', undefined, 0) : given
    const training = streamSource(model.forms, x, {
      steps: stepsPerEpoch,
      option: 'fit: stepsPerEpoch',
      classWeight,
      meeting,
      sharded,
      whole,
    })
    return { training, validation }
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
  // ranks with rows of their own have orders of their own
  const drawn = ({ seed, pass }: ShuffleState): Int32Array =>
    new Int32Array(permutation(kept, draws(sharded ? seed + meeting.rank : seed, pass)).buffer)
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
  if (sharded && given === 'balanced')
    throw new WeftError('ERR_ARGUMENT', "fit: classWeight 'balanced' counts the classes of this rank alone, where data are sharded", {
      hint: 'Give the weights: classWeight: { 0: 1, 1: 2.5 }',
    })
  const classWeight = given === 'balanced' ? await balancedWeights('fit', columns.y, kept) : given
  telling.own.training = kept
  return {
    training: rowsSource(columns, {
      batchSize,
      order,
      prepare,
      shards: shardsOf(telling, 'training'),
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
    validation: kept < rows ? heldOut(columns, kept, rows, options, telling) : validation,
  }
}

function heldOut(columns: Columns, begin: number, end: number, options: FitOptions, telling: Telling): Source {
  const batchSize = options.validationBatchSize ?? options.batchSize ?? 32
  telling.own.validation = end - begin
  return rowsSource(columns, {
    batchSize,
    shards: shardsOf(telling, 'validation'),
    order: () => ascending(begin, end),
    stepsPerEpoch: options.validationSteps,
    classWeight: undefined,
  })
}

function validationSource(
  model: AnyModel,
  given: NonNullable<FitOptions['validationData']>,
  options: FitOptions,
  owned: Tensor[],
  telling: Telling,
): Source {
  const { meeting, sharded } = telling
  if (isStream(given)) {
    const { validationSteps: steps } = options
    return streamSource(model.forms, given, {
      steps,
      option: 'fit: validationSteps',
      restarts: true,
      meeting,
      sharded,
      whole: options.shards !== undefined,
    })
  }
  const data: readonly unknown[] = given
  if (!Array.isArray(data) || data.length < 2 || data.length > 3) {
    throw new WeftError('ERR_ARGUMENT', 'fit: validationData must be [x, y], [x, y, sampleWeight] or a source of batches')
  }
  const columns = toColumns(model.forms, data[0], data[1], data[2], owned)
  if (columns.rows === 0) throw new WeftError('ERR_ARGUMENT', 'fit: validationData has no rows')
  return heldOut(columns, 0, columns.rows, options, telling)
}
