// The addon's typed face: the only functions that cross between JavaScript and C++.
import type { AttrValue, DType, Shape } from './op.js'

export interface NativeDevice {
  id: string
  kind: 'cpu' | 'cuda'
  name: string
  emulated: boolean
  /** Instruction set of the kernels in use on the CPU: portable, avx2 or avx512. */
  level: string
  threads: number
  features: string[]
}

/** A memory block of a program; see lib/graph.ts. */
export interface SlotSpec {
  kind: 'arena' | 'input' | 'output' | 'state' | 'constant'
  bytes: number
  /** input, output: its position in run(); state: its position in ProgramSpec.states. */
  index: number
  /** constant: the value and dtype every element has. */
  value?: number
  dtype?: DType
}
export interface ValueSpec {
  /** -1: nobody reads it. */
  slot: number
  shape: Shape
  dtype: DType
}
export interface CallSpec {
  op: string
  inputs: number[]
  outputs: number[]
  attrs: Readonly<Record<string, AttrValue>>
  /** Writes new state over old: may do so in place. */
  update: boolean
}
export interface ProgramSpec {
  slots: SlotSpec[]
  values: ValueSpec[]
  calls: CallSpec[]
  states: ArrayBuffer[]
  /** State `state` becomes the value in `slot` when the step succeeds. */
  writes: { slot: number; state: number }[]
}

export type NativeProgram = { readonly __program: unique symbol }

export interface NativeFault {
  ticket: number
  /** Index of the call in the program; -1 when unknown. */
  call: number
  /** The offending value, or undefined when the step threw. */
  value?: number
  code?: string
  message?: string
}

export interface NativeProfile {
  name: string
  count: number
  ms: number
  flops: number
  bytes: number
}

export interface Native {
  readonly version: number
  /** [0]: the last finished ticket, [1]: faults so far, [2]: native calls so far. Written by C++. */
  readonly status: Float64Array
  devices(): NativeDevice[]
  kernels(backend: string): string[]
  load(spec: ProgramSpec): NativeProgram
  unload(program: NativeProgram): void
  /** Queues one run; returns its ticket. `notify`: call the completion function when it is done. Blocks while 64 runs are queued. */
  run(program: NativeProgram, inputs: ArrayBuffer[], outputs: ArrayBuffer[], notify: boolean): number
  /** Arranges for the completion function to be called when the ticket is done. */
  notify(ticket: number): void
  /** Blocks until the ticket is done. */
  waitSync(ticket: number): void
  onFinished(callback: () => void): void
  /** Keep, or stop keeping, the event loop alive for the completion function. */
  hold(on: boolean): void
  faults(): NativeFault[]
  /** Offset of the first 64-byte boundary of the storage. */
  alignment(storage: ArrayBuffer): number
  /** Opens a library of kernels; the names of its ops. */
  loadKernels(path: string): string[]
  programMemory(program: NativeProgram): { arena: number; constants: number }
  memory(): { arena: number; programs: number }
  profile(on: boolean): NativeProfile[]
}
