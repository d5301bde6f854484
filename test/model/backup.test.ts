// backupAndRestore: a training that was stopped anywhere ends as one that never was, bit for bit.
import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, unlink, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as callbacks from '../../lib/callbacks/index.js'
import { setSeed } from '../../lib/index.js'
import { loadModel } from '../../lib/io/index.js'
import * as layers from '../../lib/layers/index.js'
import { sequential } from '../../lib/model/sequential.js'
import { rejection, rejects } from '../expect.js'
import { hashOf, kinds, rows, target, train } from './trainer.js'

const folder = await mkdtemp(path.join(os.tmpdir(), 'weft-'))
test.after(() => rm(folder, { recursive: true }))
let count = 0
const place = (): string => path.join(folder, String(count++))

const whole = async (kind: string, epochs = 6): Promise<{ hash: string; logs: Record<string, number> }> => {
  const { net, logs } = await train(kind, 1, { epochs })
  return { hash: await hashOf(net), logs }
}

/** Ends the training after so many steps, as if the process had died: the backup stays. */
class Stop extends callbacks.Callback {
  private left: number
  constructor(left: number) {
    super()
    this.left = left
  }
  override onBatchEnd(): void {
    if (--this.left === 0) throw new Error('stopped')
  }
}

/** Copies after every so many steps, or after epochs. */
const FREQUENCIES: Readonly<Record<string, readonly (number | undefined)[]>> = { adam: [1, 3, undefined], lstm: [2], sgd: [undefined] }
for (const kind of Object.keys(kinds)) {
  test(`${kind}: stopped in the midst of epochs, again and again, with other seeds, it ends as if it had not been`, async () => {
    const expected = await whole(kind)
    for (const everySteps of FREQUENCIES[kind] ?? [2, undefined]) {
      const dir = place()
      const options = { dir, ...(everySteps === undefined ? {} : { everySteps }) }
      let seed = 1
      for (const steps of [9, 8, 11]) {
        const error = await rejection(train(kind, seed++, { epochs: 6, callbacks: [callbacks.backupAndRestore(options), new Stop(steps)] }))
        assert.is(error.message, 'stopped')
      }
      // the copy is a model
      await loadModel(dir)
      const { net, logs } = await train(kind, seed, { epochs: 6, callbacks: callbacks.backupAndRestore(options) })
      assert.is(await hashOf(net), expected.hash, `every ${everySteps} steps`)
      assert.equal(logs, expected.logs)
      // it is done: the backup is gone
      assert.equal(await readdir(dir).catch(() => 'gone'), 'gone')
    }
  })
}

test('3 epochs, a stop, and 3 more are 6 epochs', async () => {
  for (const kind of ['sgd', 'adam', 'lstm']) {
    const expected = await whole(kind)
    const dir = place()
    const backup = callbacks.backupAndRestore({ dir, deleteCheckpoint: false, everySteps: 1 })
    await train(kind, 1, { epochs: 3, callbacks: backup })
    const { net } = await train(kind, 7, { epochs: 6, callbacks: callbacks.backupAndRestore({ dir }) })
    assert.is(await hashOf(net), expected.hash, kind)
  }
})

/** Runs the program, and kills it after so long; resolves with what it printed at its end. */
function program(args: readonly string[], killAfterMs: number | undefined): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [path.join(import.meta.dirname, 'trainer.js'), ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    let errors = ''
    child.stdout.on('data', (chunk) => {
      if (output === '' && killAfterMs !== undefined) setTimeout(() => child.kill('SIGKILL'), killAfterMs)
      output += chunk
    })
    child.stderr.on('data', (chunk) => {
      errors += chunk
    })
    child.on('close', (code, signal) => {
      if (signal === 'SIGKILL') resolve(undefined)
      else if (code !== 0) reject(new Error(errors))
      else resolve(output.split('\n')[1])
    })
  })
}

test('a process that is killed goes on when it is started again', async () => {
  const epochs = '40'
  const expected = await program(['adam', place(), '5', epochs], undefined)
  const dir = place()
  let killed = 0
  // where this process stood still, a run may have ended before it was killed
  for (let run = 0; run < 3 || (killed === 0 && run < 30); run++) {
    if ((await program(['adam', dir, '5', epochs], 40 + (run % 3) * 35)) === undefined) killed++
    // old or new, it is always a model
    if ((await readdir(dir).catch(() => [])).length > 0) await loadModel(dir)
  }
  assert.is(await program(['adam', dir, '5', epochs], undefined), expected)
  assert.ok(killed > 0, 'nothing was killed')
})

