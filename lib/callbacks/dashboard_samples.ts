// What the dashboard shows of weights, and of samples: predictions and gradients.
import { jit, type JitFunction } from '../core/jit.js'
import { gradients } from '../core/grad.js'
import { WeftError } from '../core/error.js'
import { Tensor } from '../core/tensor.js'
import { slice } from '../ops/index.js'
import { freeOwned, leaves, type ModelData, toColumns, type Tree } from '../model/feed.js'
import type { AnyModel } from '../model/model.js'
import { type Batch, forward } from '../model/pass.js'
import { mapTree } from '../core/tree.js'
import { histogramOf } from './histogram.js'
import type { ShownSample, WeightHistograms } from './dashboard_state.js'

/** Samples that are shown, and values of a row of a table. */
const [MOST_SAMPLES, MOST_VALUES, MOST_OUTPUTS] = [32, 12, 3]
/** Values that a histogram is made of: of larger weights every so many. */
const MOST_COUNTED = 200_000

async function bucketsOf(name: string, t: Tensor): Promise<WeightHistograms> {
  const data = await t.data()
  const stride = Math.ceil(data.length / MOST_COUNTED)
  const values = Float64Array.from({ length: Math.ceil(data.length / stride) }, (_, i) => Number(data[i * stride]))
  const found = histogramOf(values, 40)
  if (!found) return { name }
  const { min, max, counts, sum, count } = found
  return { name, buckets: { min, max, mean: sum / count, counts } }
}

const nameOf = (layer: string, weight: string, place: number): string =>
  weight.startsWith(`${layer}/`) ? weight : `${layer}/${weight === 'variable' ? place : weight}`

/** How the weights of a model lie. */
export async function weightHistograms(model: AnyModel): Promise<WeightHistograms[]> {
  const found: WeightHistograms[] = []
  for (const layer of model.layers)
    for (const [i, weight] of layer.weights.entries()) found.push(await bucketsOf(nameOf(layer.name, weight.name, i), weight))
  return found
}

export class Samples {
  shown: ShownSample[] = []
  gradients: WeightHistograms[] = []
  private readonly model: AnyModel
  private readonly classNames: readonly string[] | undefined
  private readonly x: Tree
  private readonly y: Tree | undefined
  private readonly owned: Tensor[] = []
  private program: JitFunction<[Batch], Tensor[]> | undefined

  constructor(model: AnyModel, { x, y }: { readonly x: ModelData; readonly y?: ModelData }, classNames: readonly string[] | undefined) {
    this.model = model
    this.classNames = classNames
    const given: Tensor[] = []
    const columns = toColumns(model.forms, x, y, undefined, given)
    const count = Math.min(columns.rows, MOST_SAMPLES)
    if (count === 0) throw new WeftError('ERR_SHAPE', 'callbacks.dashboard: there are no samples')
    const first = (tree: Tree): Tree =>
      mapTree(tree, (t) => {
        const part = slice(t as Tensor, [0], [count])
        this.owned.push(part)
        return part
      }) as Tree
    this.x = first(columns.x)
    this.y = columns.y === undefined ? undefined : first(columns.y)
    freeOwned(given)
  }

  /** Looks at the model as it is now. */
  async look(): Promise<void> {
    const outputs = (await this.model.predict(this.x as never)) as Tree
    const [[, prediction]] = leaves('output', outputs) as [[string, Tensor]]
    const [[, x]] = leaves('x', this.x) as [[string, Tensor]]
    const y = this.y === undefined ? undefined : leaves('y', this.y)[0]![1]
    this.shown = await shownOf(x, y, prediction, this.classNames)
    for (const [, t] of leaves('output', outputs)) t.dispose()
    if (y !== undefined) this.gradients = await this.slopes()
  }

  /** Gradients of the loss of the samples, without dropout and the like. */
  private async slopes(): Promise<WeightHistograms[]> {
    const { model } = this
    const weights = model.trainableWeights
    if (weights.length === 0) return []
    const objective = model.compiled
    this.program ??= jit((batch: Batch) => gradients(forward(model, objective, batch, false).loss, model.trainableWeights), {
      precision: objective.precision,
    })
    const found = this.program({ x: this.x, y: this.y, sampleWeight: undefined })
    const names = model.layers.flatMap((layer) => layer.trainableWeights.map((weight, i) => nameOf(layer.name, weight.name, i)))
    const histograms: WeightHistograms[] = []
    for (const [i, t] of found.entries()) {
      histograms.push(await bucketsOf(names[i] ?? String(i), t))
      t.dispose()
    }
    return histograms
  }

  dispose(): void {
    this.program?.dispose()
    freeOwned(this.owned)
  }
}

async function shownOf(x: Tensor, y: Tensor | undefined, prediction: Tensor, names: readonly string[] | undefined): Promise<ShownSample[]> {
  const n = x.shape[0]!
  const [inputs, outputs] = [await x.data(), await prediction.data()]
  const targets = y && (await y.data())
  const [perSample, perOutput, perTarget] = [x.size / n, prediction.size / n, y ? y.size / n : 0]
  const row = (data: ArrayLike<number | bigint>, i: number, size: number): number[] =>
    Array.from({ length: size }, (_, j) => Number(data[i * size + j]))
  const name = (place: number): string => names?.[place] ?? String(place)
  return Array.from({ length: n }, (_, i): ShownSample => {
    const own = row(outputs, i, perOutput)
    const classes = perOutput > 1 && prediction.rank === 2
    const wanted = targets && row(targets, i, perTarget)
    // a class number, or the place of a one-hot row
    const label =
      classes && wanted
        ? perTarget === 1
          ? wanted[0]!
          : perTarget === perOutput
            ? wanted.indexOf(Math.max(...wanted))
            : undefined
        : undefined
    const order = own.map((_, place) => place).sort((a, b) => own[b]! - own[a]!)
    const listed = classes ? order.slice(0, MOST_OUTPUTS) : own.map((_, place) => place).slice(0, MOST_OUTPUTS)
    const target = label !== undefined ? name(label) : wanted?.slice(0, MOST_OUTPUTS).map(short).join(', ')
    const values = row(inputs, i, perSample)
    const picture = pictureOf(values, x.shape.slice(1))
    return {
      ...(picture ? { picture } : { values: values.slice(0, MOST_VALUES) }),
      ...(target === undefined ? {} : { target }),
      outputs: listed.map((place) => ({ name: classes ? name(place) : perOutput > 1 ? String(place) : 'output', value: own[place]! })),
      ...(label === undefined ? {} : { right: order[0] === label }),
    }
  })
}

const short = (value: number): string => String(Number(value.toPrecision(4)))

/** A sample [height, width, 1 or 3] as bytes, its lowest value black and its highest white. */
function pictureOf(values: readonly number[], shape: readonly number[]): ShownSample['picture'] {
  const [height, width, channels = 1] = shape
  if (shape.length < 2 || shape.length > 3 || ![1, 3].includes(channels) || height! < 4 || width! < 4 || height! * width! > 65536)
    return undefined
  const [low, high] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))]
  const rgb = new Uint8Array(height! * width! * 3)
  for (let i = 0; i < rgb.length; i++) {
    const value = values[channels === 3 ? i : Math.floor(i / 3)]!
    rgb[i] = high > low ? Math.round(((value - low) / (high - low)) * 255) : 0
  }
  return { width: width!, height: height!, rgb: Buffer.from(rgb).toString('base64') }
}
