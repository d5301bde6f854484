// compress: pruning and quantization in one call, with a report of what they cost and bring.
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import { type AnyModel, Model } from '../model/model.js'
import { isStream, type ModelData, type StreamSource } from '../model/feed.js'
import { type CompressData, partsOf } from './data.js'
import { isFlow } from './fold.js'
import { type PruneOptions, prune } from './prune.js'
import { type QuantizeOptions, quantize } from './quantize.js'
import { checkModel, copyOf } from './rebuild.js'
import { Report } from './report.js'

export interface CompressOptions {
  /** What weights are kept in, or the options of quantize(). Default: they stay as they are. */
  quantize?: 'int8' | 'int4' | 'bfloat16' | 'float16' | QuantizeOptions
  /** Share of the weights that is pruned, or the options of prune(). Default: none. */
  prune?: number | PruneOptions
  /** Inputs x, { x, y } or batches: to find ranges of activations on, to fine-tune on after pruning, and to measure. */
  data?: CompressData
  /** { x, y }, [x, y] or batches to measure accuracy on. Default: `data`, where it has labels. */
  validationData?: CompressData | readonly [ModelData, ModelData]
  /** Epochs of fine-tuning after pruning, where there are labels and the model is compiled. Default 1. */
  epochs?: number
  /** Rows per step of fine-tuning and measuring. Default 32. */
  batchSize?: number
}
const OPTIONS: OptionTable<CompressOptions> = {
  quantize: 'any',
  prune: 'any',
  data: 'any',
  validationData: 'any',
  epochs: 'integer',
  batchSize: 'integer',
}

export interface Compressed<M extends AnyModel = AnyModel> {
  /** The smaller model. */
  readonly model: M
  /** Size, latency and accuracy before and after; String(report) is a table. */
  readonly report: Report
}

function quantizeOptions(given: CompressOptions['quantize'], model: AnyModel, data: CompressData | undefined): QuantizeOptions | undefined {
  if (given === undefined) return undefined
  const named: Readonly<Record<string, QuantizeOptions>> = {
    int8: { to: 'int8' },
    int4: { to: 'int8', bits: 4 },
    bfloat16: { to: 'bfloat16' },
    float16: { to: 'float16' },
  }
  if (typeof given === 'string') {
    if (!Object.hasOwn(named, given))
      throw new WeftError(
        'ERR_ARGUMENT',
        `compress: quantize must be one of ${Object.keys(named).join(', ')} or options, got ${show(given)}`,
      )
  } else if (typeof given !== 'object' || given === null)
    throw new WeftError('ERR_ARGUMENT', `compress: quantize must be a name or the options of quantize(), got ${show(given)}`)
  const options = typeof given === 'string' ? named[given]! : given
  const { to = 'int8', bits = 8, method = bits === 8 && isFlow(model) ? 'static' : undefined } = options
  const calibrated = to === 'int8' && method === 'static' && data !== undefined && options.data === undefined
  return calibrated ? { ...options, data } : options
}

const hasLabels = (data: CompressData | undefined): boolean => data !== undefined && (isStream(data) || partsOf(data).y !== undefined)

const noEpochs = (): WeftError =>
  new WeftError(
    'ERR_ARGUMENT',
    'compress: epochs are those of fine-tuning after pruning, which needs prune, data with labels and a compiled model',
  )

/** Data with labels, also as the pair that fit() takes. */
function labelled(given: NonNullable<CompressOptions['validationData']>): CompressData {
  const data = Array.isArray(given) && given.length === 2 ? { x: given[0] as ModelData, y: given[1] as ModelData } : (given as CompressData)
  if (hasLabels(data)) return data
  throw new WeftError('ERR_ARGUMENT', 'compress: validationData has no labels', { hint: 'Write { x, y }, or [x, y]' })
}

async function pruned(model: AnyModel, given: number | PruneOptions, options: CompressOptions): Promise<AnyModel> {
  if (typeof given !== 'number' && (typeof given !== 'object' || given === null))
    throw new WeftError('ERR_ARGUMENT', `compress: prune must be a share or the options of prune(), got ${show(given)}`)
  const settings = typeof given === 'number' ? { sparsity: given } : given
  const { data, epochs = 1, batchSize = 32 } = options
  const tuned = hasLabels(data) && model.isCompiled && epochs > 0
  if (!tuned && (settings.schedule === 'polynomial' || (settings.begin ?? 0) > 0))
    throw new WeftError('ERR_ARGUMENT', 'compress: a schedule of pruning needs a compiled model, data with labels and epochs to train')
  if (!tuned && options.epochs !== undefined && options.epochs > 0) throw noEpochs()
  const copy = copyOf('compress', model)
  const pruning = prune(copy, settings)
  if (pruning.model !== copy) copy.dispose()
  if (tuned) {
    const fitting = { epochs, batchSize, verbose: 0, callbacks: [pruning] } as const
    if (isStream(data)) await pruning.model.fit(data as StreamSource, { epochs, verbose: 0, callbacks: [pruning] })
    else {
      const { x, y } = partsOf(data!)
      await pruning.model.fit(x, y, fitting)
    }
  }
  pruning.release()
  return pruning.model
}

/**
 * A smaller model, and a report of what that cost: `const { model, report } = await compress(net, { quantize: 'int8',
 * prune: 0.5, data: { x, y } })`; `console.log(String(report))` prints size, latency and accuracy before and after.
 * Pruning comes first, then fine-tuning where `data` has labels and the model is compiled, then quantization. With
 * 'int8' and data, dense and conv2d layers compute in 8 bits; see quantize(). The given model is unharmed.
 * ERR_ARGUMENT where neither quantize nor prune is given; errors of quantize() and prune() otherwise.
 */
export async function compress<M extends AnyModel>(model: M, options: CompressOptions = {}): Promise<Compressed<M>> {
  checkCall('compress(net, options)', arguments, OPTIONS)
  checkModel('compress', model)
  const { data, batchSize = 32 } = options
  const validationData = options.validationData === undefined ? (hasLabels(data) ? data : undefined) : labelled(options.validationData)
  if (options.quantize === undefined && options.prune === undefined)
    throw new WeftError('ERR_ARGUMENT', 'compress: there is nothing to do', {
      hint: "Write compress(net, { quantize: 'int8', prune: 0.5, data })",
    })
  if (options.prune === undefined && options.epochs !== undefined) throw noEpochs()
  // refused before anything is trained
  const wanted = quantizeOptions(options.quantize, model, data)
  const sparse = options.prune === undefined ? model : await pruned(model, options.prune, options)
  try {
    const small = wanted === undefined ? sparse : await quantize(sparse as Model, wanted)
    const report = await Report.of(model, small as AnyModel, { data: data ?? validationData, validationData, batchSize })
    return { model: small as M, report }
  } finally {
    if (sparse !== model && wanted !== undefined) sparse.dispose()
  }
}
