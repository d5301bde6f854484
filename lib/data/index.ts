// The names under `data`.
export type { Batch, BatchField, Sample, SampleField } from './collate.js'
export { type CsvDataset, type CsvOptions, type CsvSample, csv } from './csv.js'
export type { ColumnKind, ColumnOptions, Missing, RowDataset, RowSample } from './columns.js'
export { type BatchOptions, Dataset, type ShuffleOptions } from './dataset.js'
export type { FileOptions } from './file_bytes.js'
export type { ShapedArray } from './host.js'
export { type JsonLinesOptions, jsonLines } from './json_lines.js'
export { type ParquetOptions, parquet } from './parquet.js'
export { type ElementOf, type Fields, type FieldValues, from, generator } from './sources.js'
export { RobustScaler, type RobustScalerOptions, robustScaler } from './robust_scaler.js'
export {
  MinMaxScaler,
  type MinMaxScalerOptions,
  minMaxScaler,
  type Scalable,
  type Scaled,
  Scaler,
  StandardScaler,
  standardScaler,
  type TransformOptions,
} from './scalers.js'
export {
  type DataStatistics,
  type FeatureStatistics,
  type InputStatistics,
  type StatisticsInput,
  type StatisticsOptions,
  statistics,
} from './statistics.js'
export type { Series } from './series.js'
export { type ChronologicalParts, type ChronologicalSplitOptions, chronologicalSplit } from './chronological_split.js'
export type { WindowRow, WindowSample } from './window_stream.js'
export type { WindowsOptions } from './window_plan.js'
export { type Windows, windows } from './windows.js'
