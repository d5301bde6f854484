// A worker thread that is terminated while it waits for the other ranks to meet; the process goes on.
import { Worker } from 'node:worker_threads'
import { say } from './say.js'

const source = `(async () => {
  const { parentPort } = await import('node:worker_threads')
  const { distributed } = await import(${JSON.stringify(new URL('../../../lib/index.js', import.meta.url).href)})
  distributed.init({ engine: 'mpi', timeoutMs: 60_000 })
  parentPort.postMessage('meeting')
  setInterval(() => {}, 1000)
})()`
const worker = new Worker(source, { eval: true })
await new Promise((resolve, reject) => {
  worker.once('message', resolve)
  worker.once('error', reject)
})
await worker.terminate()
say(0, { goesOn: true })
