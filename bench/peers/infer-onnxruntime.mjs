// onnxruntime-node's side of infer.mjs: from a JavaScript array to a JavaScript array.
import { readFileSync } from 'node:fs'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { calibrate, time } from '../shared/measure.mjs'
import { answerRequests } from '../shared/side.mjs'

let session
let images

const load = async ({ model, folder, threads }) => {
  session = await InferenceSession.create(model, {
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'all',
    executionMode: 'sequential',
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
  })
  images = new Float32Array(new Uint8Array(readFileSync(`${folder}/x`)).buffer)
}

const infer = async (x, batch) => (await session.run({ x: new Tensor('float32', x, [batch, 1, 28, 28]) })).y.data

const outputs = async ({ batch }) => ({ outputs: [...(await infer(images.subarray(0, batch * 784), batch))] })

const counts = new Map()

/** Microseconds per call; every call takes the next images. */
const run = async ({ batch, milliseconds }) => {
  let row = 0
  const call = async () => {
    row = (row + batch) % 1024
    const y = await infer(images.subarray(row * 784, (row + batch) * 784), batch)
    if (y.length !== batch * 10) throw new Error('wrong size')
  }
  if (!counts.has(batch)) counts.set(batch, await calibrate(call, milliseconds))
  return await time(call, counts.get(batch))
}

await answerRequests({ load, outputs, run })
