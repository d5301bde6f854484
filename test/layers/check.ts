// layerCheck: what every layer must do. Build and call, output shape, gradients, a training step, masks, save and load.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  device,
  gradCheck,
  gradients,
  jit,
  mean,
  mul,
  setDevice,
  square,
  sub,
  sum,
  type Tensor,
  tensor,
  type Variable,
  variable,
} from '../../lib/index.js'
import type { LayerClass } from '../../lib/layers/declare.js'
import type { AnyLayer, LayerOptions } from '../../lib/layers/layer.js'
import { layerFromJson, layerToJson, type LayerJson } from '../../lib/layers/serialize.js'
import { type DType, sizeOf } from '../../lib/core/spec.js'
import { generator } from '../expect.js'

/**
 * What becomes of a mask [batch, time]: passed on, dropped, used up, merged from all inputs; 'none': inputs have no
 * time axis.
 */
export type MaskRule = 'passes' | 'drops' | 'uses' | 'merges' | 'none'

export interface LayerRow {
  /** The factory in `layers`. */
  factory: string
  /** Says which options, where a factory has several rows. */
  name?: string
  make: (options: LayerOptions) => AnyLayer
  /** Shape of the input, or shapes of the inputs, batch included. */
  input: readonly number[] | readonly (readonly number[])[]
  mask: MaskRule
  /** Computes something else while training. */
  stochastic?: boolean
  /** false: a layer of functions, which has no JSON. */
  saves?: boolean
  /** Classes of the user's that loading needs. */
  classes?: Readonly<Record<string, LayerClass>>
}

export interface CheckedLayer {
  gradient: boolean
  trainingStep: boolean
  mask: MaskRule
  saveLoad: boolean | 'not saveable'
}

/** Results of the rows run so far, by factory. */
export const checked: Map<string, CheckedLayer[]> = new Map()

const shapesOf = (row: LayerRow): readonly (readonly number[])[] =>
  (Array.isArray(row.input[0]) ? row.input : [row.input]) as readonly (readonly number[])[]

/** Values in ±2, all different by at least 0.01, so that no maximum is tied and no kink is near. */
export function values(shape: readonly number[], seed: number, dtype: DType = 'float32'): Tensor {
  const next = generator(seed)
  const size = sizeOf(shape)
  const order = Array.from({ length: size }, (_, i) => i)
  for (let i = size - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1))
    ;[order[i], order[j]] = [order[j]!, order[i]!]
  }
  const step = 4 / Math.max(1, size)
  return tensor(
    Float64Array.from(order, (k) => -2 + step * (k + 0.5)),
    { shape, dtype },
  )
}

/** The layer's inputs as apply takes them: one, or a list. */
function inputsOf(row: LayerRow, tensors: readonly Tensor[]): Tensor | readonly Tensor[] {
  return Array.isArray(row.input[0]) ? tensors : tensors[0]!
}

const random = (layer: AnyLayer): readonly [string, Variable][] => layer.savedVariables().filter(([name]) => name.endsWith('/randomState'))

/** A scalar that depends on every value of the result with a different weight. */
function objective(y: Tensor): Tensor {
  return sum(mul(y, values(y.shape, 99, y.dtype)))
}

