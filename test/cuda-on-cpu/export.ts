// Exports what tests run on the CPU device, for other kernels to repeat: node --import
// ./dist/test/cuda-on-cpu/export.js <test>, with WEFT_EXPORT_PROGRAMS naming a folder. WEFT_EXPORT_ONLY=sum,cumSum:
// only programs that call one of these. WEFT_EXPORT_FLOAT64=1: those with float64 too. Each distinct program becomes
// one file there: what it is, the bytes that went in, the bytes that came out.
//
// Format, little-endian; text is a u32 length and UTF-8, dtypes are their position in DTYPES, bytes are a u64 length
// and the bytes:
//   u32 0x57454654, u32 format, text precision
//   u32 slots,   each: u8 kind (position in KINDS), u8 dtype, u32 index, u64 bytes, f64 value
//   u32 values,  each: i32 slot, u8 dtype, u32 rank, i64 extents
//   u32 calls,   each: text op, u8 update, u32 n and u32 inputs, u32 n and u32 outputs,
//                      u32 attributes, each: text name, u8 type, then f64 (0), text (1) or u32 n and f64 (2)
//   u32 writes,  each: u32 slot, u32 state
//   u32 states,  each: bytes before, bytes after
//   u32 inputs,  each: bytes            u32 outputs, each: bytes
//   i32 call that met bad data or -1
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { native } from '../../lib/core/addon.js'
import type { CallSpec, NativeFault, NativeProgram, ProgramSpec, SlotSpec, Storage } from '../../lib/core/native.js'

const FORMAT = 1
const KINDS: readonly SlotSpec['kind'][] = ['arena', 'input', 'output', 'state', 'constant']
const DTYPES = ['bool', 'uint8', 'int8', 'int32', 'int64', 'float16', 'bfloat16', 'float32', 'float64'] as const
/** Larger programs would take the emulator too long. */
const MOST_BYTES = 2 << 20
/** Runs of one program that are kept, when their data differ. */
const MOST_RUNS = 3
/** The operations whose programs are exported; none: all. */
const only = (process.env['WEFT_EXPORT_ONLY'] ?? '').split(',').filter((name) => name !== '')
/** Whether programs with float64 are exported too. The CUDA device has none. */
const float64 = process.env['WEFT_EXPORT_FLOAT64'] === '1'
/** As in lib/core/buffer.ts: larger buffers start at a 64-byte boundary of their storage. */
const ALIGNED = 1024

class Writer {
  private readonly parts: Uint8Array[] = []
  private number(bytes: number, set: (view: DataView) => void): void {
    const part = new Uint8Array(bytes)
    set(new DataView(part.buffer))
    this.parts.push(part)
  }
  u8(value: number): void {
    this.number(1, (v) => v.setUint8(0, value))
  }
  u32(value: number): void {
    this.number(4, (v) => v.setUint32(0, value, true))
  }
  i32(value: number): void {
    this.number(4, (v) => v.setInt32(0, value, true))
  }
  i64(value: number): void {
    this.number(8, (v) => v.setBigInt64(0, BigInt(value), true))
  }
  f64(value: number): void {
    this.number(8, (v) => v.setFloat64(0, value, true))
  }
  text(value: string): void {
    const bytes = new TextEncoder().encode(value)
    this.u32(bytes.length)
    this.parts.push(bytes)
  }
  bytes(value: Uint8Array): void {
    this.i64(value.length)
    this.parts.push(value)
  }
  list<T>(items: readonly T[], write: (item: T) => void): void {
    this.u32(items.length)
    for (const item of items) write(item)
  }
  done(): Uint8Array {
    return Buffer.concat(this.parts)
  }
}

function writeCall(out: Writer, call: CallSpec): void {
  out.text(call.op)
  out.u8(Number(call.update))
  out.list(call.inputs, (id) => out.u32(id))
  out.list(call.outputs, (id) => out.u32(id))
  out.list(Object.entries(call.attrs), ([name, value]) => {
    out.text(name)
    if (typeof value === 'string') {
      out.u8(1)
      out.text(value)
    } else if (typeof value === 'object') {
      out.u8(2)
      out.list(value as readonly (number | boolean)[], (item) => out.f64(Number(item)))
    } else {
      out.u8(0)
      out.f64(Number(value))
    }
  })
}

function writeSpec(out: Writer, spec: ProgramSpec): void {
  out.u32(0x57454654)
  out.u32(FORMAT)
  out.text(spec.precision)
  out.list(spec.slots, (slot) => {
    out.u8(KINDS.indexOf(slot.kind))
    out.u8(slot.dtype === undefined ? 0 : DTYPES.indexOf(slot.dtype))
    out.u32(slot.index)
    out.i64(slot.bytes)
    out.f64(slot.value ?? 0)
  })
  out.list(spec.values, (value) => {
    out.i32(value.slot)
    out.u8(DTYPES.indexOf(value.dtype))
    out.list(value.shape, (extent) => out.i64(extent))
  })
  out.list(spec.calls, (call) => writeCall(out, call))
  out.list(spec.writes, (write) => {
    out.u32(write.slot)
    out.u32(write.state)
  })
}

