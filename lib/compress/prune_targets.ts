// Which weights of a model are pruned: matrices that products are made of.
import { tensor } from '../core/create.js'
import { withDevice } from '../core/device.js'
import { WeftError } from '../core/error.js'
import type { Variable } from '../core/tensor.js'
import { variable } from '../core/variable.js'
import { type AnyLayer, Layer } from '../layers/layer.js'
import { isSkipped, storedAs } from '../layers/stored_weights.js'
import type { Weighted } from '../layers/weights.js'
import type { AnyModel } from '../model/model.js'
import type { MatrixPlan } from './masks.js'

export interface Target {
  readonly path: string
  readonly weight: Variable
  readonly plan: MatrixPlan
  /** float32 of the weight's shape: 1 where a value stays. Undefined before the first pruning. */
  readonly mask: Variable
}

/** Ends of the names of matrices that products are made of. */
const MATRIX = /([kK]ernel|weight)$/

/** The matrices of a model that can be pruned. */
export function targetsOf(model: AnyModel, skip: readonly string[]): Target[] {
  const used = new Set<string>()
  const found: Target[] = []
  const seen = new Set<Variable>()
  const visit = (layer: Weighted, path: string): void => {
    const hit = skip.filter((name) => isSkipped(path, name))
    for (const name of hit) used.add(name)
    if (hit.length > 0) return
    const prefix = path === '' ? '' : `${path}.`
    const inner = layer.partPaths()
    const innerNames = inner.map(([name]) => `${name}.`)
    for (const [name, weight] of layer.weightPaths()) {
      if (innerNames.some((start) => name.startsWith(start)) || seen.has(weight)) continue
      const prunable = weight.shape.length >= 2 && MATRIX.test(name) && weight.trainable && weight.dtype === 'float32'
      if (!prunable || storedAs(weight) || /Embedding|Table|Norm/.test((layer as AnyLayer).className)) continue
      seen.add(weight)
      found.push({ path: `${prefix}${name}`, weight, plan: planOf(layer, weight), mask: maskOf(weight) })
    }
    for (const [name, part] of inner) if (part instanceof Layer) visit(part, `${prefix}${name}`)
  }
  visit(model, '')
  const stranger = skip.find((name) => !used.has(name))
  if (stranger !== undefined) throw new WeftError('ERR_ARGUMENT', `prune: skip names '${stranger}', which is no layer of ${model.name}`)
  return found
}

function planOf(layer: Weighted, { shape, size }: Variable): MatrixPlan {
  const config = (layer as AnyLayer).config as { inputsFirst?: boolean }
  const transposed = (layer as AnyLayer).className === 'PretrainedLinear' && !config.inputsFirst
  const outputs = transposed ? shape[0]! : shape.at(-1)!
  return { inputs: outputs === 0 ? 0 : size / outputs, outputs, transposed }
}

const maskOf = (weight: Variable): Variable =>
  withDevice(weight.device, () => {
    const ones = tensor(new Float32Array(weight.size).fill(1), { shape: weight.shape })
    const made = variable(ones, { name: `${weight.name}/mask`, trainable: false })
    ones.dispose()
    return made
  })
