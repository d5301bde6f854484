// The schedules that a saved optimizer may name.
export { cosineDecay, exponentialDecay, inverseTimeDecay, piecewiseConstantDecay, polynomialDecay } from './decay.js'
export { cosineDecayRestarts } from './restarts.js'
