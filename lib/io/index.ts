// Saving and loading of models.
import './save.js'
import './weights_file.js'
export { type LoadOptions, loadModel } from './load.js'
