// Models of Keras and TensorFlow.js.
import './tfjs_export.js'
export type { ExportTfjsOptions } from './tfjs_export.js'
export { type LoadKerasOptions, loadKeras } from './keras_file.js'
export { type LoadTfjsOptions, loadTfjs } from './tfjs.js'
