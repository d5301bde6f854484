// Embedded inputs: ids have no gradients, what an embedding makes of them has. The layer's result is put in from
// outside.
import { WeftError } from '../core/error.js'
import { isFloat } from '../core/spec.js'
import { Tensor } from '../core/tensor.js'
import type { AnyLayer } from '../layers/layer.js'
import { Model } from '../model/model.js'
import { tensorOf, type Samples } from '../learn/report/predictor.js'
import { cast } from '../ops/index.js'
import { forwardOf } from './gradient.js'

/** The embedding that reads the ids of a network; undefined for another first layer. */
export function embeddingOf(net: unknown): AnyLayer | undefined {
  if (!(net instanceof Model)) return undefined
  const layers = net.layers.filter((layer) => layer.className !== 'InputLayer')
  return layers[0]?.className === 'Embedding' ? layers[0] : undefined
}

/** Ids [samples, time] as int32; `own` says whether they were made here. */
export function idsOf(what: string, x: Samples, device: string): { x: Tensor; own: boolean } {
  const made = tensorOf(what, x, device)
  if (made.x.rank !== 2)
    throw new WeftError('ERR_SHAPE', `${what}: the network begins with an embedding, ids are [samples, time], got [${made.x.shape}]`)
  if (made.x.dtype === 'int32') return made
  const ids = cast(made.x, 'int32')
  if (made.own) made.x.dispose()
  return { x: ids, own: true }
}

export interface Embedded {
  /** What the embedding makes of ids: [samples, time, units]. */
  vectors(ids: Tensor): Tensor
  /** The outputs, with vectors in place of those of the ids; the ids still say which steps are data. */
  outputs(ids: Tensor, vectors: Tensor): Tensor
}

/** The network from behind its embedding. To be called while a function is recorded. */
export function embeddedOf(what: string, net: unknown, embedding: AnyLayer): Embedded {
  const forward = forwardOf(what, net)
  const hooked = (ids: Tensor, replace: (found: Tensor) => Tensor): Tensor => {
    const call = embedding.call as (...args: unknown[]) => unknown
    embedding.call = (...args: unknown[]) => {
      const found = call.apply(embedding, args)
      if (!(found instanceof Tensor) || !isFloat(found.dtype))
        throw new WeftError('ERR_DTYPE', `${what}: ${embedding.name} gives no floats`)
      return replace(found)
    }
    try {
      return forward(ids)
    } finally {
      // the method of the class again
      Reflect.deleteProperty(embedding, 'call')
    }
  }
  return {
    vectors(ids) {
      let made: Tensor | undefined
      hooked(ids, (found) => (made = found))
      return made!
    },
    outputs: (ids, vectors) =>
      hooked(ids, (found) => {
        // a Tensor of its own, as the mask is set on it
        const put = vectors.reshape(vectors.shape)
        put.mask = found.mask
        return put
      }),
  }
}
