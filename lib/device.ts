// Devices, buffers and programs: the only file that loads the addon.
import { createRequire } from 'node:module'
import path from 'node:path'
import { WeftError, unknownName } from './error.js'
import type { Native, NativeDevice, NativeFault, NativeProgram, ProgramSpec } from './native.js'

const require = createRequire(import.meta.url)
const root = path.dirname(require.resolve('weftjs/package.json'))
/** @internal The addon. */
export const native: Native = (require('node-gyp-build') as (dir: string) => Native)(root)

export interface DeviceInfo {
  /** 'cpu', 'cuda:0', ... as setDevice takes it. */
  id: string
  kind: 'cpu' | 'cuda'
  name: string
  /** True for CUDA kernels that are executed on the CPU, in tests. */
  emulated: boolean
  /** CPU: instruction set of the kernels, and threads that run them. */
  level?: string
  threads?: number
  features?: string[]
  memory?: { total: number; free: number }
  computeCapability?: string
}

/** The devices of this machine that can be used. */
export function devices(): DeviceInfo[] {
  return native.devices()
}

const noCuda = 'this build of weftjs has no CUDA library'

/** The id of a device by its name ('auto': the default); ERR_NO_DEVICE with the reason when it cannot be used. */
export function resolveDevice(name: string): string {
  if (name === 'cpu') return name
  if (name === 'auto') return defaultDevice()
  if (/^cuda(:\d+)?$/.test(name)) {
    throw new WeftError('ERR_NO_DEVICE', `device '${name}' cannot be used: ${noCuda}`, {
      hint: "Use setDevice('cpu'), or install a build with CUDA; `npx weftjs doctor` lists what was found",
    })
  }
  throw unknownName(
    'device',
    name,
    native.devices().map((d: NativeDevice) => d.id),
  )
}

const defaultDevice = (): string => 'cpu'

let current: string | undefined

/** The id of the device that new tensors go to. Default: WEFT_DEVICE, else the first usable CUDA device, else 'cpu'. */
export function device(): string {
  if (current === undefined) {
    if (process.env['WEFT_REQUIRE_CUDA'] === '1') {
      throw new WeftError('ERR_NO_DEVICE', `WEFT_REQUIRE_CUDA=1, but ${noCuda}`, { hint: 'Unset it to run on the CPU' })
    }
    current = resolveDevice(process.env['WEFT_DEVICE'] || 'auto')
  }
  return current
}

/** Makes `id` the device of what is created from now on. Throws ERR_NO_DEVICE with the reason when it cannot be used. */
export function setDevice(id: string): void {
  current = resolveDevice(id)
}

/** Runs the synchronous `fn` with another current device. */
export function withDevice<T>(id: string, fn: () => T): T {
  const before = device()
  current = resolveDevice(id)
  try {
    return fn()
  } finally {
    current = before
  }
}

/** Blocks of 1 KiB and more start at a 64-byte boundary inside storage that is 64 bytes longer (C++ applies the same rule). */
const ALIGNED = 1024

let live = 0
let liveBuffers = 0
let peak = 0
/** Buffers register with a token they share with their neighbours, so that a synchronous loop of a million costs little. */
let token = { bytes: 0, buffers: 0 }
const collected = new FinalizationRegistry<{ bytes: number; buffers: number }>((group) => {
  live -= group.bytes
  liveBuffers -= group.buffers
})

/** Device memory of one tensor, or of several tensors that see it with different shapes. On the CPU an ArrayBuffer that V8 owns. */
export class Buffer {
  storage: ArrayBuffer | undefined
  readonly bytes: number
  /** Ticket of the last run that writes it. */
  ticket = 0
  fault: WeftError | undefined
  /** Tensors that hold it. */
  users = 1
  /** Keeps the shared collection token reachable. */
  readonly group: { bytes: number; buffers: number }

  constructor(bytes: number) {
    this.bytes = bytes
    try {
      this.storage = new ArrayBuffer(bytes >= ALIGNED ? bytes + 64 : bytes)
    } catch (cause) {
      throw new WeftError('ERR_OUT_OF_MEMORY', `asked for ${bytes} bytes on cpu; ${live} bytes are held by ${liveBuffers} tensors`, {
        cause,
        hint: 'Trace the computation with jit(), free tensors with dispose(), tidy() or `using`, or use smaller batches',
      })
    }
    const limit = memoryLimit()
    if (live + bytes > limit) {
      throw new WeftError(
        'ERR_OUT_OF_MEMORY',
        `asked for ${bytes} bytes; ${live} of the limit of ${limit} are held by ${liveBuffers} tensors`,
        {
          hint: 'Trace the computation with jit(), free tensors with dispose(), tidy() or `using`, or raise WEFT_MEMORY_LIMIT',
        },
      )
    }
    if (token.buffers === 64 || token.bytes > 1 << 20) token = { bytes: 0, buffers: 0 }
    const held = token as { bytes: number; buffers: number; counted?: { bytes: number; buffers: number } }
    if (!held.counted) {
      held.counted = { bytes: 0, buffers: 0 }
      collected.register(held, held.counted)
    }
    held.bytes += bytes
    held.buffers++
    held.counted.bytes += bytes
    held.counted.buffers++
    this.group = held
    live += bytes
    liveBuffers++
    if (live > peak) peak = live
  }

