// Integrated gradients of ids: the part of each word in an output, over the way of its vector from a baseline.
import { tensor } from '../core/create.js'
import { WeftError } from '../core/error.js'
import { gradients } from '../core/grad.js'
import { jit } from '../core/jit.js'
import { Tensor } from '../core/tensor.js'
import { tidy } from '../core/tidy.js'
import type { AnyLayer } from '../layers/layer.js'
import type { AnyModel } from '../model/model.js'
import { type Samples, targetsOf } from '../learn/report/predictor.js'
import { add, concat, mul, slice, sub } from '../ops/index.js'
import { embeddedOf, idsOf } from './embedded.js'
import { pickOf } from './gradient.js'
import type { IntegratedGradients } from './integrated_gradients.js'

const [FIRST, MOST, TOLERANCE] = [32, 4096, 1e-3]

/** @param baseline undefined: vectors of zeros; ids [time]: their vectors */
export async function wordGradients(
  what: string,
  net: AnyModel,
  embedding: AnyLayer,
  samples: Samples,
  baseline: readonly number[] | undefined,
  target: number | readonly number[] | undefined,
  given: number | undefined,
  batchSize: number,
): Promise<IntegratedGradients> {
  const { x, own } = idsOf(what, samples, net.device)
  const { vectors, outputs } = embeddedOf(what, net, embedding)
  const [n, time] = x.shape as unknown as [number, number]
  const embed = jit((ids: Tensor) => vectors(ids))
  const ask = jit((ids: Tensor, points: Tensor) => outputs(ids, points))
  const slope = jit((ids: Tensor, points: Tensor, pick: Tensor) => gradients(outputs(ids, points).mul(pick).sum(), [points])[0]!)
  const parts: Tensor[] = []
  const chosen: number[] = []
  let [error, used] = [0, 0]
  const read = async (t: Tensor): Promise<Float32Array> => {
    const data = (await t.data()) as Float32Array
    t.dispose()
    return data
  }
  try {
    if (baseline !== undefined && baseline.length !== time)
      throw new WeftError('ERR_SHAPE', `${what}: the baseline has ${baseline.length} ids, the samples ${time}`, {
        hint: 'Give ids of one sample',
      })
    for (let from = 0; from < n; from += batchSize) {
      const count = Math.min(batchSize, n - from)
      const ids = slice(x, [from, 0], [count, time])
      const full = embed(ids)
      const base = tidy(() => {
        if (baseline === undefined) return mul(full, 0)
        return embed(
          tensor(
            Int32Array.from({ length: count * time }, (_, i) => baseline[i % time]!),
            { shape: [count, time], device: x.device },
          ),
        )
      })
      const found = ask(ids, full)
      const columns = found.shape[1]!
      const [high, low] = [await read(found), await read(ask(ids, base))]
      const known = { data: Float64Array.from(high), rows: count, columns }
      const targets = targetsOf(what, known, typeof target === 'object' ? target.slice(from, from + count) : target)
      chosen.push(...targets)
      const pick = pickOf(targets, columns, x.device)
      const expected = Array.from(targets, (at, row) => high[row * columns + at]! - low[row * columns + at]!)
      for (let steps = given ?? FIRST; ; steps *= 2) {
        const words = tidy(() => {
          const way = sub(full, base)
          let sum: Tensor | undefined
          for (let i = 0; i < steps; i++) {
            const next = tidy(() => {
              const one = slope(ids, add(base, mul(way, tensor([(i + 0.5) / steps], { device: x.device }))), pick)
              return sum ? add(sum, one) : one
            })
            sum?.dispose()
            sum = next
          }
          return mul(way, mul(sum!, 1 / steps)).sum(-1)
        })
        const data = (await words.data()) as Float32Array
        const errors = expected.map((value, row) =>
          Math.abs(data.subarray(row * time, (row + 1) * time).reduce((so, one) => so + one, 0) - value),
        )
        const bad = errors.some((one, row) => !(one <= TOLERANCE * Math.max(1, Math.abs(expected[row]!))))
        if (given === undefined && bad && steps < MOST) {
          words.dispose()
          continue
        }
        parts.push(words)
        error = errors.reduce((most, one) => (Number.isNaN(one) || one > most ? one : most), error)
        used = Math.max(used, steps)
        break
      }
      for (const t of [ids, full, base, pick]) t.dispose()
    }
    const attributions = parts.length === 1 ? parts.pop()! : concat(parts, 0)
    return { attributions, error, targets: chosen, steps: used }
  } finally {
    for (const part of parts) part.dispose()
    for (const fn of [embed, ask, slope]) fn.dispose()
    if (own) x.dispose()
  }
}
