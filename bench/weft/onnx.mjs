// Weft's side of onnx.mjs: from a JavaScript array to a JavaScript array, through `predict`.
import { importOnnx, tensor } from '../../dist/lib/index.js'
import { calibrate, time } from '../shared/measure.mjs'
import { images } from '../shared/onnx-images.mjs'
import { answerRequests } from '../shared/side.mjs'

let net
let counts

const load = async ({ file }) => {
  net?.dispose()
  net = await importOnnx(file)
  counts = new Map()
}

const infer = async (data, shape) => {
  const x = tensor(data, shape)
  const y = await net.predict(x, { batchSize: shape[0] })
  const values = await y.data()
  x.dispose()
  y.dispose()
  return values
}

const outputs = async ({ shape }) => ({ outputs: [...(await infer(images(shape), shape))] })

const run = async ({ shape, milliseconds }) => {
  const data = images(shape)
  const call = () => infer(data, shape)
  const key = String(shape)
  if (!counts.has(key)) counts.set(key, await calibrate(call, milliseconds))
  return await time(call, counts.get(key))
}

await answerRequests({ load, outputs, run })
