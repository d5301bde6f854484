// The names under `optimizers`.
export type { AdafactorOptions, MuonOptions } from './matrices.js'
export type { AdamOptions, MomentsOptions } from './adam.js'
export type { AdadeltaOptions, AdagradOptions, RmspropOptions } from './adaptive.js'
export type { OptimizerLike, OptimizerName } from './by_name.js'
export type { LionOptions, SgdOptions } from './descent.js'
export * from './factories.js'
export { Optimizer, type OptimizerOptions } from './optimizer.js'
