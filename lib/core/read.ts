// Reading: the methods of Tensor that bring values to the host or to another device.
import { inspect } from 'node:util'
import { native } from './addon.js'
import { applyOne } from './apply.js'
import type { Buffer } from './buffer.js'
import { resolveDevice } from './device.js'
import { WeftError } from './error.js'
import { finished, finishedSync, lastTicket, noticeFaults } from './flights.js'
import { outsideTrace } from './graph.js'
import { shownPositions, valuesText } from './values_text.js'
import { type HostArray, hostView, nest, type NestedArray } from './host.js'
import { type Op, opNamed } from './op.js'
import { checkCall } from './options.js'
import { bytesOf, type DType, type Shape } from './spec.js'
import { again } from './stack.js'
import { checkStored, Tensor, tracing, Variable } from './tensor.js'
import type { ArrayOf, DataOf, DTypeOf, ShapeOf } from './tensor_types.js'
import { bytesOnHost, copyTo, download } from './transfer.js'

/** @internal A copy of the values in memory of its own, made outside any recording. */
export const copyOf = (t: Tensor): Tensor => outsideTrace(() => applyOne(opNamed('identity'), [t], {}))

/** @internal The values in another dtype. */
export const castTo = (t: Tensor, dtype: DType): Tensor => applyOne(opNamed('cast') as unknown as Op<{ dtype: DType }>, [t], { dtype })

/** A tensor whose memory later runs leave alone and whose dtype the host can show. */
function snapshot(t: Tensor): Tensor {
  const buffer = t.held()
  if (t.dtype === 'float16' || t.dtype === 'bfloat16') return outsideTrace(() => castTo(t, 'float32'))
  // where the host reads the memory itself, later runs must not write to it meanwhile
  if (t instanceof Variable && buffer.device === 0 && native.status[0]! < lastTicket()) return copyOf(t)
  if (tracing.current !== undefined) {
    throw new WeftError('ERR_TRACE', 'data(), item() and array() cannot be used inside a traced function', {
      hint: 'Return the tensor and read it outside',
    })
  }
  return t
}

/** A copy of the bytes of `source`, a snapshot of `t`, as data() shows it. */
function shown(t: Tensor, source: Tensor, bytes: Uint8Array): HostArray {
  const copy = bytes.slice().buffer
  if (source !== t) source.dispose()
  return hostView(source.dtype, copy)
}

/** The tensor on another device, as memory of its own. */
function moved(t: Tensor, target: string): Buffer {
  // what later runs may write to is copied first
  const source = t instanceof Variable && t.held().device === 0 ? copyOf(t) : t
  const memory = copyTo(source.held(), target)
  if (source !== t) source.dispose()
  return memory
}

/** What console.log shows: dtype, shape, device, and values that are already on the host. */
function describe(t: Tensor): string {
  const facts = `${t instanceof Variable ? 'Variable' : 'Tensor'} ${t.dtype} [${t.shape}] ${t.device}`
  if (t.recording !== undefined) return `${facts} (traced)`
  if (t.isDisposed) return `${facts} (disposed)`
  if (t.size === 0) return `${facts} (empty)`
  const done = noticeFaults()
  if (bytesOf(t.dtype) === 2 || t.buffer!.fault || !t.buffer!.visible) return facts
  if (done < t.buffer!.ticket) return `${facts} (not computed yet)`
  const bytes = t.buffer!.viewNow()
  return beside(
    facts,
    partsShown(t.shape, t.dtype, (position, size) => bytes.subarray(position * size, (position + 1) * size)),
  )
}

/** Text of the values that are shown, of which `read` gives the bytes. */
function partsShown(shape: Shape, dtype: DType, read: (position: number, size: number) => Uint8Array): string {
  const size = bytesOf(dtype)
  const positions = shownPositions(shape)
  const bytes = new Uint8Array(positions.length * size)
  positions.forEach((position, i) => {
    bytes.set(read(position, size), i * size)
  })
  return valuesText(hostView(dtype, bytes.buffer), shape, dtype)
}

/** Values after the facts: in lines of their own where they take several. */
const beside = (facts: string, values: string): string => `${facts}${values.includes('\n') ? '\n' : ' '}${values}`

async function data(this: Tensor): Promise<HostArray> {
  const source = snapshot(this)
  const buffer = source.held()
  if (!buffer.visible) return shown(this, source, await bytesOnHost(buffer))
  await finished(buffer.ticket)
  if (buffer.fault) throw again(buffer.fault)
  return shown(this, source, buffer.viewNow())
}

