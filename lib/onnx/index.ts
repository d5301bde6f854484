// ONNX: models of other frameworks. The code that reads them is loaded at the first use.
import { checkCall, type OptionTable } from '../core/options.js'
import { pathOf, type Place } from '../core/place.js'
import { type Verbosity, whileWorking } from '../core/progress_bar.js'
import { registerLater } from '../layers/serialize.js'
import type { OnnxModel } from './import/onnx_model.js'
import type { OnnxFacts } from './read_onnx.js'

export type { OnnxModel } from './import/onnx_model.js'
export type { OnnxFacts, OnnxNode, OnnxPort } from './read_onnx.js'

export interface ImportOnnxOptions {
  /** Where the weights go: 'cpu', 'cuda:0', ... Default: the current device. */
  device?: string
  /** The model's name. Default: one that no other model of the process has. */
  name?: string
  /**
   * Default: on a terminal, what is loaded and since when, where it takes longer than two seconds. 0: silent, 1: at
   * once, 2: a line at the end.
   */
  verbose?: Verbosity
}
const OPTIONS: OptionTable<ImportOnnxOptions> = { device: 'string', name: 'string', verbose: 'any' }

/**
 * The network of an ONNX file (a path or a file: URL) of opset 7 to 21 as a model: it predicts, trains, is saved and
 * served like others. Float initializers are its trainable weights; statistics of batch normalization, scales and zero
 * points are weights that are not trained; single numbers and small lists of whole numbers are constants. Inputs,
 * outputs and their axes are those of the file: one input or output is a Tensor, several are records by name.
 * Throws ERR_FORMAT for what is no such file, and with one line for every node that cannot be computed.
 */
export async function importOnnx(path: Place, options: ImportOnnxOptions = {}): Promise<OnnxModel> {
  checkCall('importOnnx(path, options)', arguments, OPTIONS)
  const { importModel } = await import('./import_model.js')
  const { verbose, ...rest } = options
  return await whileWorking(`importing ${pathOf('importOnnx', path, 'file')}`, verbose, () => importModel(path, rest))
}

/**
 * What is in an ONNX file (a path or a file: URL), without making a model of it. ERR_FORMAT for what is no such file.
 */
export async function readOnnx(path: Place): Promise<OnnxFacts> {
  checkCall('readOnnx(path)', arguments)
  const { factsOf } = await import('./read_onnx.js')
  return factsOf(path)
}

registerLater('OnnxModel', () => import('./import/onnx_model.js'))