interface Known {
  spec: ProgramSpec
  /** What the file begins with. */
  head: Uint8Array
  name: string
  states: number[]
  inputs: number[]
  outputs: number[]
}

/** Bytes by position, for the slots of one kind. */
function sizes(spec: ProgramSpec, kind: SlotSpec['kind'], count: number): number[] {
  const list = new Array<number>(count).fill(0)
  for (const slot of spec.slots) if (slot.kind === kind) list[slot.index] = Math.max(list[slot.index] ?? 0, slot.bytes)
  return list
}

/**
 * What is needed to export a program; undefined for those the CUDA device does not run, or only slowly when emulated.
 */
function examine(spec: ProgramSpec): Known | undefined {
  if (spec.calls.length === 0) return undefined
  if (only.length > 0 && !spec.calls.some((call) => only.includes(call.op))) return undefined
  if (!float64 && spec.values.some((value) => value.dtype === 'float64')) return undefined
  if (spec.slots.reduce((sum, slot) => sum + slot.bytes, 0) > MOST_BYTES) return undefined
  const out = new Writer()
  writeSpec(out, spec)
  const states = sizes(spec, 'state', spec.states.length)
  for (const { slot, state } of spec.writes) states[state] = Math.max(states[state]!, spec.slots[slot]!.bytes)
  const ops = [...new Set(spec.calls.map((call) => call.op))].join('+').replace(/[^A-Za-z0-9+]/g, '_')
  return {
    spec,
    head: out.done(),
    name: ops.length > 80 ? `${ops.slice(0, 80)}...` : ops,
    states,
    inputs: sizes(spec, 'input', 0),
    outputs: sizes(spec, 'output', 0),
  }
}

/** Copies of what lies in storages. */
function copies(storages: readonly Storage[], bytes: readonly number[]): Uint8Array[] {
  return bytes.map((length, i) => {
    const storage = storages[i] as ArrayBuffer
    const begin = length >= ALIGNED ? native.alignment(storage) : 0
    return new Uint8Array(storage.slice(begin, begin + length))
  })
}

function install(folder: string): void {
  mkdirSync(folder, { recursive: true })
  const { load, unload, run, faults } = native
  const programs = new WeakMap<object, Known>()
  const runs = new Map<string, number>()
  /** Faults that were looked at here, before the library asked for them. */
  let seen: NativeFault[] = []
  let newest = 0

  /** Native calls made here are not calls of the program under test, which some tests count. */
  const uncounted = <T>(look: () => T): T => {
    const calls = native.status[2]!
    const result = look()
    native.status[2] = calls
    return result
  }

  const write = (program: Known, begin: string, data: Uint8Array): void => {
    const content = Buffer.concat([program.head, data])
    const file = path.join(folder, `${program.name}-${createHash('sha1').update(content).digest('hex').slice(0, 12)}.program`)
    const known = existsSync(file)
    // a run with values that were there before is worth little, but a test that repeats it goes on at its own speed
    runs.set(begin, (runs.get(begin) ?? 0) + (known ? 0.1 : 1))
    if (known) return
    // test files may run side by side: a file appears whole
    writeFileSync(`${file}.${process.pid}`, content)
    renameSync(`${file}.${process.pid}`, file)
  }

  native.load = (...options: Parameters<typeof load>): NativeProgram => {
    const [spec, device] = options
    const program = load(...options)
    const known = device === 0 ? examine(spec) : undefined
    if (known) programs.set(program, known)
    return program
  }
  native.unload = (program: NativeProgram): void => {
    programs.delete(program)
    unload(program)
  }
  native.faults = (): NativeFault[] => {
    const all = [...seen, ...faults()]
    seen = []
    return all
  }
  native.run = (...options: Parameters<typeof run>): number => {
    const [program, inputs, outputs] = options
    const known = programs.get(program)
    const begin = known ? createHash('sha1').update(known.head).digest('hex') : ''
    if (!known || (runs.get(begin) ?? 0) >= MOST_RUNS) return (newest = run(...options))

    const [before, given] = uncounted(() => {
      if (newest > 0) native.waitSync(newest)
      return [copies(known.spec.states, known.states), copies(inputs, known.inputs)]
    })
    newest = run(...options)
    const [after, results] = uncounted(() => {
      native.waitSync(newest)
      seen.push(...faults())
      return [copies(known.spec.states, known.states), copies(outputs, known.outputs)]
    })
    const fault = seen.find(({ ticket }) => ticket === newest)
    if (fault && fault.value === undefined) return newest // a kernel threw: nothing to compare with
    const out = new Writer()
    out.u32(before.length)
    before.forEach((bytes, i) => {
      out.bytes(bytes)
      out.bytes(after[i]!)
    })
    out.list(given, (bytes) => out.bytes(bytes))
    out.list(results, (bytes) => out.bytes(bytes))
    out.i32(fault ? fault.call : -1)
    write(known, begin, out.done())
    return newest
  }
}

const folder = process.env['WEFT_EXPORT_PROGRAMS']
if (folder) install(path.resolve(folder))