const small = (units = 2): ReturnType<typeof sequential> => {
  const net = sequential([layers.dense({ units, inputShape: [3], name: 'only' })])
  net.compile({ optimizer: 'adam', loss: 'mse' })
  return net
}
const x = [
  [1, 2, 3],
  [4, 5, 6],
]
const y = [
  [1, 2],
  [3, 4],
]
const interrupted = async (dir: string): Promise<void> => {
  const stop = [callbacks.backupAndRestore({ dir, everySteps: 1 }), new Stop(3)]
  await rejection(small().fit(x, y, { batchSize: 1, epochs: 3, verbose: 0, callbacks: stop }))
}

test('a backup of another training is refused, and stays', async () => {
  const dir = place()
  await interrupted(dir)
  const go = (net: ReturnType<typeof sequential>, options: object = {}): Promise<unknown> =>
    net.fit(x, y, { batchSize: 1, epochs: 3, verbose: 0, callbacks: callbacks.backupAndRestore({ dir }), ...options })
  const other = sequential([layers.dense({ units: 2, inputShape: [3], name: 'another' })])
  other.compile({ optimizer: 'adam', loss: 'mse' })
  await rejects('ERR_FORMAT', /is of another model: it has 'only\.kernel', which the model does not have/, go(other))
  const wider = sequential([layers.dense({ units: 2, useBias: false, inputShape: [3], name: 'only' })])
  wider.compile({ optimizer: 'adam', loss: 'mse' })
  await rejects('ERR_FORMAT', /is of another model: it has 'only\.bias'/, go(wider))
  const descent = small()
  descent.compile({ optimizer: 'sgd', loss: 'mse' })
  await rejects('ERR_FORMAT', /it was trained by 'adam', the model has sgd/, go(descent))
  const metered = small()
  metered.compile({ optimizer: 'adam', loss: 'mse', metrics: ['mae'] })
  await rejects('ERR_FORMAT', /metrics keep \d+ states, the backup has \d+/, go(metered))
  await rejects('ERR_ARGUMENT', /was on 2 rows, 1 per step; this one is on 2 rows, 2 per step/, go(small(), { batchSize: 2 }))
  const batches = small().fit([{ x, y }], { epochs: 3, verbose: 0, callbacks: callbacks.backupAndRestore({ dir }) })
  await rejects('ERR_ARGUMENT', /this one is on a source of batches/, batches)
  await go(small())
})

test('a folder that is no backup is left alone; one that was being removed is used again', async () => {
  const model = place()
  await small().save(model)
  const fit = (dir: string): Promise<unknown> =>
    small().fit(x, y, { epochs: 2, verbose: 0, callbacks: callbacks.backupAndRestore({ dir, deleteCheckpoint: false }) })
  await rejects('ERR_FORMAT', /is a saved model, not a backup/, fit(model))
  const mine = place()
  await mkdir(mine)
  await writeFile(path.join(mine, 'note.txt'), 'mine')
  await rejects('ERR_ARGUMENT', /is not empty and not a saved model/, fit(mine))
  assert.is(await readFile(path.join(mine, 'note.txt'), 'utf8'), 'mine')
  const rest = place()
  await interrupted(rest)
  // in the order in which they are removed
  for (const name of ['training.json', 'weights.safetensors', 'optimizer.safetensors', 'model.json']) {
    await unlink(path.join(rest, name))
    const dir = place()
    await cp(rest, dir, { recursive: true })
    await fit(dir)
    await loadModel(dir)
  }
  const damaged = place()
  await interrupted(damaged)
  await unlink(path.join(damaged, 'weights.safetensors'))
  await rejects('ERR_FORMAT', /weights\.safetensors cannot be read/, fit(damaged))
})

