// The names under `losses`.
export type { LossLike, LossName } from './by_name.js'
export type {
  CategoricalCrossentropyOptions,
  CrossentropyOptions,
  SmoothedCrossentropyOptions,
  SparseCategoricalCrossentropyOptions,
} from './crossentropy.js'
export type { CtcOptions } from './ctc.js'
export type { DiceOptions } from './dice.js'
export * from './factories.js'
export type { BinaryFocalCrossentropyOptions, CategoricalFocalCrossentropyOptions } from './focal.js'
export type { Loss, LossCallOptions, LossFunction, Reduction } from './loss.js'
export type { CosineSimilarityOptions, HuberOptions, LossOptions } from './regression.js'
