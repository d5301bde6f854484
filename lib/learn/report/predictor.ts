// Predictor: any model as a function from rows to numbers: a network, a model of weftjs/learn, or a function of the
// user's own.
import { tensor } from '../../core/create.js'
import type { TypedArray } from '../../core/host.js'
import { WeftError } from '../../core/error.js'
import { show } from '../../core/options.js'
import { isFloat } from '../../core/spec.js'
import { Tensor } from '../../core/tensor.js'
import { isShaped, type ShapedArray } from '../../data/host.js'
import { type AnyModel, Model } from '../../model/model.js'
import { cast } from '../../ops/index.js'
import type { Label } from '../matrix.js'
import { isClassifier, tellsProbabilities } from '../selection/cross_validation.js'

/** Rows of numbers that a network or a model of weftjs/learn takes. */
export type Samples = Tensor | ShapedArray | TypedArray | readonly unknown[]
/** A network, a model of weftjs/learn, or a function. */
export type AnyPredictor =
  | AnyModel
  | { predict(x: never): Promise<unknown> }
  | ((x: Tensor) => Tensor | Promise<Tensor | readonly unknown[]>)

/** Outputs of rows, row-major. */
export interface Outputs {
  readonly data: Float64Array
  readonly rows: number
  readonly columns: number
}

export interface Predictor {
  /** What the outputs are: probabilities of the classes, a decision value, predictions, or what a network gives. */
  readonly output: 'probability' | 'decision' | 'prediction' | 'output'
  /** Classes of the outputs, where they are known. */
  readonly classes: readonly Label[] | undefined
  predict(x: Tensor): Promise<Outputs>
  /** The outputs of rows in float64: models of weftjs/learn read them as they are, networks as float32. */
  predictRows(data: Float64Array, columns: number): Promise<Outputs>
}

/** A predictor that reads Tensors alone. */
function ofTensors(predict: (x: Tensor) => Promise<Outputs>): Pick<Predictor, 'output' | 'classes' | 'predict' | 'predictRows'> {
  return {
    output: 'output',
    classes: undefined,
    predict,
    async predictRows(data, columns) {
      const x = tensor(Float32Array.from(data), { shape: [data.length / columns, columns] })
      try {
        return await predict(x)
      } finally {
        x.dispose()
      }
    },
  }
}

/** The samples as a Tensor; `own` says whether it was made here, and must be disposed. */
export function tensorOf(what: string, x: Samples, device?: string): { x: Tensor; own: boolean } {
  const where = device === undefined ? {} : { device }
  if (x instanceof Tensor) {
    if (x.rank === 0) throw new WeftError('ERR_SHAPE', `${what}: x is a scalar, rows of samples are expected`)
    return { x, own: false }
  }
  if (isShaped(x)) return { x: tensor(x.data as TypedArray, { shape: x.shape, ...where }), own: true }
  if (Array.isArray(x) || ArrayBuffer.isView(x)) return { x: tensor(x as number[], where), own: true }
  throw new WeftError('ERR_ARGUMENT', `${what}: x is ${show(x)}`, { hint: 'Give a Tensor, nested arrays, or { data, shape }' })
}

/** The samples as floats on a device. Dispose them where `own`. */
export function floatsOf(what: string, x: Samples, device?: string): { x: Tensor; own: boolean } {
  const made = tensorOf(what, x, device)
  if (isFloat(made.x.dtype)) return made
  const floats = cast(made.x, 'float32')
  if (made.own) made.x.dispose()
  return { x: floats, own: true }
}

/** The numbers that a model gives for `expected` rows. ERR_SHAPE for another number of rows. */
async function outputsOf(what: string, found: unknown, expected?: number): Promise<Outputs> {
  const outputs = await numbersOf(what, found)
  if (expected !== undefined && outputs.rows !== expected)
    throw new WeftError('ERR_SHAPE', `${what}: the model gives ${outputs.rows} rows for ${expected}`)
  return outputs
}

