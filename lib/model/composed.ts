// ComposedModel: what models made of layers have in common: finding layers, the summary, masks that pass through.
import { unknownName, WeftError } from '../core/error.js'
import { checkCall } from '../core/options.js'
import { shownAs } from '../core/shown.js'
import { markSeeing } from '../layers/context.js'
import type { AnyLayer, LayerOptions } from '../layers/layer.js'
import { nameLayers } from '../layers/names.js'
import type { Weighted } from '../layers/weights.js'
import type { Tensor } from '../core/tensor.js'
import { type AnyModel, Model } from './model.js'
import { SUMMARY_OPTIONS, type SummaryOptions, type SummaryRow, summaryLines } from './summary.js'

// biome-ignore lint/suspicious/noExplicitAny: models of all inputs and results
type AnyComposed = ComposedModel<any, any, any>

/** The outermost model that a model is a layer of. */
const holders = new WeakMap<AnyComposed, WeakRef<AnyComposed>>()

export abstract class ComposedModel<C extends object = LayerOptions, I = Tensor, O = Tensor> extends Model<C, I, O> {
  // layers inside cast their own inputs and carry masks
  protected override readonly castsInputs: boolean = false

  override get sublayers(): readonly AnyLayer[] {
    return this.layers
  }

  /** @internal Layers of a model are known by their names. */
  override partPaths(): readonly (readonly [string, Weighted])[] {
    return this.layers.map((layer) => [layer.name, layer])
  }

  /** Gives the layers their names in this model. ERR_ARGUMENT when two of them were given the same one. */
  protected nameLayers(): void {
    nameLayers(this, this.layers)
    const names = new Set<string>()
    for (const { name } of this.layers) {
      if (names.has(name)) throw this.error('ERR_ARGUMENT', `two layers are named '${name}'`, [], 'Names are unique in a model')
      names.add(name)
    }
  }

  /**
   * Names the weights by their paths, as in 'block0/selfAttention/queryKernel', from the outermost model that holds
   * this one.
   */
  protected nameWeights(): void {
    const outer = holders.get(this)?.deref()
    if (outer?.holds(this)) {
      outer.nameWeights()
      return
    }
    for (const [path, weight] of this.weightPaths()) (weight as { name: string }).name = path.replaceAll('.', '/')
    const visit = (layer: Weighted): void => {
      for (const inner of layer.sublayers) {
        if (inner instanceof ComposedModel) holders.set(inner, new WeakRef<AnyComposed>(this))
        visit(inner)
      }
    }
    visit(this)
  }

  protected override afterBuild(): void {
    this.nameWeights()
  }

  /** @internal */
  protected abstract summaryRows(): SummaryRow[]

  protected override readsMask(): boolean {
    return true
  }

  override getLayer(which: string | number): AnyLayer {
    return layerOf(this, which)
  }

  override summary(options: SummaryOptions = {}): void {
    checkCall('summary(options)', arguments, SUMMARY_OPTIONS)
    const print = options.print ?? ((line: string): void => console.log(line))
    for (const line of summaryLines(this, this.summaryRows())) print(line)
  }
}

/** @internal The layer of a model with a name or at a place. */
export function layerOf(net: AnyModel, which: string | number): AnyLayer {
  if (typeof which === 'number') {
    const layer = net.layers.at(which)
    if (layer) return layer
    throw new WeftError('ERR_ARGUMENT', `${net.name}: there is no layer ${which}, the model has ${net.layers.length}`)
  }
  const layer = net.layers.find(({ name }) => name === which)
  if (layer) return layer
  throw unknownName(
    `layer of ${net.name}`,
    which,
    net.layers.map(({ name }) => name),
  )
}

/** @internal What console.log() shows of a model: its summary. */
export function textOf(net: AnyModel): string {
  const lines: string[] = []
  net.summary({ print: (line) => lines.push(line) })
  return lines.join('\n')
}

shownAs(ComposedModel.prototype, textOf, 'await net.save(folder), or net.exportOnnx(file)')

// what stands between the layers of a functional model warns by itself
markSeeing(ComposedModel)
