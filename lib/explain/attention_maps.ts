// attentionMaps: where each head of a network's attention looks.
import { integer } from '../core/checks.js'
import { WeftError } from '../core/error.js'
import { orderCalls } from '../core/graph.js'
import { jit } from '../core/jit.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import { isTensor, leavesOf, mapTree } from '../core/tree.js'
import { freeOwned, type ModelData, toColumns, type Tree } from '../model/feed.js'
import { type AnyModel, Model } from '../model/model.js'
import { Attention, attentionWeights } from '../ops/attention.js'
import { concat, slice } from '../ops/index.js'

export interface AttentionMapsOptions {
  /** Samples at a time. Default 16. */
  batchSize?: number
}
const OPTIONS: OptionTable<AttentionMapsOptions> = { batchSize: 'integer' }

export interface AttentionMap {
  /** Name of the layer; of a model without layers inside, its own. */
  layer: string
  /** [samples, heads, queries, keys]: the share of each key in what a query becomes; a row adds up to 1. */
  weights: Tensor
}

/**
 * The weights of every attention in a network, in the order in which they are computed: of attention layers,
 * transformer layers, gpt(), bert() and models of loadPretrained(). Weights are those of inference, without dropout. A
 * query that may look at nothing has zeros. ERR_ARGUMENT for a network without attention.
 * @param x what the network takes: a Tensor, or a list or record of them
 */
export async function attentionMaps(net: AnyModel, x: ModelData, options: AttentionMapsOptions = {}): Promise<AttentionMap[]> {
  const what = 'attentionMaps'
  checkCall(`${what}(net, x, options)`, arguments, OPTIONS)
  if (!(net instanceof Model)) throw new WeftError('ERR_ARGUMENT', `${what}: expected a network, got ${show(net)}`)
  const size = integer(what, 'batchSize', options.batchSize ?? 16, 1)
  let names: string[] = []
  const look = jit((input: Tree) => {
    const outputs = (net as unknown as { apply(x: Tree, options: object): Tree }).apply(input, { training: false })
    const calls = orderCalls(leavesOf(outputs, isTensor)).filter(({ op }) => op.name === Attention.name)
    names = calls.map(({ layer }) => layer ?? net.name)
    return calls.map(({ inputs, attrs }) => attentionWeights(inputs, attrs as never))
  })
  const owned: Tensor[] = []
  const parts: Tensor[][] = []
  try {
    const { x: inputs, rows } = toColumns(net.forms, x, undefined, undefined, owned)
    if (rows === 0) throw new WeftError('ERR_SHAPE', `${what}: there are no samples`)
    for (let from = 0; from < rows; from += size) {
      const count = Math.min(size, rows - from)
      const batch = mapTree(inputs, (t) => slice(t as Tensor, [from], [count])) as Tree
      const found = look(batch)
      for (const t of leavesOf(batch, isTensor)) t.dispose()
      if (found.length === 0)
        throw new WeftError('ERR_ARGUMENT', `${what}: ${net.name} has no attention that its outputs depend on`, {
          hint: 'Attention with capped scores (Gemma 2) is not looked into',
        })
      parts.push(found)
    }
    return names.map((layer, i) => {
      const all = parts.map((found) => found[i]!)
      return { layer, weights: all.length === 1 ? all[0]! : concat(all, 0) }
    })
  } finally {
    if (parts.length > 1) freeOwned(parts.flat())
    freeOwned(owned)
    look.dispose()
  }
}
