// weftjs/compress: smaller models. Quantization, pruning, distillation.
export { foldBatchNormalization } from './fold.js'
export { quantize, type QuantizeOptions } from './quantize.js'
export { quantizeAware, type QuantizeAwareOptions } from './quantize_aware.js'
export { type Compressed, type CompressOptions, compress } from './compress.js'
export type { Change, Measures, Report } from './report.js'
export { distill, type DistillOptions } from './distill.js'
export type { CompressData } from './data.js'
export { type PruneOptions, Pruning, prune } from './prune.js'
export type { Calibration } from './calibrate.js'
export {
  type DequantizeOptions,
  dequantize,
  type GroupedDenseOptions,
  groupedDense,
  type Int8Conv2dOptions,
  type Int8DenseOptions,
  int8Conv2d,
  int8Dense,
  packInt4,
  packInt8,
  type QuantizedRange,
  unpackInt4,
} from '../ops/quantized.js'
