// Memory of large weights: who makes or loads a model holds its weights and the optimizer's state once.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { device, layers, memory, type Sequential, sequential, synchronize, tensor } from '../../lib/index.js'

const [inputs, units] = [2000, 1000]
const bytes = 4 * (inputs + 1) * units
const peak = (): number => memory().device.peak / bytes

const make = (): Sequential => {
  const net = sequential([layers.dense({ units, inputShape: [inputs], kernelInitializer: 'ones' })])
  net.compile({ optimizer: 'adam', loss: 'mse' })
  return net
}

test('weights are made where they stay', async () => {
  make().dispose()
  await synchronize()
  assert.ok(peak() < 1.2, `${peak()} times the weights`)
})

test('a model is loaded into the memory of its weights and moments', async () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-'))
  try {
    const net = make()
    const [x, y] = [tensor(new Float32Array(inputs).fill(1), [1, inputs]), tensor(new Float32Array(units), [1, units])]
    await net.fit(x, y, { verbose: 0 })
    await net.save(folder)
    // a process of its own, which has no memory to spare
    const script = `const { loadModel, memory, synchronize } = await import(${JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)})
      const net = await loadModel(${JSON.stringify(folder)})
      await synchronize()
      console.log(process.memoryUsage().arrayBuffers, memory().device.used, net.countParams())`
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
    const [held, used, parameters] = stdout.split(' ').map(Number)
    assert.is(parameters, net.countParams(), stderr)
    assert.ok(held! < 3.5 * bytes, `${held! / bytes} times the weights`)
    if (device() === 'cpu') assert.ok(used! >= 3 * bytes)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test.run()
