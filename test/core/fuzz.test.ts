// Random graphs: what a traced program gives (planner, in-place, merging, state) equals what the same calls give one by
// one.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { jit, tensor, type Tensor, variable } from '../../lib/index.js'
import { generator, values } from '../expect.js'

const shapes = [[6, 7], [7], [6, 1], [1, 1], []]

/** A random composition of pointwise ops, sums, products, reshapes and transposes. */
function compose(random: () => number, inputs: readonly Tensor[], length: number): Tensor[] {
  const pool = [...inputs]
  const pick = (): Tensor => pool[Math.floor(random() * pool.length)]!
  for (let i = 0; i < length; i++) {
    const a = pick()
    const b = pick()
    const made = [
      () => a.add(b),
      () => a.sub(b).mul(0.5),
      () => a.mul(b).tanh(),
      () => a.tanh(),
      () => a.relu(),
      () => (a.rank > 0 ? a.sum(-1, { keepDims: true }).mul(0.1) : a.sigmoid()),
      () => a.reshape([a.size]).reshape(a.shape),
      () => (a.rank === 2 ? a.transpose().mul(2).transpose() : a.neg()),
      () => (a.rank === 2 ? a.slice([0, 0], [a.shape[0]!, 1]).add(b) : a.abs()),
      () => a.maximum(b),
    ][Math.floor(random() * 10)]!
    try {
      pool.push(made())
    } catch (error) {
      if ((error as { code?: string }).code !== 'ERR_SHAPE') throw error
    }
  }
  return pool.slice(-4)
}

test('200 random programs give the bits that single calls give', async () => {
  for (let seed = 0; seed < 200; seed++) {
    const random = generator(seed)
    const inputs = shapes.map((shape) =>
      tensor(
        Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random() * 2 - 1),
        shape,
      ),
    )
    const program = jit((...x: Tensor[]) => compose(generator(seed + 1000), x, 30))
    const expected = compose(generator(seed + 1000), inputs, 30)
    for (let run = 0; run < 2; run++) {
      const got = program(...inputs)
      for (const [i, t] of got.entries()) assert.equal(await values(t), await values(expected[i]!), `seed ${seed}, output ${i}`)
    }
    program.dispose()
  }
})

test('random programs with state', async () => {
  for (let seed = 0; seed < 50; seed++) {
    const initial = [
      [1, 2, 3],
      [0.5, 0.25, -1],
    ]
    const traced = initial.map((v) => variable(v))
    const single = initial.map((v) => variable(v))
    const body = (state: typeof traced, x: Tensor): Tensor[] => {
      const random = generator(seed)
      const out: Tensor[] = []
      for (let i = 0; i < 8; i++) {
        const a = state[Math.floor(random() * 2)]!
        const b = state[Math.floor(random() * 2)]!
        if (random() < 0.5) a.assign(b.mul(0.5).add(x))
        else out.push(a.sub(b.tanh()).mul(x))
        if (random() < 0.2) a.assign(b)
      }
      return out
    }
    const step = jit((x: Tensor) => body(traced, x))
    for (let run = 0; run < 3; run++) {
      const x = tensor([run, 1, -1])
      const got = step(x)
      const expected = body(single, x)
      for (const [i, t] of got.entries()) assert.equal(await values(t), await values(expected[i]!), `seed ${seed}, run ${run}`)
      for (const i of [0, 1]) assert.equal(await values(traced[i]!), await values(single[i]!), `seed ${seed}, run ${run}, state ${i}`)
    }
    step.dispose()
  }
})

test.run()
