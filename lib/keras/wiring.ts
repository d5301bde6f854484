// Symbolic tensors of a functional model, made by calling its layers as the file says.
import type { DType, DynamicShape } from '../core/spec.js'
import { show } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import { isRecord } from '../core/tree.js'
import { input } from '../model/functional.js'
import * as functions from '../ops/index.js'
import { type Call, format, MODELS, type Part, Reached, type Reference } from './calls.js'
import type { Json } from './layers.js'

/** Functions of keras.ops that stand between layers. */
export const isOperation = ({ module }: Json): boolean => typeof module === 'string' && /(^|\.)ops(\.|$)/.test(module)
export const OPERATIONS: ReadonlyMap<string, (...args: never[]) => Tensor> = new Map(
  Object.entries({
    Add: functions.add,
    Subtract: functions.sub,
    Multiply: functions.mul,
    TrueDivide: functions.div,
    Divide: functions.div,
    Maximum: functions.maximum,
    Minimum: functions.minimum,
    Matmul: functions.matMul,
    Negative: functions.neg,
    Exp: functions.exp,
    Sqrt: functions.sqrt,
    Square: functions.square,
    Absolute: functions.abs,
    Tanh: functions.tanh,
    Sigmoid: functions.sigmoid,
    Relu: functions.relu,
  }),
)

/** The shape of one sample, and its dtype, where a layer says what goes in. */
export function sampleOf(config: Json): { shape: DynamicShape; dtype: DType } | undefined {
  const given = config['batch_input_shape'] ?? config['batch_shape']
  const batch = isRecord(given) && Array.isArray(given['items']) ? given['items'] : given
  if (!Array.isArray(batch)) return undefined
  const isExtent = (n: unknown): boolean => n === null || (Number.isSafeInteger(n) && (n as number) > 0)
  if (batch.length === 0 || batch.length > 16 || !batch.every(isExtent)) throw format(`an input has the shape ${show(batch)}`)
  const { dtype } = config
  return { shape: batch.slice(1) as DynamicShape, dtype: dtype === 'int32' || dtype === 'int64' || dtype === 'bool' ? 'int32' : 'float32' }
}

/** Makes symbolic tensors by calling layers, each call once, what it needs first. */
export class Wiring {
  private readonly byName: ReadonlyMap<string, Part>
  private readonly calls: ReadonlyMap<string, readonly Call[]>
  private readonly made = new Map<string, readonly Tensor[]>()
  /** What models inside count before their first call: themselves. */
  private readonly offsets = new Map<string, number>()

  constructor(byName: ReadonlyMap<string, Part>, calls: ReadonlyMap<string, readonly Call[]>) {
    this.byName = byName
    this.calls = calls
    for (const list of calls.values()) for (const call of list) this.note(call)
  }

  private note(value: unknown): void {
    if (value instanceof Reached) this.noteReference(value.reference)
    else if (Array.isArray(value)) for (const part of value) this.note(part)
    else if (typeof value === 'object' && value !== null) for (const part of Object.values(value)) this.note(part)
  }
  private noteReference([name, node]: Reference): void {
    const count = this.calls.get(name)?.length ?? 0
    if (node >= count && MODELS.has(this.byName.get(name)?.className)) this.offsets.set(name, 1)
  }

  get(reference: Reference): Tensor {
    this.noteReference(reference)
    const wanted = [reference]
    // a list of what is open, because models are deep
    for (let guard = 0; wanted.length > 0; guard++) {
      if (guard > 10_000_000) throw format('the calls of the layers go round in a circle')
      const [name, node] = wanted.at(-1)!
      const missing = this.ready(name, node)
      if (missing === undefined) {
        wanted.pop()
        continue
      }
      if (wanted.length > this.calls.size * 64 || wanted.some(([other, index]) => other === missing[0] && index === missing[1]))
        throw format(`the calls of the layer ${show(missing[0])} go round in a circle`)
      wanted.push(missing)
    }
    return this.take(reference)
  }

  private key(name: string, node: number): string {
    return `${Math.max(0, node - (this.offsets.get(name) ?? 0))} ${name}`
  }

  private take([name, node, index]: Reference): Tensor {
    const found = this.made.get(this.key(name, node))?.[index]
    if (found === undefined) throw format(`there is no output ${index} of call ${node} of the layer ${show(name)}`)
    return found
  }

  /** Calls the layer, or says what must be called before. */
  private ready(name: string, node: number): Reference | undefined {
    const key = this.key(name, node)
    if (this.made.has(key)) return undefined
    const part = this.byName.get(name)
    if (part === undefined) throw format(`there is no layer ${show(name)}`)
    if (part.className === 'InputLayer') {
      const sample = sampleOf(part.config)
      if (sample === undefined) throw format(`the input ${show(name)} has no shape`)
      this.made.set(key, [input({ shape: sample.shape, dtype: sample.dtype, name })])
      return undefined
    }
    const call = this.calls.get(name)?.[Number(key.split(' ', 1)[0])]
    if (call === undefined) throw format(`there is no call ${node} of the layer ${show(name)}`)
    const needed: Reference[] = []
    const collect = (value: unknown): void => {
      if (value instanceof Reached) needed.push(value.reference)
      else if (Array.isArray(value)) value.forEach(collect)
      else if (isRecord(value)) Object.values(value).forEach(collect)
    }
    collect(call.args)
    const { mask: _, ...kwargs } = call.kwargs
    collect(kwargs)
    if (needed.length === 0) throw format(`a call of the layer ${show(name)} takes no tensor`)
    for (const reference of needed) this.noteReference(reference)
    const missing = needed.find(([other, index]) => !this.made.has(this.key(other, index)))
    if (missing !== undefined) return missing
    this.made.set(key, this.apply(part, call))
    return undefined
  }

  private value(value: unknown): unknown {
    if (value instanceof Reached) return this.take(value.reference)
    return Array.isArray(value) ? value.map((part) => this.value(part)) : value
  }

  private apply(part: Part, { args, kwargs }: Call): readonly Tensor[] {
    const values = args.map((value) => this.value(value))
    if (part.built === undefined) {
      const operation = OPERATIONS.get(String(part.className))!
      return [operation(...(values as never[]))]
    }
    const named = ['query', 'value', 'key']
      .filter((key) => kwargs[key] instanceof Reached)
      .map((key) => this.take((kwargs[key] as Reached).reference))
    const state =
      kwargs['initial_state'] === undefined || kwargs['initial_state'] === null ? [] : [this.value(kwargs['initial_state'])].flat()
    const all = [...values, ...named, ...state].flat().filter((value) => typeof value === 'object' && value !== null)
    const { training } = kwargs
    const options = typeof training === 'boolean' ? { training } : {}
    return [part.built.layer.apply(all.length === 1 ? all[0] : all, options)].flat() as Tensor[]
  }
}
