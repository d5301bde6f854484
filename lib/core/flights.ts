// Flights: the runs and transfers that are under way, what they keep alive, who waits for them, and what failed.
import { native } from './addon.js'
import { type Buffer, freeParked, timeline } from './buffer.js'
import { WeftError } from './error.js'
import type { NativeFault } from './native.js'
import { checkCall } from './options.js'
import type { Program } from './program.js'

/** A run or transfer, and what it keeps alive. */
export interface Flight {
  ticket: number
  /** Absent: a transfer. */
  program: Program | undefined
  /** Whose operation it is, where the program itself does not know: one of a single call serves all layers. */
  layer?: string | undefined
  /** What it reads, and what went wrong in that. */
  inputs: readonly { readonly fault: WeftError | undefined }[]
  outputs: readonly Buffer[]
  /** Host memory it reads or fills. */
  host?: unknown
  /** Told what went wrong in it, or in a run that made one of its inputs. */
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
        (fault.code === 'ERR_INPUT' ? faultOfInputs(flight) : undefined) ??
        flight.program?.describe(fault, flight.layer) ??
        new WeftError((fault.code ?? 'ERR_CUDA') as 'ERR_CUDA', `transfer: ${fault.message}`)
      mark(flight, error)
      flight.onFault?.(error)
    } else {
      for (const { fault: inherited } of flight.inputs) {
        if (inherited === undefined) continue
        mark(flight, inherited)
        flight.onFault?.(inherited)
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

/** What the flight wrote is bad, where nothing was written over it since. */
function mark({ ticket, outputs }: Flight, fault: WeftError): void {
  for (const output of outputs) if (output.ticket <= ticket) output.fault = fault
}

/** What went wrong in the run that an input of this one comes of. */
function faultOfInputs({ inputs, program }: Flight): WeftError | undefined {
  return [...inputs, ...(program?.bound ?? [])].find(({ fault }) => fault !== undefined)?.fault
}

/**
 * Marks what failed runs wrote, as far as they are done. Returns the last ticket this holds for: what runs up to it
 * wrote and is not marked is good.
 */
export function noticeFaults(): number {
  // first, because a run that fails is counted before it is done
  const finished = native.status[0]!
  // a fault that was taken before its run was seen to be done is not marked yet
  return native.status[1] !== faultsSeen || faults.size > 0 ? retire() : finished
}

const KNOWN_TO_HAVE_FAILED = -1
export type Needs = number | number[] | undefined

/** The runs that a run's inputs come of, where they are not known to have gone well; `needs` and those of a buffer. */
export function needsOf(needs: Needs, { ticket, fault }: Buffer, finished: number): Needs {
  if (fault !== undefined) return KNOWN_TO_HAVE_FAILED
  if (ticket <= finished || ticket === needs || needs === KNOWN_TO_HAVE_FAILED) return needs
  if (needs === undefined) return ticket
  if (typeof needs === 'number') return [needs, ticket]
  if (!needs.includes(ticket)) needs.push(ticket)
  return needs
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

/**
 * Resolves what waits for runs that are done, where that is so by now. Whoever does many things in one turn of the
 * event loop calls it in between, so that results are not as late as the turn is long.
 */
export function settleFinished(): void {
  if (waiters.length > 0 && waiters[0]!.ticket <= native.status[0]!) settle()
}

native.onFinished(() => {
  settle()
  const announced = waiters.filter((w) => w.arranged && w.ticket <= native.status[6]!)
  if (announced.length === 0) return
  for (const waiter of announced) {
    waiter.arranged = false
    release()
  }
  if (!polling) poll(performance.now() + POLLED_MS)
})

/**
 * Most results are there sooner than a thread can be woken. For this long each turn of the event loop looks for them.
 */
const POLLED_MS = 0.2
let polling = false

/**
 * Looks for finished runs once per turn of the event loop; hands over to the completion function when it takes long.
 */
function poll(until: number): void {
  polling = true
  setImmediate(() => {
    polling = false
    turned = performance.now()
    settle()
    const left = waiters.filter((w) => !w.arranged)
    if (left.length === 0) return
    // a thread that computes may wait for this one's processor
    native.giveWay()
    if (turned < until) return poll(until)
    left.forEach(arrange)
  })
}

/** Has the completion function called for a waiter. */
function arrange(waiter: Waiter): void {
  waiter.arranged = true
  hold()
  native.notify(waiter.ticket)
}

/** How long the runs up to this ticket will take, where they are as long as the newest one; 0 where nobody knows. */
const expectedMs = (ticket: number): number => ((ticket - native.status[0]!) * native.status[4]!) / 1000

/** The event loop gets a turn at least this often, also where every result is there at once. */
const TURN_MS = 4
let turned = performance.now()

/** Whether a caller that waits for this run can go on at once: it is done, and the event loop had its turn. */
export function finishedNow(ticket: number): boolean {
  native.status[3] = 0
  if (native.status[0]! < ticket || performance.now() - turned >= TURN_MS) return false
  retire()
  return true
}

/**
 * Whether a run is done, for who will look again later. It counts as waiting for the run: a caller that waits for each
 * result has its next short run done on this thread.
 */
export function isFinished(ticket: number): boolean {
  native.status[3] = 0
  if (native.status[0]! < ticket) return false
  retire()
  return true
}

/**
 * How somebody who waits for a run learns of its end. 'asks': it looks for the end, or asks to be told. 'told': the run
 * notifies by itself, and others may follow it. 'later': it learns of it with the end of a later run, or after wake().
 */
export type Waiting = 'asks' | 'told' | 'later'

/** Resolves when the run with this ticket is done. */
export function finished(ticket: number, how: Waiting = 'asks'): Promise<void> {
  // a caller that waits for each result has its next short run done on this thread
  if (how === 'asks') native.status[3] = 0
  if (native.status[0]! >= ticket) {
    // a run that this thread has done tells nobody of itself, nor of those before it
    if (waiters.length > 0) settle()
    else retire()
    if (how !== 'asks' || performance.now() - turned < TURN_MS) return Promise.resolve()
    return new Promise((resolve) => {
      setImmediate(() => {
        turned = performance.now()
        resolve()
      })
    })
  }
  return new Promise((resolve) => {
    const waiter: Waiter = { ticket, done: resolve, arranged: how === 'told' }
    waiters.push(waiter)
    if (how === 'told') hold()
    else if (how === 'later') return
    else if (expectedMs(ticket) * 1000 > native.status[5]!) arrange(waiter)
    else if (!polling) poll(performance.now() + POLLED_MS)
  })
}

/** Tells who waits for this run at its end, though no later run may follow. */
export function wake(ticket: number): void {
  for (const waiter of waiters) if (waiter.ticket === ticket && !waiter.arranged) arrange(waiter)
}

/** Blocks until the run with this ticket is done. */
export function finishedSync(ticket: number): void {
  native.status[3] = 0
  if (native.status[0]! < ticket) native.waitSync(ticket)
  retire()
}

/** The ticket of the newest run. */
export const lastTicket = (): number => timeline.submitted

/** Native calls since the addon was loaded in this environment. */
export const nativeCalls = (): number => native.status[2]!

/** Counts a run or transfer that was just submitted. */
export function fly(flight: Flight): void {
  timeline.submitted = flight.ticket
  flights.push(flight)
  retire()
}

/** Resolves when all submitted work is done. */
export async function synchronize(): Promise<void> {
  checkCall('synchronize()', arguments)
  await finished(timeline.submitted)
}