/** Runs the checks of one row as uvu tests. */
export function layerCheck(row: LayerRow): void {
  const title = row.name ? `${row.factory} (${row.name})` : row.factory
  const test = suite(title)
  const result: CheckedLayer = { gradient: false, trainingStep: false, mask: 'none', saveLoad: false }
  checked.set(row.factory, [...(checked.get(row.factory) ?? []), result])
  const fresh = (dtype: DType = 'float32'): Tensor[] => shapesOf(row).map((shape, i) => values(shape, i + 1, dtype))

  test('call gives the shape that computeOutputShape says', async () => {
    const layer = row.make({})
    const free = shapesOf(row).map((shape) => [null, ...shape.slice(1)])
    const expected = layer.computeOutputShape(Array.isArray(row.input[0]) ? free : free[0]!)
    const y = layer.apply(inputsOf(row, fresh())) as Tensor
    assert.is(expected[0], null)
    assert.equal(y.shape.slice(1), expected.slice(1))
    assert.is(y.shape[0], shapesOf(row)[0]![0])
    assert.ok(Array.from((await y.data()) as Float32Array).every(Number.isFinite))
    assert.ok(layer.built)
  })

  test('gradients of inputs and weights agree with finite differences', async () => {
    // only the CPU computes in float64
    const before = device()
    setDevice('cpu')
    try {
      await checkGradients()
    } finally {
      setDevice(before)
    }
    result.gradient = true
  })

  const checkGradients = async (): Promise<void> => {
    const layer = row.make({ dtype: 'float64' })
    const inputs = fresh('float64')
    layer.build(shapesOf(row).length > 1 || Array.isArray(row.input[0]) ? shapesOf(row) : shapesOf(row)[0]!)
    const weights = layer.trainableWeights
    const start = weights.map((w, i) => values(w.shape, 50 + i, 'float64'))
    const states = random(layer).map(([, state]) => ({ state, now: tensor(Int32Array.of(1, 2, 3)) }))
    for (const training of row.stochastic ? [true, false] : [false]) {
      const fn = (...all: Tensor[]): Tensor => {
        weights.forEach((w, i) => w.assign(all[inputs.length + i]!))
        // the same random numbers at every evaluation
        for (const { state, now } of states) state.assign(now)
        return objective(layer.apply(inputsOf(row, all.slice(0, inputs.length)), { training }) as Tensor)
      }
      const { ok, maxError } = await gradCheck(fn, [...inputs, ...start], { tolerance: 1e-5 })
      assert.ok(ok, `training ${training}: largest error ${maxError}`)
    }
  }

  test('one step of gradient descent lowers the loss', async () => {
    const layer = row.make({})
    const x = variable(values(shapesOf(row)[0]!, 1))
    const others = fresh().slice(1)
    layer.build(Array.isArray(row.input[0]) ? shapesOf(row) : shapesOf(row)[0]!)
    const goal = values((layer.apply(inputsOf(row, [x, ...others])) as Tensor).shape, 77)
    const states = random(layer).map(([, state]) => ({ state, now: tensor(Int32Array.of(1, 2, 3)) }))
    const loss = (): Tensor => {
      for (const { state, now } of states) state.assign(now)
      return mean(square(sub(layer.apply(inputsOf(row, [x, ...others]), { training: true }) as Tensor, goal)))
    }
    const step = jit(() => {
      const before = loss()
      // layers without weights learn their input
      const learned = layer.trainableWeights.length > 0 ? layer.trainableWeights : [x]
      gradients(before, learned).forEach((g, i) => learned[i]!.assign(sub(learned[i]!, mul(g, 0.01))))
      return before
    })
    const measure = jit(loss)
    const before = await step().item()
    const after = await measure().item()
    assert.ok(after < before, `${before} became ${after}`)
    result.trainingStep = true
  })

  if (row.mask !== 'none') {
    test(`a mask: ${row.mask}`, async () => {
      const layer = row.make({})
      const inputs = fresh()
      const time = shapesOf(row)[0]![1]!
      const batch = shapesOf(row)[0]![0]!
      const flags = Array.from({ length: batch }, (_, n) => Array.from({ length: time }, (_, t) => t < time - (n % 2)))
      for (const x of inputs) x.mask = tensor(flags)
      const y = layer.apply(inputsOf(row, inputs)) as Tensor
      if (row.mask === 'passes') assert.is(y.mask, inputs[0]!.mask)
      else if (row.mask === 'merges') assert.equal(await y.mask!.array(), flags)
      else assert.is(y.mask, undefined)
      if (row.mask === 'uses') {
        for (const x of inputs) x.mask = undefined
        assert.not.equal(await (layer.apply(inputsOf(row, inputs)) as Tensor).array(), await y.array())
      }
      result.mask = row.mask
    })
  }

  test('save and load give equal outputs', async () => {
    const layer = row.make({})
    const inputs = fresh()
    const y = await (layer.apply(inputsOf(row, inputs)) as Tensor).data()
    if (row.saves === false) {
      assert.throws(
        () => layerToJson(layer),
        (error: { code?: string }) => error.code === 'ERR_ARGUMENT',
      )
      result.saveLoad = 'not saveable'
      return
    }
    const json = JSON.parse(JSON.stringify(layerToJson(layer))) as LayerJson
    const again = layerFromJson(json, { layers: row.classes })
    assert.is(again.className, layer.className)
    assert.equal(
      again.weightPaths().map(([name]) => name),
      layer.weightPaths().map(([name]) => name),
    )
    layer.savedVariables().forEach(([, v], i) => again.savedVariables()[i]![1].assign(v))
    assert.equal(await (again.apply(inputsOf(row, inputs)) as Tensor).data(), y)
    if (row.stochastic) {
      const drawn = await (layer.apply(inputsOf(row, inputs), { training: true }) as Tensor).data()
      assert.equal(await (again.apply(inputsOf(row, inputs), { training: true }) as Tensor).data(), drawn)
    }
    assert.equal(JSON.parse(JSON.stringify(layerToJson(again))), json)
    result.saveLoad = true
  })

  test.run()
}

/** Lines of the table layers × checks. */
export function layerTable(): string[] {
  const yes = (done: boolean): string => (done ? 'yes' : '')
  const rows = [...checked].map(([factory, results]) => {
    const all = (key: 'gradient' | 'trainingStep'): string => yes(results.every((r) => r[key]))
    const masks = [...new Set(results.map((r) => r.mask))].filter((rule) => rule !== 'none').join(', ')
    const saved = results.some((r) => r.saveLoad === 'not saveable') ? 'not saveable' : yes(results.every((r) => r.saveLoad === true))
    return [factory, all('gradient'), all('trainingStep'), masks || 'no time axis', saved]
  })
  const table = [['layer', 'gradient', 'training step', 'mask', 'save/load'], ...rows]
  const widths = table[0]!.map((_, i) => Math.max(...table.map((row) => row[i]!.length)))
  return table.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd(),
  )
}
