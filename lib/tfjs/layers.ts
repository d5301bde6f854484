// Layers under TensorFlow.js' names: Weft's own, and the spellings that differ.
export * from '../layers/index.js'
export {
  averagePooling1d as avgPool1d,
  averagePooling1d as avgPooling1d,
  averagePooling2d as avgPool2d,
  averagePooling2d as avgPooling2d,
  averagePooling3d as avgPool3d,
  averagePooling3d as avgPooling3d,
  cropping2d as cropping2D,
  globalMaxPooling1d as globalMaxPool1d,
  globalMaxPooling2d as globalMaxPool2d,
  leakyRelu as leakyReLU,
  maxPooling1d as maxPool1d,
  maxPooling2d as maxPool2d,
  relu as reLU,
  rnn as RNN,
  simpleRnn as simpleRNN,
  simpleRnnCell as simpleRNNCell,
  stackedRnnCells as stackedRNNCells,
  thresholdedRelu as thresholdedReLU,
} from '../layers/index.js'
export { input } from './models.js'
