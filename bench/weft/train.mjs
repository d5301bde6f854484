// Weft's side of train.mjs and threads.mjs: training steps, timed in JavaScript around `fit`.
import { startClocks } from '../shared/measure.mjs'
import { answerRequests } from '../shared/side.mjs'
import { keepBusy } from './busy.mjs'
import { loadData, loadNetwork } from './networks.mjs'

const loaded = new Map()

const load = (request) => {
  loaded.set(request.name, { request, net: loadNetwork(request), ...loadData(request) })
}

/** Mean losses over the epochs of a run that starts from the initial weights and never shuffles. */
const check = async ({ name, batch, steps, epochs, epsilon }) => {
  const { request, x, y } = loaded.get(name)
  const net = loadNetwork(request, { epsilon })
  const rows = batch * steps
  const { history } = await net.fit(x.slice([0], [rows]), y.slice([0], [rows]), { epochs, batchSize: batch, shuffle: false, verbose: 0 })
  net.dispose()
  return { losses: history.loss }
}

/**
 * Microseconds per step over whole epochs: batch gathering, loss and accuracy included, and what `fit` does around its
 * steps.
 */
const fit = async ({ name, batch, epochs, busy = 0 }) => {
  const { net, x, y, request } = loaded.get(name)
  const stop = keepBusy(busy)
  const clocks = startClocks()
  await net.fit(x, y, { epochs, batchSize: batch, verbose: 0 })
  const figures = clocks(epochs * (request.samples / batch))
  stop()
  return figures
}

await answerRequests({ load, check, fit })
