// quantize: a smaller model that computes what the given one does, with weights of 16, 8 or 4 bits.
import { WeftError } from '../core/error.js'
import { checkCall, checkOptions, type OptionTable, show } from '../core/options.js'
import { Tensor, type TensorLike } from '../core/tensor.js'
import { GROUP_SIZES, isSkipped, type Storage, storageOfModel, storedAs, type StoredType } from '../layers/stored_weights.js'
import { integerOption } from '../layers/options.js'
import { type AnyModel, Model } from '../model/model.js'
import { quantize as quantizeTensor, type QuantizeOptions as QuantizeTensorOptions } from '../ops/quantized.js'
import type { Calibration } from './calibrate.js'
import type { CompressData } from './data.js'
import { checkFlow } from './fold.js'
import { checkModel, describe, fill, madeFrom } from './rebuild.js'
import { toInt8 } from './int8_model.js'

export interface QuantizeOptions {
  /** What weights are kept in. Default 'int8', which with `bits: 4` means 4 bits. */
  to?: 'int8' | 'bfloat16' | 'float16'
  /**
   * For int8. 'static': weights and activations, with ranges found on `data` (dense and conv2d). 'dynamic': the same of
   * dense layers, with ranges found as the model runs. 'weightOnly': all matrices, computed in float32; for language
   * models. Default 'static' where there is `data`, or where the model comes from quantizeAware(); 'weightOnly' for 4
   * bits and for models that are neither sequential nor functional; else 'dynamic'.
   */
  method?: 'static' | 'dynamic' | 'weightOnly'
  /** Bits of a weight: 8 (default) or 4. With 'static' and 'dynamic', values of 4 bits are kept in 8. */
  bits?: 8 | 4
  /**
   * Inputs that share a scale in each output, for 'weightOnly': 32 (default for 4 bits), 64 or 128 (default for 8
   * bits).
   */
  groupSize?: 32 | 64 | 128
  /** Inputs to find ranges on, for 'static': x, { x }, or a source of batches. */
  data?: CompressData
  /**
   * How a range follows from the values. 'minMax' (default): all of them are in it. 'percentile': `percentile` of them.
   * 'entropy': the values at its ends are cut off so that the rounded ones differ least in entropy (Migacz 2017).
   */
  calibration?: Calibration
  /** Percent of the values inside the range, for 'percentile'. Default 99.99. */
  percentile?: number
  /** Rows of `data` that are looked at. Default 1024. */
  samples?: number
  /** Each output of a kernel has a scale of its own, for 'static' and 'dynamic'. Default true. */
  perChannel?: boolean
  /** Names of layers that stay as they are, as net.summary() prints them. Default: none. */
  skip?: readonly string[]
}

const OPTIONS: OptionTable<QuantizeOptions> = {
  to: ['int8', 'bfloat16', 'float16'],
  method: ['static', 'dynamic', 'weightOnly'],
  bits: 'integer',
  groupSize: 'integer',
  data: 'any',
  calibration: ['minMax', 'percentile', 'entropy'],
  percentile: 'number',
  samples: 'integer',
  perChannel: 'boolean',
  skip: 'list',
}

/** Options and the methods that read them. */
const READERS: Readonly<Record<string, readonly string[]>> = {
  groupSize: ['weightOnly'],
  data: ['static'],
  calibration: ['static'],
  percentile: ['static'],
  samples: ['static'],
  perChannel: ['static', 'dynamic'],
}

/** Throws ERR_ARGUMENT for an option that the chosen method would not read. */
function checkRead(method: string, options: QuantizeOptions): void {
  for (const [name, methods] of Object.entries(READERS)) {
    if (options[name as keyof QuantizeOptions] === undefined || methods.includes(method)) continue
    throw new WeftError(
      'ERR_ARGUMENT',
      `quantize: ${name} goes with method ${methods.map((one) => `'${one}'`).join(' or ')}, not '${method}'`,
    )
  }
  if (options.percentile !== undefined && options.calibration !== 'percentile')
    throw new WeftError('ERR_ARGUMENT', "quantize: percentile goes with calibration 'percentile'", {
      hint: "Add calibration: 'percentile'",
    })
}

/** ERR_STATE for a model that is quantized already. */
function checkWide(model: AnyModel): void {
  const kept = model.weights.find((weight) => storedAs(weight) !== undefined || ['int8', 'uint8'].includes(weight.dtype))
  if (kept !== undefined || storageOfModel(model))
    throw new WeftError('ERR_STATE', `quantize: ${model.name} is quantized already${kept ? `: '${kept.name}' is ${kept.dtype}` : ''}`, {
      hint: 'Quantize the model that it was made from',
    })
}

