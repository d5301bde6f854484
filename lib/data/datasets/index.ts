// The names under `datasets`.
export { cifar10 } from './cifar.js'
export type { DatasetOptions } from './files.js'
export { fashionMnist, mnist, type Split, type TrainTest } from './idx.js'
export { breastCancer, type Classes, type DiabetesOptions, diabetes, digits, iris, type Table, wine } from './tables.js'
