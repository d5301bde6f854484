// weftjs/compress: smaller models. Quantization, pruning, distillation.
export { foldBatchNormalization } from './fold.js'
export { quantize, type QuantizeOptions } from './quantize.js'
export { quantizeAware, type QuantizeAwareOptions } from './quantize_aware.js'
export { distill, type DistillOptions } from './distill.js'
export type { CompressData } from './data.js'
export { type PruneOptions, Pruning, prune } from './prune.js'
export type { Calibration } from './calibrate.js'