  /** The bytes, for reading or writing on the host; only when no run is under way that touches them. */
  view(): Uint8Array {
    const storage = this.open()
    return new Uint8Array(storage, this.bytes >= ALIGNED ? native.alignment(storage) : 0, this.bytes)
  }

  open(): ArrayBuffer {
    if (this.storage === undefined) throw new WeftError('ERR_DISPOSED', 'this tensor was disposed')
    return this.storage
  }

  /** One tensor lets go; the last one frees. Runs in flight keep what they use. */
  release(): void {
    if (this.storage === undefined || --this.users > 0) return
    if (native.status[0]! < submitted) parked.push({ ticket: submitted, storage: this.storage })
    this.storage = undefined
    live -= this.bytes
    liveBuffers--
    const counted = (this.group as { counted?: { bytes: number; buffers: number } }).counted!
    counted.bytes -= this.bytes
    counted.buffers--
  }
}

let limitBytes: number | undefined
function memoryLimit(): number {
  if (limitBytes === undefined) {
    const text = process.env['WEFT_MEMORY_LIMIT']
    if (!text) return (limitBytes = Number.POSITIVE_INFINITY)
    const match = /^(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB|TiB|KB|MB|GB|TB)?$/i.exec(text.trim())
    if (!match)
      throw new WeftError('ERR_ARGUMENT', `WEFT_MEMORY_LIMIT='${text}' is not a size`, { hint: 'Write for example 8GiB or 500MB' })
    const unit = (match[2] ?? 'B').toLowerCase()
    const base = unit.includes('i') ? 1024 : 1000
    limitBytes = Number(match[1]) * base ** 'bkmgt'.indexOf(unit[0]!)
  }
  return limitBytes
}

/** What a program was made of, to name the op and layer of a fault. */
export type Describe = (call: number) => { op: string; layer: string | undefined; names: string | undefined }

interface Flight {
  ticket: number
  program: Program
  inputs: readonly Buffer[]
  outputs: readonly Buffer[]
  /** State the run writes. */
  onFault: ((error: WeftError) => void) | undefined
}

/** Memory let go of while runs were in flight that may still touch it: C++ holds plain addresses. */
let parked: { ticket: number; storage: ArrayBuffer }[] = []

let flights: Flight[] = []
let flightsHead = 0
let faultsSeen = 0
const faults = new Map<number, NativeFault>()

interface Waiter {
  ticket: number
  done: () => void
  /** The completion function will be called for it, and the event loop is held until then. */
  arranged: boolean
}
let waiters: Waiter[] = []

let holds = 0
/** Keeps the event loop alive until release(). A training loop holds it once, so that its steps need not. */
export function hold(): void {
  if (holds++ === 0) native.hold(true)
}
export function release(): void {
  if (--holds === 0) native.hold(false)
}

/** Lets go of what finished runs used, and marks what failed runs wrote. */
function retire(): void {
  const finished = native.status[0]!
  if (native.status[1] !== faultsSeen) {
    for (const fault of native.faults()) faults.set(fault.ticket, fault)
    faultsSeen = native.status[1]!
  }
  while (flightsHead < flights.length && flights[flightsHead]!.ticket <= finished) {
    const flight = flights[flightsHead]!
    flights[flightsHead++] = undefined as unknown as Flight
    const fault = faults.size > 0 ? faults.get(flight.ticket) : undefined
    if (fault) {
      faults.delete(flight.ticket)
      const error = flight.program.describe(fault)
      for (const output of flight.outputs) output.fault = error
      flight.onFault?.(error)
    } else {
      for (const input of flight.inputs) {
        if (input.fault) for (const output of flight.outputs) output.fault = input.fault
      }
    }
  }
  if (parked.length > 0 && parked[0]!.ticket <= finished) parked = parked.filter(({ ticket }) => ticket > finished)
  if (flightsHead > 256 && flightsHead * 2 > flights.length) {
    flights = flights.slice(flightsHead)
    flightsHead = 0
  }
}

/** Resolves what waits for runs that are done. */
function settle(): void {
  retire()
  const finished = native.status[0]!
  const ready = waiters.filter((w) => w.ticket <= finished)
  if (ready.length === 0) return
  waiters = waiters.filter((w) => w.ticket > finished)
  for (const waiter of ready) {
    if (waiter.arranged) release()
    waiter.done()
  }
}

native.onFinished(settle)

/** Most results are there within microseconds, sooner than a thread can be woken: so long, turns of the event loop look for them. */
const POLLED_MS = 0.1
let polling = false

/** Looks for finished runs once per turn of the event loop; hands over to the completion function when it takes long. */
function poll(until: number): void {
  polling = true
  setImmediate(() => {
    polling = false
    settle()
    const left = waiters.filter((w) => !w.arranged)
    if (left.length === 0) return
    if (performance.now() < until) return poll(until)
    for (const waiter of left) {
      waiter.arranged = true
      hold()
      native.notify(waiter.ticket)
    }
  })
}