function dataSync(this: Tensor): HostArray {
  const source = snapshot(this)
  const buffer = source.held()
  const way = buffer.visible ? undefined : download(buffer)
  finishedSync(way?.ticket ?? buffer.ticket)
  const fault = buffer.fault ?? way?.fault
  if (fault) throw again(fault)
  return shown(this, source, way?.bytes ?? buffer.viewNow())
}

async function array(this: Tensor): Promise<NestedArray> {
  return nest(await this.data(), this.shape, this.dtype)
}

function arraySync(this: Tensor): NestedArray {
  return nest(this.dataSync(), this.shape, this.dtype)
}

async function item(this: Tensor): Promise<number> {
  if (this.size !== 1)
    throw new WeftError('ERR_SHAPE', `item: the tensor has ${this.size} values, shape [${this.shape}]`, { hint: 'Use data() or array()' })
  return Number((await this.data())[0])
}

async function print(this: Tensor): Promise<void> {
  const values = await this.data()
  const shown = shownPositions(this.shape).map((position) => values[position]!)
  console.log(beside(`${this.dtype} [${this.shape}]`, valuesText(shown, this.shape, this.dtype)))
}

function to(this: Tensor, id: string): Tensor {
  checkCall('to(device)', arguments)
  const target = resolveDevice(id)
  if (target === this.device) return this
  this.held()
  if (tracing.current !== undefined) {
    throw new WeftError('ERR_TRACE', 'to: a traced function runs on one device', { hint: 'Move the tensor before the call' })
  }
  checkStored(this.dtype, target)
  return new Tensor(this.shape, this.dtype, target, moved(this, target))
}

function moveTo(this: Variable, id: string): void {
  if (id === this.device) return
  checkStored(this.dtype, id)
  const old = this.held()
  const memory = moved(this, id)
  old.release()
  Object.assign(this, { device: id, buffer: memory })
}

const define = (prototype: object, methods: Record<string | symbol, unknown>): void => {
  for (const name of Reflect.ownKeys(methods))
    Object.defineProperty(prototype, name, { value: methods[name], writable: true, configurable: true })
}
define(Tensor.prototype, {
  data,
  dataSync,
  array,
  arraySync,
  item,
  print,
  to,
  [inspect.custom](this: Tensor): string {
    return describe(this)
  },
  toString(this: Tensor): string {
    return describe(this)
  },
  // t + 1 would be '[object Object]1', and t > 1 false, without a word
  [Symbol.toPrimitive](this: Tensor, wanted: string): string {
    if (wanted === 'string') return describe(this)
    throw new WeftError('ERR_ARGUMENT', `a Tensor (${this.dtype} [${this.shape}]) is no number for the operators of JavaScript`, {
      hint: 'Write t.add(1), t.greater(1), and so on; a number is read with await t.item()',
    })
  },
})
define(Variable.prototype, { moveTo })

declare module './tensor.js' {
  interface TensorMethods {
    /**
     * The values, row-major, as a copy: Float32Array (also of float16, bfloat16), Int32Array, Uint8Array (also of
     * bool), Float64Array, BigInt64Array, Int8Array. Resolves when the device gets there.
     */
    data<T extends Tensor>(this: T): Promise<DataOf<T>>
    /** data(), blocking this thread until the device gets there. */
    dataSync<T extends Tensor>(this: T): DataOf<T>
    /** Nested arrays of the values; bools as booleans. Empty rows are frozen. */
    array<T extends Tensor>(this: T): Promise<ArrayOf<T>>
    /** array(), blocking this thread until the device gets there. */
    arraySync<T extends Tensor>(this: T): ArrayOf<T>
    /** The only value of a tensor of size 1. */
    item(): Promise<number>
    /** Prints dtype, shape and values to stdout; of more than 1000 values, three at either end of an axis. */
    print(): Promise<void>
    /**
     * The tensor on another device; itself when it is there already. ERR_NO_DEVICE with the reason when the device
     * cannot be used.
     */
    to<T extends Tensor>(this: T, id: string): Tensor<ShapeOf<T>, DTypeOf<T>>
  }
  interface VariableFacts {
    /** @internal This variable itself on another device. Functions that were traced with it must be traced anew. */
    moveTo(id: string): void
  }
}
