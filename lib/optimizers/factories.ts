// The optimizers that have a name. Every one of them can be made by its name alone, so each option has a default.
export { adam, adamax, adamw, lamb, nadam } from './adam.js'
export { adadelta, adagrad, rmsprop } from './adaptive.js'
export { lion, sgd } from './descent.js'
export { adafactor, muon } from './matrices.js'