test('a train() loop that was left, an abort and stopTraining', async () => {
  const expected = await whole('sgd', 4)
  const dir = place()
  const { net: make } = kinds['sgd']!
  const fit = async (more: object): Promise<string> =>
    hashOf((await train('sgd', 1, { epochs: 4, callbacks: callbacks.backupAndRestore({ dir, everySteps: 1 }), ...more })).net)
  const signal = AbortSignal.abort(new Error('enough'))
  await rejection(fit({ signal }))
  setSeed(1)
  const net = make()
  let steps = 0
  const loop = net.train(rows, target, {
    batchSize: 4,
    epochs: 4,
    verbose: 0,
    callbacks: callbacks.backupAndRestore({ dir, everySteps: 1 }),
  })
  for await (const { type } of loop) if (type === 'step' && ++steps === 9) break
  assert.ok((await readdir(dir)).length > 0)
  const controller = new AbortController()
  const aborting: callbacks.CallbackLike = { onBatchEnd: (batch) => (batch === 3 ? controller.abort(new Error('enough')) : undefined) }
  await rejection(fit({ signal: controller.signal, callbacks: [callbacks.backupAndRestore({ dir, everySteps: 1 }), aborting] }))
  assert.ok((await readdir(dir)).length > 0)
  assert.is(await fit({}), expected.hash)
  // stopTraining is an end
  const stopping: callbacks.CallbackLike = { onEpochEnd: (epoch) => void (epoch === 1 && (stopped.stopTraining = true)) }
  const stopped = make()
  await stopped.fit(rows, target, { epochs: 4, verbose: 0, callbacks: [stopping, callbacks.backupAndRestore({ dir })] })
  assert.equal(await readdir(dir).catch(() => 'gone'), 'gone')
})

test('earlyStopping and modelCheckpoint remember what they saw before', async () => {
  const dir = place()
  const models = place()
  const list = [5, 4, 3, 3.5, 3.4, 3.3, 3.2, 1, 1, 1]
  const nets: ReturnType<typeof sequential>[] = []
  const run = (stop?: number): [Promise<{ epoch: number[] }>, ReturnType<typeof callbacks.earlyStopping>] => {
    const net = sequential([layers.dense({ units: 1, useBias: false, inputShape: [1], name: 'w' })])
    net.compile({ optimizer: 'sgd', loss: 'mse' })
    net.optimizer.learningRate = 0
    const early = callbacks.earlyStopping({ monitor: 'loss', patience: 4, restoreBestWeights: true })
    nets.push(net)
    const given = [
      { onEpochBegin: (epoch: number) => net.setWeights([[[list[epoch]!]]]) },
      { onEpochEnd: (epoch: number) => (epoch === stop ? Promise.reject(new Error('stopped')) : undefined) },
      early,
      callbacks.modelCheckpoint({ path: path.join(models, '{epoch}'), monitor: 'loss', saveBestOnly: true, keep: 2 }),
      callbacks.backupAndRestore({ dir }),
    ]
    return [net.fit([[1]], [[0]], { epochs: 10, verbose: 0, callbacks: given }) as never, early]
  }
  await rejection(run(5)[0])
  await loadModel(dir)
  const [done, early] = run()
  const { epoch } = await done
  assert.is(epoch.at(-1), 6)
  assert.is(early.stoppedEpoch, 6)
  assert.is(early.bestEpoch, 2)
  // the weights of the best epoch came before the stop
  assert.equal(await nets[1]!.weights[0]!.array(), [[3]])
  assert.equal((await readdir(models)).sort(), ['2', '3'])
})

test('modelCheckpoint saves every so many steps', async () => {
  const models = place()
  const save = callbacks.modelCheckpoint({ path: path.join(models, '{epoch}-{batch}-{step:02d}'), everySteps: 3, keep: 2 })
  await small().fit(x, y, { batchSize: 1, epochs: 5, verbose: 0, callbacks: save })
  assert.equal((await readdir(models)).sort(), ['3-2-06', '5-1-09'])
  const best = callbacks.modelCheckpoint({
    path: path.join(models, 'best-{step}'),
    monitor: 'loss',
    everySteps: 1,
    saveBestOnly: true,
    keep: 1,
  })
  await small().fit(x, y, { batchSize: 1, epochs: 3, verbose: 0, callbacks: best })
  assert.is((await readdir(models)).filter((name) => name.startsWith('best')).length, 1)
  assert.throws(() => callbacks.modelCheckpoint({ path: 'x', everySteps: 2, saveBestOnly: true }), /'val_loss' is not known after a step/)
})

test.run()
