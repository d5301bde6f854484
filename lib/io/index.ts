// Saving and loading of models.
import './save.js'
export { type LoadOptions, loadModel } from './load.js'