/** Resolves when the run with this ticket is done. `arranged`: that run notifies by itself. */
export function finished(ticket: number, arranged = false): Promise<void> {
  if (native.status[0]! >= ticket) {
    retire()
    return Promise.resolve()
  }
  return new Promise((resolve) => {
    waiters.push({ ticket, done: resolve, arranged })
    if (arranged) hold()
    else if (!polling) poll(performance.now() + POLLED_MS)
  })
}

/** Blocks until the run with this ticket is done. */
export function finishedSync(ticket: number): void {
  if (native.status[0]! < ticket) native.waitSync(ticket)
  retire()
}

let submitted = 0
/** The ticket of the newest run. */
export const lastTicket = (): number => submitted

/** Native calls since the addon was loaded in this environment. */
export const nativeCalls = (): number => native.status[2]!

/** A loaded program: C++ kernels bound to shapes, and one arena for what lives only during a run. */
export class Program {
  private handle: NativeProgram | undefined
  /** State and captured tensors, kept alive and checked before each run. */
  readonly bound: readonly Buffer[]
  private readonly label: Describe

  constructor(spec: ProgramSpec, bound: readonly Buffer[], label: Describe) {
    this.handle = guard(() => native.load(spec))
    this.bound = bound
    this.label = label
  }

  /** Enqueues one run and returns its ticket. `notify`: the run's completion wakes waiters without a further call. */
  run(inputs: readonly Buffer[], outputs: readonly Buffer[], notify = false, onFault?: (error: WeftError) => void): number {
    if (this.handle === undefined) throw new WeftError('ERR_DISPOSED', 'this function was disposed')
    for (const buffer of this.bound) {
      if (buffer.storage === undefined) throw new WeftError('ERR_DISPOSED', 'a tensor this function closes over was disposed')
    }
    const from: ArrayBuffer[] = new Array(inputs.length)
    for (let i = 0; i < inputs.length; i++) from[i] = inputs[i]!.open()
    const to: ArrayBuffer[] = new Array(outputs.length)
    for (let i = 0; i < outputs.length; i++) to[i] = outputs[i]!.open()
    const ticket = guard(() => native.run(this.handle!, from, to, notify))
    for (let i = 0; i < outputs.length; i++) outputs[i]!.ticket = ticket
    submitted = ticket
    flights.push({ ticket, program: this, inputs, outputs, onFault })
    retire()
    return ticket
  }

  describe(fault: NativeFault): WeftError {
    const { op, layer, names } = this.label(fault.call)
    const where = layer ? `${op} in layer '${layer}'` : op
    const facts = { op, ...(layer === undefined ? {} : { layer }) }
    if (fault.value === undefined)
      return new WeftError((fault.code ?? 'ERR_DATA') as 'ERR_DATA', `${where}: ${fault.message ?? 'the step failed'}`, facts)
    return new WeftError('ERR_DATA', `${where}: value ${fault.value} is out of range${names ? ` ${names}` : ''}`, {
      ...facts,
      hint: 'The step changed nothing; check the ids or labels in the data',
    })
  }

  get memory(): { arena: number; constants: number } {
    return native.programMemory(this.handle!)
  }

  dispose(): void {
    if (this.handle !== undefined) native.unload(this.handle)
    this.handle = undefined
  }
}

/** Runs fn; an error of the addon becomes a WeftError. */
function guard<T>(fn: () => T): T {
  try {
    return fn()
  } catch (error) {
    const code = (error as { weftCode?: string }).weftCode
    if (code === undefined) throw error
    throw new WeftError(code as 'ERR_ARGUMENT', (error as Error).message)
  }
}

/** Resolves when all submitted work is done. */
export async function synchronize(): Promise<void> {
  await finished(submitted)
}

/** Bytes and tensors held: `used` by tensors, `reserved` with the arenas of loaded programs, `peak` the most used so far. */
export function memory(): { device: { used: number; peak: number; reserved: number; limit: number }; tensors: number } {
  retire()
  return { device: { used: live, peak, reserved: live + native.memory().arena, limit: memoryLimit() }, tensors: liveBuffers }
}

export interface Profile<T> {
  result: T
  wallMs: number
  deviceMs: number
  kernels: { name: string; count: number; ms: number; flops: number; bytes: number }[]
}

let profiling = false

/** Runs fn and tells where the device's time went, by kernel. */
export async function profile<T>(fn: () => T | Promise<T>): Promise<Profile<T>> {
  if (profiling) throw new WeftError('ERR_STATE', 'profile: another profile is under way')
  await synchronize()
  profiling = true
  native.profile(true)
  try {
    const begin = performance.now()
    const result = await fn()
    await synchronize()
    const wallMs = performance.now() - begin
    const kernels = native
      .profile(false)
      .map((k) => ({ name: k.name, count: k.count, ms: k.ms, flops: k.flops, bytes: k.bytes }))
      .sort((a, b) => b.ms - a.ms)
    return { result, wallMs, deviceMs: kernels.reduce((sum, k) => sum + k.ms, 0), kernels }
  } finally {
    profiling = false
    native.profile(false)
  }
}
