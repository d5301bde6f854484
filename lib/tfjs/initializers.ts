// Initializers under TensorFlow.js' names.
export * from '../initializers/index.js'
export { lecunNormal as leCunNormal, lecunUniform as leCunUniform } from '../initializers/index.js'
