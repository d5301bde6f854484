// Names of TensorFlow.js that there is nothing for here: a program that uses one is told what to write.
import { WeftError } from '../core/error.js'

/** What to write instead, by name. */
const INSTEAD = {
  buffer: 'Fill a Float32Array and write tf.tensor(values, shape)',
  browser: 'Images are read by a package such as sharp: tf.tensor3d(pixels, [height, width, 3])',
  complex: 'There are no complex tensors',
  customGrad: "Write defineOp({ name, forward, gradient }) of 'weftjs'",
  env: 'There are no flags; settings are environment variables, see docs/install.md',
  fused: 'Neighbouring operations are joined by themselves',
  image: "Write layers.resizing({ height, width }) of 'weftjs'",
  io: "Files are named by URLs: model.save('file://folder'), tf.loadLayersModel('file://folder/model.json')",
  linalg: 'Write the decomposition with a package such as ml-matrix',
  loadGraphModel: "Convert the model to ONNX and write importOnnx(file) of 'weftjs'",
  math: 'The functions are those of tf itself; confusion matrices are in weftjs/learn',
  models: "Write tf.loadLayersModel(), or loadModel() of 'weftjs'",
  multinomial: 'Write tf.randomUniform() and compare with cumsum() of the probabilities',
  node: "Write callbacks.tensorBoard() of 'weftjs'; images are read by a package such as sharp",
  profile: "Write profile() of 'weftjs'",
  registerBackend: 'There is one backend',
  registerOp: "Write defineOp() of 'weftjs'",
  serialization: 'A class of your own extends layers.Layer; see docs/saving.md for how it is saved',
  signal: 'There are no Fourier transforms under this name',
  sparse: 'There are no sparse tensors',
  spectral: 'There are no Fourier transforms under this name',
  string: 'There are no tensors of text',
} as const

type Missing = (...args: unknown[]) => never
/** A function and a namespace at once, of which every use throws. */
function missing(name: keyof typeof INSTEAD): Missing & Readonly<Record<string, never>> {
  const fail = (): never => {
    throw new WeftError('ERR_ARGUMENT', `tf.${name} is not part of weftjs/tfjs`, { hint: INSTEAD[name] })
  }
  return new Proxy(fail, { get: (target, key) => (key === 'then' || typeof key === 'symbol' ? Reflect.get(target, key) : fail()) }) as never
}

export const browser: ReturnType<typeof missing> = missing('browser')
export const complex: ReturnType<typeof missing> = missing('complex')
export const customGrad: ReturnType<typeof missing> = missing('customGrad')
export const fused: ReturnType<typeof missing> = missing('fused')
export const image: ReturnType<typeof missing> = missing('image')
export const linalg: ReturnType<typeof missing> = missing('linalg')
export const loadGraphModel: ReturnType<typeof missing> = missing('loadGraphModel')
export const multinomial: ReturnType<typeof missing> = missing('multinomial')
export const registerBackend: ReturnType<typeof missing> = missing('registerBackend')
export const registerOp: ReturnType<typeof missing> = missing('registerOp')
export const signal: ReturnType<typeof missing> = missing('signal')
export const sparse: ReturnType<typeof missing> = missing('sparse')
export const spectral: ReturnType<typeof missing> = missing('spectral')
export const string: ReturnType<typeof missing> = missing('string')
export const buffer: ReturnType<typeof missing> = missing('buffer')
export const env: ReturnType<typeof missing> = missing('env')
export const io: ReturnType<typeof missing> = missing('io')
export const math: ReturnType<typeof missing> = missing('math')
export const models: ReturnType<typeof missing> = missing('models')
export const node: ReturnType<typeof missing> = missing('node')
export const profile: ReturnType<typeof missing> = missing('profile')
export const serialization: ReturnType<typeof missing> = missing('serialization')
