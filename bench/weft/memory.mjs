// The parts of memory.mjs: each samples the resident size while it runs.
import { Worker } from 'node:worker_threads'
import { setTimeout as sleep } from 'node:timers/promises'
import { jit, layers, memory, sequential, synchronize, tensor } from '../../dist/lib/index.js'
import { answerRequests } from '../shared/side.mjs'

const resident = () => process.memoryUsage.rss()

const trainingSteps = async ({ scale }) => {
  const samples = []
  const net = sequential([
    layers.dense({ units: 128, activation: 'relu', inputShape: [1000] }),
    layers.dense({ units: 64, activation: 'relu' }),
    layers.dense({ units: 10, activation: 'softmax' }),
  ])
  net.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
  const x = tensor(Float32Array.from({ length: 8000 * 1000 }, Math.random), [8000, 1000])
  const y = tensor(
    Int32Array.from({ length: 8000 }, (_, i) => i % 10),
    [8000],
  )
  const callbacks = [{ onEpochEnd: () => samples.push(resident()) }]
  await net.fit(x, y, { epochs: Math.round(40 * scale) + 6, batchSize: 32, verbose: 0, callbacks })
  return { samples }
}

const loop = async (count, every, shape) => {
  const samples = []
  const factor = tensor(0.999)
  let x = tensor(new Float32Array(shape[0]).fill(1), shape)
  for (let i = 0; i < count; i++) {
    x = x.mul(factor)
    if (i % every === every - 1) samples.push(resident())
  }
  const first = (await x.data())[0]
  if (Math.abs(first - 0.999 ** count) > 1e-3) throw new Error(`wrong result: ${first}`)
  return { samples }
}

const eagerOps = ({ scale }) => loop(1_000_000 * scale, 20_000 * scale, [256])
const largeEagerOps = ({ scale }) => loop(20_000 * scale, 400 * scale, [2 ** 18])

const programs = async (count, drop) => {
  const samples = []
  const x = tensor(new Float32Array(64 * 64).fill(0.01), [64, 64])
  for (let i = 0; i < count; i++) {
    const weight = tensor(new Float32Array(64 * 64).fill(i * 1e-6), [64, 64])
    const fn = jit((input) => input.matMul(weight).add(i).tanh().matMul(input).sum())
    await fn(x).item()
    if (drop) fn.dispose()
    // Finalizers run between turns of the event loop.
    if (i % 10 === 9) await sleep(0)
    if (i % 20 === 19) samples.push(resident())
  }
  await synchronize()
  return { samples, reserved: memory().device.reserved - memory().device.used }
}

const droppedPrograms = ({ scale }) => programs(1000 * scale, true)
const collectedPrograms = ({ scale }) => programs(1000 * scale, false)

const terminatedWorkers = async ({ scale }) => {
  const samples = []
  for (let i = 0; i < Math.max(10, 20 * scale); i++) {
    const worker = new Worker(new URL('training-worker.mjs', import.meta.url))
    await new Promise((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
    })
    await sleep(30 + 7 * i)
    await worker.terminate()
    samples.push(resident())
  }
  // The process still computes.
  const [value] = await tensor([20]).add(22).data()
  if (value !== 42) throw new Error(`wrong result after termination: ${value}`)
  return { samples }
}

await answerRequests({ trainingSteps, eagerOps, largeEagerOps, droppedPrograms, collectedPrograms, terminatedWorkers })
