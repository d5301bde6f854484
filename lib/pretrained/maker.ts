// PartMaker: makes the parts of a loaded model under the names of their modules, and keeps them in order.
import type { DType, Shape } from '../core/spec.js'
import { Dropout } from '../layers/dropout.js'
import type { AnyLayer } from '../layers/layer.js'
import { Linear, Norm, Table, Values } from './parts.js'

export class PartMaker {
  readonly layers: AnyLayer[] = []
  private readonly storage: DType

  constructor(storage: DType) {
    this.storage = storage
  }

  linear(name: string, inputs: number, outputs: number, bias: boolean, inputsFirst = false): Linear {
    return this.kept(new Linear({ name, storage: this.storage, inputs, outputs, bias, inputsFirst }))
  }
  table(name: string, rows: number, width: number): Table {
    return this.kept(new Table({ name, storage: this.storage, rows, width }))
  }
  norm(name: string, width: number, kind: 'layer' | 'rms', epsilon: number, plusOne = false): Norm {
    return this.kept(new Norm({ name, storage: this.storage, width, kind, epsilon, plusOne }))
  }
  values(name: string, shapes: Readonly<Record<string, Shape>>): Values {
    return this.kept(new Values({ name, storage: this.storage, shapes }))
  }
  /** undefined where nothing is dropped. */
  dropout(name: string, rate: number): Dropout | undefined {
    if (rate === 0) return undefined
    const made = this.kept(new Dropout({ name, rate }))
    made.build([null])
    return made
  }

  private kept<L extends AnyLayer>(layer: L): L {
    this.layers.push(layer)
    return layer
  }
}
