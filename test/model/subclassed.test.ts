// Models of classes of one's own.
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { inspect } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type DynamicShape, layers, loadModel, Model, sequential, setSeed, type Tensor, tensor, zeros } from '../../lib/index.js'
import { close, rejects, throws, values } from '../expect.js'

class Residual extends Model<{ units: number }> {
  readonly first = layers.dense({ units: this.config.units, activation: 'tanh' })
  readonly rest = [layers.dense({ units: this.config.units }), layers.dropout({ rate: 0.5 })]
  readonly last = layers.dense({ units: 1 })

  constructor(config: { units: number }) {
    super(config)
  }
  call(x: Tensor, { training }: layers.CallOptions): Tensor {
    const h = this.first.apply(x)
    const inner = this.rest.reduce<Tensor>((y, layer) => layer.apply(y, { training }), h)
    return this.last.apply(h.add(inner))
  }
}

const x = tensor([
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
])
const y = tensor([[0], [1], [1], [0]])
const trained = async (): Promise<Residual> => {
  setSeed(1)
  const net = new Residual({ units: 16 })
  net.compile({ optimizer: 'adam', loss: 'mse', metrics: ['mae'] })
  const { history } = await net.fit(x, y, { epochs: 20, batchSize: 4, verbose: 0 })
  assert.ok(history['loss']!.at(-1)! < history['loss']![0]!)
  return net
}

test('it trains, evaluates and predicts as others do', async () => {
  const net = await trained()
  assert.is(net.weights.length, 6)
  assert.is(net.trainableWeights.length, 6)
  assert.equal(
    net.weights.map(({ name }) => name),
    ['first/kernel', 'first/bias', 'rest/0/kernel', 'rest/0/bias', 'last/kernel', 'last/bias'],
  )
  const { loss, mae } = await net.evaluate(x, y)
  assert.ok(loss! > 0 && mae! > 0)
  const predicted = await net.predict(x)
  close(await values(predicted), await values(net.apply(x)), 1e-6)
})

test('what was saved is loaded with its class, and trains on bit for bit', async () => {
  const net = await trained()
  const folder = path.join(mkdtempSync(path.join(tmpdir(), 'weft-')), 'net')
  await net.save(folder)
  const again = await loadModel(folder, { layers: { Residual } })
  assert.instance(again, Residual)
  assert.equal(await values(await again.predict(x)), await values(await net.predict(x)))
  for (const one of [net, again]) await one.fit(x, y, { epochs: 2, batchSize: 2, verbose: 0 })
  assert.equal(await values(again.weights[0]!), await values(net.weights[0]!))
  const file = path.join(folder, 'w.safetensors')
  await net.saveWeights(file)
  const third = new Residual({ units: 16 })
  third.build([null, 2])
  await third.loadWeights(file)
  assert.equal(await values(await third.predict(x)), await values(await net.predict(x)))
})

test('console.log() shows its layers', async () => {
  const net = new Residual({ units: 4 })
  assert.match(inspect(net), 'not built')
  net.build([null, 2])
  const text = inspect(net)
  assert.match(text, 'dense (Dense)')
  assert.match(text, '[null, 4]')
  assert.match(text, /\b37\b/)
  assert.is(net.getLayer('dense'), net.first)
  assert.is(net.getLayer(-1), net.last)
  throws('ERR_ARGUMENT', /JSON.stringify/, () => JSON.stringify(net))
})

test('every model is a Model, and only its own are of a class that extends it', () => {
  const net = sequential([layers.dense({ units: 1, inputShape: [2] })])
  assert.ok(net instanceof Model)
  assert.not((net as unknown) instanceof Residual)
  assert.ok(new Residual({ units: 1 }) instanceof Model)
  assert.not(({} as unknown) instanceof Model)
})

test('it can be a layer of another model, and have a build of its own', async () => {
  class Scaled extends Model {
    readonly inner = layers.dense({ units: 2, kernelInitializer: 'ones' })
    factor = 1
    override build(inputShape: DynamicShape): void {
      super.build(inputShape)
      this.factor = inputShape.length
    }
    call(t: Tensor): Tensor {
      return this.inner.apply(t).mul(this.factor)
    }
  }
  const net = sequential([new Scaled(), layers.dense({ units: 1, kernelInitializer: 'ones' })])
  close(await values(await net.predict(zeros([1, 3]).add(1))), [12], 1e-6)
  assert.is(net.countParams(), 11)
})

test('a mistake in call() names the model', () => {
  class Wrong extends Model {
    call(t: Tensor): Tensor {
      return t.matMul(zeros([5, 5]))
    }
  }
  throws('ERR_SHAPE', /Wrong.*matMul: .*do not fit/, () => new Wrong().apply(x as Tensor))
  // as in JavaScript, where nothing asks for call()
  const Without = class extends Residual {} as unknown as new (config: object) => Model
  Object.defineProperty(Without.prototype, 'call', { value: undefined })
  throws('ERR_ARGUMENT', /the class has no call\(\)/, () => new Without({ units: 2 }).apply(x as Tensor))
})

test('a layer in the place of another is the one that is trained; a field may hold the model itself', async () => {
  class Single extends Model {
    readonly self = this
    head = layers.dense({ units: 1 })
    call(t: Tensor): Tensor {
      return this.head.apply(t)
    }
  }
  const net = new Single()
  net.compile({ optimizer: 'adam', loss: 'mse' })
  await net.fit(x, y, { epochs: 1, verbose: 0 })
  net.head = layers.dense({ units: 1, kernelInitializer: 'zeros' })
  await net.fit(x, y, { epochs: 1, verbose: 0 })
  assert.is(net.weights.length, 2)
  assert.ok((await values(net.head.weights[0]!)).some((value) => value !== 0))
})

test('a class whose constructor takes no options object is not loaded, with what to write', async () => {
  class Placed extends Model {
    readonly inner: layers.Layer
    constructor(units: number) {
      super()
      this.inner = layers.dense({ units })
    }
    call(t: Tensor): Tensor {
      return this.inner.apply(t)
    }
  }
  const net = new Placed(3)
  await net.predict(x)
  const folder = mkdtempSync(path.join(tmpdir(), 'weft-placed-'))
  await net.save(folder)
  await rejects('ERR_FORMAT', /new Placed\(\{\}\) throws: .*super\(options\)/, loadModel(folder, { layers: { Placed: Placed as never } }))
})

test.run()