async function numbersOf(what: string, found: unknown): Promise<Outputs> {
  if (found instanceof Tensor) {
    if (found.rank === 0 || found.rank > 2)
      throw new WeftError('ERR_SHAPE', `${what}: the model gives shape [${found.shape}], [rows] or [rows, outputs] is expected`)
    const data = Float64Array.from((await found.data()) as Float32Array)
    const [rows, columns] = [found.shape[0]!, found.shape[1] ?? 1]
    found.dispose()
    return { data, rows, columns }
  }
  if ((Array.isArray(found) || ArrayBuffer.isView(found)) && (found as unknown[]).length > 0) {
    const list = Array.from(found as ArrayLike<unknown>)
    const columns = typeof list[0] === 'number' ? 1 : (list[0] as ArrayLike<number>).length
    const data = Float64Array.from(list.flatMap((row) => (typeof row === 'number' ? [row] : Array.from(row as ArrayLike<number>))))
    if (columns > 0 && data.length === list.length * columns && data.every((value) => !Number.isNaN(value)))
      return { data, rows: list.length, columns }
  }
  throw new WeftError('ERR_DATA', `${what}: the model gives ${show(found)}, numbers are expected`)
}

/** The model as a function of rows. ERR_ARGUMENT for what is none. */
export function predictorOf(what: string, model: unknown): Predictor {
  if (model instanceof Model) {
    if (model.outputNames.length !== 1)
      throw new WeftError('ERR_ARGUMENT', `${what}: the model has ${model.outputNames.length} outputs, one is expected`)
    return ofTensors(async (x) => outputsOf(what, await (model as unknown as { predict(x: Tensor): Promise<unknown> }).predict(x)))
  }
  const own = model as {
    predict?(x: unknown): Promise<unknown>
    predictProba?(x: unknown): Promise<unknown>
    decisionFunction?(x: unknown): Promise<unknown>
    classes?: readonly Label[]
  } | null
  if (typeof model === 'function') {
    const call = model as (x: Tensor) => unknown
    return ofTensors(async (x) => outputsOf(what, await call(x), x.shape[0]))
  }
  if (typeof own !== 'object' || own === null || typeof own.predict !== 'function')
    throw new WeftError('ERR_ARGUMENT', `${what}: expected a network, a model of weftjs/learn or a function, got ${show(model)}`)
  const classes = isClassifier(own) ? own.classes : undefined
  const ofModel = (output: Predictor['output'], call: (x: unknown) => Promise<unknown>): Predictor => ({
    output,
    classes,
    predict: async (x) => outputsOf(what, await call(x)),
    predictRows: async (data, columns) =>
      outputsOf(what, await call({ data, shape: [data.length / columns, columns] }), data.length / columns),
  })
  if (classes && tellsProbabilities(own)) return ofModel('probability', (x) => own.predictProba!(x))
  if (classes && typeof own.decisionFunction === 'function') return ofModel('decision', (x) => own.decisionFunction!(x))
  return ofModel('prediction', (x) => own.predict!(x))
}

/** The place of the largest output of each row; of one output 0. */
export function topOutputs({ data, rows, columns }: Outputs): Int32Array {
  return Int32Array.from({ length: rows }, (_, row) => {
    let best = 0
    for (let i = 1; i < columns; i++) if (data[row * columns + i]! > data[row * columns + best]!) best = i
    return best
  })
}

/** The output that is explained of each row: `target`, one for all or one each; default the largest. */
export function targetsOf(what: string, outputs: Outputs, target: number | readonly number[] | undefined): Int32Array {
  const { rows, columns } = outputs
  if (target === undefined) return topOutputs(outputs)
  const list = typeof target === 'number' ? new Array<number>(rows).fill(target) : [...target]
  if (list.length !== rows) throw new WeftError('ERR_SHAPE', `${what}: ${list.length} targets for ${rows} samples`)
  const bad = list.find((at) => !(Number.isInteger(at) && at >= 0 && at < columns))
  if (bad !== undefined) throw new WeftError('ERR_ARGUMENT', `${what}: target ${bad} is none of the outputs 0 to ${columns - 1}`)
  return Int32Array.from(list)
}
