// The names under `data`.
export type { Batch, BatchField, Sample, SampleField } from './collate.js'
export { type CsvOptions, type CsvSample, csv } from './csv.js'
export { type BatchOptions, Dataset, type ShuffleOptions } from './dataset.js'
export type { ShapedArray } from './host.js'
export { type Fields, from, generator, type Values } from './sources.js'
export { MinMaxScaler, type MinMaxScalerOptions, minMaxScaler, Scaler, StandardScaler, standardScaler } from './scalers.js'
export type { Series } from './series.js'
export {
  type ChronologicalParts,
  type ChronologicalSplitOptions,
  chronologicalSplit,
  type Windows,
  type WindowsOptions,
  windows,
} from './windows.js'