const learnsRanges = (model: AnyModel): boolean => model.weightPaths().some(([path]) => path.endsWith('.inputHigh'))

function methodOf(model: AnyModel, { method, bits = 8, data }: QuantizeOptions): 'static' | 'dynamic' | 'weightOnly' {
  if (method !== undefined) return method
  if (data !== undefined || learnsRanges(model)) return 'static'
  return bits === 4 || !['Sequential', 'Functional'].includes(model.className) ? 'weightOnly' : 'dynamic'
}

function stored(model: AnyModel, type: StoredType, groupSize: number, skip: readonly string[]): AnyModel {
  const storage: Storage = { type, groupSize, skip }
  const made = madeFrom({ ...describe('quantize', model), storage }, model)
  if (![...made.weightPaths()].some(([, weight]) => storedAs(weight)))
    throw new WeftError('ERR_ARGUMENT', `quantize: ${model.name} has no matrix of weights to store in fewer bits`)
  fill(made, model)
  return made
}

async function quantizeModel(model: AnyModel, options: QuantizeOptions): Promise<AnyModel> {
  checkModel('quantize', model)
  checkWide(model)
  const { to = 'int8', bits = 8, skip = [], percentile = 99.99, samples = 1024 } = options
  if (!Array.isArray(skip) || !skip.every((name) => typeof name === 'string'))
    throw new WeftError('ERR_ARGUMENT', `quantize: skip is a list of names of layers, got ${show(skip)}`)
  if (to !== 'int8') {
    for (const name of ['method', 'bits', ...Object.keys(READERS)] as const)
      if (options[name as keyof QuantizeOptions] !== undefined)
        throw new WeftError('ERR_ARGUMENT', `quantize: ${name} goes with to: 'int8', not with '${to}'`)
    return stored(model, to, 128, skip)
  }
  if (bits !== 8 && bits !== 4) throw new WeftError('ERR_ARGUMENT', `quantize: bits must be 8 or 4, got ${show(bits)}`)
  const method = methodOf(model, options)
  checkRead(method, options)
  if (method === 'weightOnly') {
    const { groupSize = bits === 4 ? 32 : 128 } = options
    if (!GROUP_SIZES.includes(groupSize))
      throw new WeftError('ERR_ARGUMENT', `quantize: groupSize must be ${GROUP_SIZES.join(' or ')}, got ${show(groupSize)}`)
    return stored(model, bits === 4 ? 'int4' : 'int8', groupSize, skip)
  }
  checkFlow('quantize', model, "Write method: 'weightOnly', which takes every model")
  integerOption('quantize', 'samples', samples)
  if (!(percentile > 50 && percentile <= 100))
    throw new WeftError('ERR_ARGUMENT', `quantize: percentile must be above 50 and at most 100, got ${show(percentile)}`)
  const { data, calibration = 'minMax', perChannel = true } = options
  return toInt8(model, {
    dynamic: method === 'dynamic',
    bits,
    perChannel,
    skip,
    data,
    calibration: { method: calibration, percentile, samples },
    isSkipped: (path) => skip.some((name) => isSkipped(path, name)),
  })
}

/**
 * A model whose weights are kept in fewer bits: `const small = await quantize(net, { to: 'int8', data: x })`. It
 * predicts, evaluates, saves, loads, is served and exported as any other; it is compiled as the given one, but is not
 * trained. The given model is unharmed.
 *
 * With 'int8', batch normalization is folded first; kernels are symmetric int8, activations uint8 between quantized
 * layers (Jacob et al. 2018). ERR_ARGUMENT for options that do not go together, names in `skip` that no layer has and
 * models that the method does not take; ERR_STATE for a model that is quantized already.
 *
 * On a tensor it is the operation: quantize(x, { scale, zeroPoint, axis, dtype }), see quantizeTensor in
 * docs/operations.md.
 */
export function quantize(x: TensorLike, options: QuantizeTensorOptions): Tensor
export function quantize<M extends AnyModel>(model: M, options?: QuantizeOptions): Promise<M>
export function quantize(subject: unknown, options: unknown = {}): unknown {
  if (!(subject instanceof Model)) {
    if (subject instanceof Tensor || Array.isArray(subject) || ArrayBuffer.isView(subject) || typeof subject === 'number')
      return quantizeTensor(subject as TensorLike, options as QuantizeTensorOptions)
    checkModel('quantize', subject)
  }
  checkCall('quantize(net, options)', arguments)
  checkOptions('quantize', options, OPTIONS, 'net')
  return quantizeModel(subject as unknown as AnyModel, options as QuantizeOptions)
}
