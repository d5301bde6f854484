// exportOnnx: a model's inference pass as an ONNX file.
import { isInteger } from '../../core/checks.js'
import { WeftError } from '../../core/error.js'
import { currentTrace } from '../../core/graph.js'
import { checkCall, type OptionTable, show } from '../../core/options.js'
import { pathOf, type Place } from '../../core/place.js'
import { packageVersion } from '../../core/version.js'
import { type AnyModel, Model } from '../../model/model.js'
import { graphOf } from './graph.js'

export interface ExportOnnxOptions {
  /** Version of the ONNX operators, 17 to 21. Default 17. */
  opset?: number
  /**
   * Rows of tables that grow with the number of steps (sines of positions), where the model does not limit its steps.
   * Longer inputs are refused by whoever runs the file. Default 2048.
   */
  maxLength?: number
  /**
   * Puts the weights into a file beside the model, named after it and what is in it. It is always done where a model
   * has more than ONNX files hold, 2 GiB. Default false.
   */
  externalData?: boolean
}

declare module '../../model/model.js' {
  interface Model<C extends object, I, O> {
    /**
     * Writes what predict() computes to an ONNX file (a path or a file: URL): the weights at the time of the call, with
     * the names they have here. Batch and, where inputShape has null, steps and image sizes vary. Inputs and outputs
     * are in the layout they have here (images NHWC); between convolutions values are NCHW.
     * The file is written aside and then put in place; when anything fails, what was there stays.
     * Throws ERR_ARGUMENT with all operations that cannot be exported, with their layers; ERR_SHAPE for a model whose
     * operations differ with the size of its inputs; ERR_STATE before the weights exist, and for a full disk.
     * See docs/onnx.md.
     */
    exportOnnx(file: Place, options?: ExportOnnxOptions): Promise<void>
  }
}

const OPTIONS: OptionTable<ExportOnnxOptions> = { opset: 'integer', maxLength: 'integer', externalData: 'boolean' }
const [OLDEST, NEWEST] = [17, 21]

async function exportModel(model: AnyModel, place: Place, options: ExportOnnxOptions): Promise<void> {
  const file = pathOf('exportOnnx', place, 'file')
  const { opset = OLDEST, maxLength, externalData = false } = options
  if (opset < OLDEST || opset > NEWEST)
    throw new WeftError('ERR_ARGUMENT', `exportOnnx: opset must be ${OLDEST} to ${NEWEST}, got ${show(opset)}`)
  if (maxLength !== undefined && !isInteger(maxLength, 1))
    throw new WeftError('ERR_ARGUMENT', `exportOnnx: maxLength must be a positive integer, got ${show(maxLength)}`)
  const trace = currentTrace()
  if (trace) throw new WeftError('ERR_TRACE', `exportOnnx: it cannot be called while '${trace.name}' is being traced`)
  const graph = graphOf(model, opset, maxLength)
  try {
    // protobuf is loaded by those alone who export; the values are kept already
    const { writeOnnx } = await import('./file.js')
    await writeOnnx(file, graph, { external: externalData, version: packageVersion() })
  } finally {
    graph.nodes.release()
  }
}

Model.prototype.exportOnnx = async function (file: Place, options: ExportOnnxOptions = {}): Promise<void> {
  checkCall('exportOnnx(file, options)', arguments, OPTIONS)
  return exportModel(this, file, options)
}
