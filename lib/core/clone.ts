// Clones: structuredClone() and postMessage() must not copy the insides of a tensor or a layer, which mean nothing
// elsewhere.
import { WeftError } from './error.js'

const HINT =
  'Send the values and the shape: { data: await t.data(), shape: [...t.shape] }, and make the tensor again with tensor(data, shape)'

/** What objects hold that refuse to be copied. */
export class Uncloneable {
  constructor(what: string, hint: string) {
    refuseClones(this, what, hint)
  }
}

/**
 * Marks an object that tensors hold: an algorithm that copies property by property meets an error that names the cure.
 */
export function refuseClones(held: object, what = 'a tensor', hint: string = HINT): void {
  Object.defineProperty(held, 'insides', {
    enumerable: true,
    get(): never {
      throw new WeftError('ERR_ARGUMENT', `${what} cannot be copied by structuredClone() or postMessage()`, { hint })
    },
  })
}
