// A line y = w·x + b as a model, and its training steps in float64 beside it.
import type { MetricLike } from '../../lib/metrics/index.js'
import { layers, optimizers, sequential } from '../../lib/index.js'

export type Net = ReturnType<typeof sequential>
export const values = async (net: Net): Promise<number[]> =>
  (await Promise.all(net.weights.map((w) => w.data()))).flatMap((data) => Array.from(data as Float32Array))

/** y = w·x + b with given weights, trained with plain sgd. */
export function line(
  options: { learningRate?: number; w?: number; b?: number; metrics?: MetricLike[]; kernelRegularizer?: unknown } = {},
): Net {
  const { learningRate = 0.1, w = 2, b = -1, metrics = ['mae'], kernelRegularizer } = options
  const net = sequential([
    layers.dense({ units: 1, inputShape: [1], ...(kernelRegularizer ? { kernelRegularizer: kernelRegularizer as never } : {}) }),
  ])
  net.setWeights([[[w]], [b]])
  net.compile({ optimizer: optimizers.sgd({ learningRate }), loss: 'mse', metrics })
  return net
}

/** The same in float64: one step on rows, with weights. */
export function stepLine(
  state: { w: number; b: number },
  x: number[],
  y: number[],
  learningRate: number,
  weights: number[] = x.map(() => 1),
): { loss: number; mae: number } {
  const n = x.length
  const errors = x.map((value, i) => state.w * value + state.b - y[i]!)
  const loss = errors.reduce((sum, e, i) => sum + weights[i]! * e * e, 0) / n
  const mae = errors.reduce((sum, e, i) => sum + weights[i]! * Math.abs(e), 0)
  const gw = errors.reduce((sum, e, i) => sum + weights[i]! * 2 * e * x[i]!, 0) / n
  const gb = errors.reduce((sum, e, i) => sum + weights[i]! * 2 * e, 0) / n
  state.w -= learningRate * gw
  state.b -= learningRate * gb
  return { loss, mae }
}
