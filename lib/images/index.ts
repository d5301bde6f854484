// The names under `images`.
export type { ReadingMethod, ReadingOptions } from './decode.js'
export {
  type FromFolderOptions,
  fromFolder,
  type LabelMode,
  type PictureDataset,
  type PictureSample,
  type Skipped,
  type SplitPictures,
} from './folder.js'
export { type LoadOptions, load } from './load.js'
export { type ResizeMethod, type ResizeOptions, resize } from './resize.js'
export { type WriteFormat, type WriteOptions, write } from './write.js'
