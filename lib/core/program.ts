// Programs in JavaScript: what runs are in flight and keep alive, who waits for them, and what failed.
import { Buffer, freeParked, timeline } from './buffer.js'
import { native } from './device.js'
import { WeftError } from './error.js'
import type { NativeFault, NativeProgram, ProgramSpec, Storage } from './native.js'

/** What a program was made of, to name the op and layer of a fault. */
export type Describe = (call: number) => { op: string; layer: string | undefined; names: string | undefined }

/** A run or transfer, and what it keeps alive. */
interface Flight {
  ticket: number
  /** Absent: a transfer. */
  program: Program | undefined
  /** Whose operation it is, where the program itself does not know: one of a single call serves all layers. */
  layer?: string | undefined
  inputs: readonly Buffer[]
  outputs: readonly Buffer[]
  /** Host memory it reads or fills. */
  host?: unknown
  onFault?: ((error: WeftError) => void) | undefined
}

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

/** Lets go of what finished runs used, and marks what failed runs wrote. Returns the last ticket this holds for. */
function retire(): number {
  const finished = native.status[0]!
  const raised = native.status[1]!
  if (raised !== faultsSeen) {
    // counted before they are taken: one that is raised in between is taken next time
    faultsSeen = raised
    for (const fault of native.faults()) faults.set(fault.ticket, fault)
  }
  while (flightsHead < flights.length && flights[flightsHead]!.ticket <= finished) {
    const flight = flights[flightsHead]!
    flights[flightsHead++] = undefined as unknown as Flight
    const fault = faults.size > 0 ? faults.get(flight.ticket) : undefined
    if (fault) {
      faults.delete(flight.ticket)
      const error =
        flight.program?.describe(fault, flight.layer) ??
        new WeftError((fault.code ?? 'ERR_CUDA') as 'ERR_CUDA', `transfer: ${fault.message}`)
      for (const output of flight.outputs) output.fault = error
      flight.onFault?.(error)
    } else {
      for (const input of flight.inputs) {
        if (input.fault) for (const output of flight.outputs) output.fault = input.fault
      }
    }
  }
  freeParked(finished)
  if (flightsHead > 256 && flightsHead * 2 > flights.length) {
    flights = flights.slice(flightsHead)
    flightsHead = 0
  }
  return finished
}

/** Resolves what waits for runs that are done. */
function settle(): void {
  const finished = retire()
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
const POLLED_MS = 0.5
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

/** The ticket of the newest run. */
export const lastTicket = (): number => timeline.submitted

/** Native calls since the addon was loaded in this environment. */
export const nativeCalls = (): number => native.status[2]!

/** Small results come to the host with the run. */
const replyOf = (output: Buffer): ArrayBuffer | undefined => (output.bytes <= native.mostReply ? new ArrayBuffer(output.bytes) : undefined)

function fly(flight: Flight): void {
  timeline.submitted = flight.ticket
  flights.push(flight)
  retire()
}

/** Queues the way of host bytes into a fresh buffer of a device. The bytes must not change until it is done. */
export function upload(buffer: Buffer, bytes: Uint8Array, after = 0, inputs: readonly Buffer[] = []): void {
  if (buffer.bytes === 0) return
  const host = bytes.buffer as ArrayBuffer
  const ticket = guard(() =>
    native.transfer(buffer.device, 'in', buffer.open() as number, host, bytes.byteOffset, bytes.byteLength, after, false),
  )
  buffer.ticket = ticket
  buffer.writer = buffer.device
  fly({ ticket, program: undefined, inputs, outputs: [buffer], host })
}

/** Queues the way of a buffer's bytes to the host: they are there when the ticket is done. */
export function download(
  buffer: Buffer,
  bytes: Uint8Array = new Uint8Array(buffer.bytes),
  outputs: readonly Buffer[] = [],
): { ticket: number; bytes: Uint8Array } {
  if (buffer.bytes === 0) return { ticket: 0, bytes }
  const host = bytes.buffer as ArrayBuffer
  const ticket = guard(() =>
    native.transfer(buffer.device, 'out', buffer.open() as number, host, bytes.byteOffset, bytes.byteLength, 0, false),
  )
  fly({ ticket, program: undefined, inputs: [buffer], outputs, host })
  return { ticket, bytes }
}

/** The bytes of a buffer on the host, once the runs so far are done; not to be written to. Rejects with what went wrong in them. */
export async function bytesOnHost(buffer: Buffer): Promise<Uint8Array> {
  const { ticket, bytes } = buffer.visible ? { ticket: buffer.ticket, bytes: undefined } : download(buffer)
  await finished(ticket)
  if (buffer.fault) throw buffer.fault
  return bytes ?? buffer.view()
}

/** A copy of a buffer on another device. */
export function copyTo(source: Buffer, where: string): Buffer {
  const target = new Buffer(source.bytes, where)
  if (source.bytes === 0) return target
  target.fault = source.fault
  if (target.device === 0) {
    const { ticket } = download(source, target.view(), [target])
    target.ticket = ticket
    target.writer = source.device
    return target
  }
  if (source.device === 0) {
    upload(target, source.view(), source.ticket, [source])
    return target
  }
  const { ticket, bytes } = download(source)
  upload(target, bytes, ticket)
  return target
}

/** A loaded program: C++ kernels bound to shapes, and one arena for what lives only during a run. */
export class Program {
  private handle: NativeProgram | undefined
  /** State and captured tensors, kept alive and checked before each run. */
  readonly bound: readonly Buffer[]
  private readonly label: Describe
  /** Position in the addon's list. */
  readonly device: number

  constructor(spec: ProgramSpec, bound: readonly Buffer[], label: Describe, device: number) {
    this.handle = guard(() => native.load(spec, device))
    this.bound = bound
    this.label = label
    this.device = device
  }

  /**
   * Enqueues one run and returns its ticket. `notify`: the run's completion wakes waiters without a further call, and small results of
   * other devices than the CPU come to the host with it. `layer`: named by an error where the program's own description names none.
   */
  run(
    inputs: readonly Buffer[],
    outputs: readonly Buffer[],
    { notify = false, onFault, layer }: { notify?: boolean; onFault?: (error: WeftError) => void; layer?: string | undefined } = {},
  ): number {
    if (this.handle === undefined) throw new WeftError('ERR_DISPOSED', 'this function was disposed')
    let after = 0
    for (const buffer of this.bound) {
      if (buffer.storage === undefined) throw new WeftError('ERR_DISPOSED', 'a tensor this function closes over was disposed')
      if (buffer.writer !== this.device) after = Math.max(after, buffer.ticket)
    }
    const from: Storage[] = new Array(inputs.length)
    for (let i = 0; i < inputs.length; i++) {
      from[i] = inputs[i]!.open()
      if (inputs[i]!.writer !== this.device) after = Math.max(after, inputs[i]!.ticket)
    }
    const to: Storage[] = new Array(outputs.length)
    for (let i = 0; i < outputs.length; i++) to[i] = outputs[i]!.open()
    if (after <= native.status[0]!) after = 0
    const replies = notify && this.device !== 0 ? outputs.map(replyOf) : undefined
    const ticket = guard(() => native.run(this.handle!, from, to, notify, after, replies))
    for (let i = 0; i < outputs.length; i++) {
      const output = outputs[i]!
      output.ticket = ticket
      output.writer = this.device
      output.mirror = replies?.[i]
    }
    fly({ ticket, program: this, layer, inputs, outputs, onFault })
    return ticket
  }

  describe(fault: NativeFault, caller?: string): WeftError {
    const { op, layer = caller, names } = this.label(fault.call)
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
  await finished(timeline.submitted)
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
