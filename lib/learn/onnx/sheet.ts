// The ONNX graph of a classical model that is being written. Values are matrices [rows, columns]; models compute in
// float64 here and there, trees compare float32.
import { tensor } from '../../core/create.js'
import { type Attribute, NodeList } from '../../onnx/export/nodes.js'

/** A matrix in the graph: [rows, columns]. */
export interface Features {
  readonly name: string
  readonly dtype: 'float32' | 'float64'
  readonly columns: number
}

/** An output of the file. */
export interface Output {
  readonly name: 'label' | 'probabilities' | 'scores' | 'prediction' | 'distances' | 'features'
  readonly from: string
  /** Texts, integers or booleans of labels; numbers become float32. */
  readonly dtype: 'string' | 'int64' | 'bool' | 'float32' | 'float64'
  /** undefined: one value for each row, [rows] */
  readonly columns: number | undefined
}

/** What a model makes of its input: columns for the next step where it can be one, outputs where it is the last. */
export interface Made {
  readonly features?: Features
  readonly outputs: readonly Output[]
}

const TYPES = { float32: 1, int64: 7, bool: 9, float64: 11 } as const

export class Sheet {
  readonly nodes: NodeList

  /** @param reserved names of inputs and outputs */
  constructor(opset: number, reserved: readonly string[]) {
    this.nodes = new NodeList(opset, 'cpu', reserved)
  }

  op(op: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    return this.nodes.add(op, inputs, attributes)
  }

  /** Constant float64 values; of shape [columns] by default. */
  constant(name: string, values: ArrayLike<number>, shape: readonly number[] = [values.length]): string {
    const t = tensor(Float64Array.from(values), { shape, dtype: 'float64', device: 'cpu' })
    try {
      return this.nodes.tensor(name, t)
    } finally {
      t.dispose()
    }
  }

  cast(name: string, to: keyof typeof TYPES): string {
    return this.op('Cast', [name], { to: { int: TYPES[to] } })
  }
  /** The values as float64. */
  wide({ name, dtype }: Features): string {
    return dtype === 'float64' ? name : this.cast(name, 'float64')
  }
  /** The values as float32. */
  narrow({ name, dtype }: Features): string {
    return dtype === 'float32' ? name : this.cast(name, 'float32')
  }

  add(a: string, b: string): string {
    return this.op('Add', [a, b])
  }
  sub(a: string, b: string): string {
    return this.op('Sub', [a, b])
  }
  mul(a: string, b: string): string {
    return this.op('Mul', [a, b])
  }
  /** The sums of rows: [rows, 1]. */
  rowSums(x: string): string {
    return this.op('ReduceSum', [x, this.nodes.ints([1])], { keepdims: { int: 1 } })
  }
  /** Columns by their places. */
  gather(x: string, places: readonly number[]): string {
    return this.op('Gather', [x, this.nodes.ints(places)], { axis: { int: 1 } })
  }
  concat(parts: readonly string[]): string {
    return parts.length === 1 ? parts[0]! : this.op('Concat', parts, { axis: { int: 1 } })
  }

  /** x·Wᵀ of a constant W [outputs][columns]: [rows, outputs]. */
  product(x: string, name: string, weights: ArrayLike<number>, columns: number): string {
    const outputs = weights.length / columns
    const turned = Float64Array.from({ length: weights.length }, (_, i) => weights[(i % outputs) * columns + Math.floor(i / outputs)]!)
    return this.op('MatMul', [x, this.constant(name, turned, [columns, outputs])])
  }
  /** x·Wᵀ + b */
  affine(x: string, coef: ArrayLike<number>, intercept: ArrayLike<number>, columns: number): string {
    return this.add(this.product(x, 'coef', coef, columns), this.constant('intercept', intercept))
  }

  /** An output under its name, numbers as float32. */
  finish({ name, from, dtype }: Output): void {
    const number = dtype === 'float64' || dtype === 'float32'
    this.nodes.nodes.push({
      op: number ? 'Cast' : 'Identity',
      name: this.nodes.unique(`to_${name}`),
      inputs: [from],
      outputs: [name],
      attributes: number ? { to: { int: TYPES.float32 } } : {},
    })
  }
}

/** Columns of float64 for the next step, or the only output. */
export const columnsMade = (name: string, columns: number): Made => ({
  features: { name, dtype: 'float64', columns },
  outputs: [{ name: 'features', from: name, dtype: 'float64', columns }],
})
