// Saving and loading of models.
import './save.js'
import './plot.js'
import './history_plot.js'
import './weights_file.js'
export type { PlotOptions } from './plot.js'
export { type LoadOptions, loadModel } from './load.js'
