// onnxruntime-node's side of onnx.mjs: from a JavaScript array to a JavaScript array.
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { calibrate, time } from '../shared/measure.mjs'
import { images } from '../shared/onnx-images.mjs'
import { answerRequests } from '../shared/side.mjs'

let session
let counts

const load = async ({ file, threads }) => {
  session = await InferenceSession.create(file, {
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'all',
    executionMode: 'sequential',
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
  })
  counts = new Map()
}

const infer = async (data, shape) => {
  const outputs = await session.run({ [session.inputNames[0]]: new Tensor('float32', data, shape) })
  return outputs[session.outputNames[0]].data
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
