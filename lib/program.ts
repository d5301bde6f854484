// Programs in JavaScript: what runs are in flight and keep alive, who waits for them, and what failed.
import { type Buffer, freeParked, timeline } from './buffer.js'
import { native } from './device.js'
import { WeftError } from './error.js'
import type { NativeFault, NativeProgram, ProgramSpec } from './native.js'

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
      const error = flight.program.describe(fault)
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
    timeline.submitted = ticket
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
