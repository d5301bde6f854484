// The addon's typed face: the only functions that cross between JavaScript and C++.
import type { DeviceInfo } from './device.js'
import type { AttrValue } from './op.js'
import type { DType, Shape } from './spec.js'

/** Memory of a device: an ArrayBuffer on the CPU, elsewhere the address that allocate() gave. */
export type Storage = ArrayBuffer | number

/** A memory block of a program; see lib/core/graph.ts. */
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
  states: Storage[]
  /** State `state` becomes the value in `slot` when the step succeeds. */
  writes: { slot: number; state: number }[]
  precision: 'float32' | 'tf32' | 'mixedBfloat16'
  /** An eager call: results go straight to their buffers, and nothing is recorded for replay. */
  single: boolean
  /** Of a function that is traced at every call: equal graphs share the program. */
  retraced?: boolean
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

/** What moves the bytes of a distributed run. */
export type Engine = 'mpi' | 'nccl'

export interface Native {
  readonly version: number
  /**
   * Written by C++: [0] the last finished ticket, [1] faults so far, [2] native calls so far, [3] microseconds that
   * short runs took on this thread. Whoever waits for a result sets [3] back to 0; from 50 on all runs go to the
   * worker. [4] microseconds that the newest run is expected to take; 0: unknown. [5] for how many microseconds it pays
   * to look for its end in every turn. [6] the last ticket that was announced: it is about to be done.
   */
  readonly status: Float64Array
  /** Bytes of the largest output that a run may bring to the host by itself. */
  readonly mostReply: number
  /** Whether the CPU has instructions for products of bfloat16, and the kernels in use have them too. */
  readonly multipliesBfloat16: boolean
  /** Whether the CPU has tile registers (AMX) for these products, and WEFT_CPU_AMX is not off. */
  readonly multipliesTiles: boolean
  /** The CPU, then what libraries brought: their positions are what other functions take as `device`. */
  devices(): DeviceInfo[]
  /**
   * Opens the CUDA library, once per process; what it found out: 'library', 'device' (ids in order), 'driver',
   * 'problem', ...
   */
  openCuda(path: string | undefined): [string, string][]
  kernels(backend: string): string[]
  load(spec: ProgramSpec, device: number): NativeProgram
  unload(program: NativeProgram): void
  /**
   * Queues one run; returns its ticket. `notify`: call the completion function when it is done. It begins when ticket
   * `after`, of another device, is done. It fails (ERR_INPUT), and changes nothing, when a run fails whose ticket is in
   * `needs`, or when -1 is. `replies`: host memory that takes small outputs when the run is done. Blocks while 64 runs
   * are queued.
   */
  run(
    program: NativeProgram,
    inputs: Storage[],
    outputs: Storage[],
    notify: boolean,
    after: number,
    needs: number | readonly number[] | undefined,
    replies?: readonly (ArrayBuffer | undefined)[],
  ): number
  /** Memory of a device that is not the host's; undefined when there is not enough. */
  allocate(device: number, bytes: number): number | undefined
  /** Runs submitted so far may still use it. */
  release(address: number): void
  /**
   * Queues a copy between a device's memory, `from` bytes behind its address, and host[offset, offset + bytes); returns
   * its ticket. The host memory is used until then. Fails where the run `need` has failed, or where it is -1; 0: no
   * run.
   */
  transfer(
    device: number,
    way: 'in' | 'out',
    address: number,
    from: number,
    host: ArrayBuffer,
    offset: number,
    bytes: number,
    after: number,
    need: number,
  ): number
  /**
   * Queues, on the worker of a device on the host, the copies of the pieces, one after the other, into
   * host[offset, offset + bytes); what they do not fill takes their bytes again, from the first on. Returns its ticket.
   * All of this memory is used until then.
   */
  gather(device: number, host: ArrayBuffer, offset: number, bytes: number, pieces: readonly Uint8Array[]): number
  /**
   * Of a node of a boosted tree: counts its rows into `histogram`, takes that off `parent`, and finds the best splits
   * of both. See native/learn_histograms.h.
   */
  fillHistogram(
    binned: { words: Int32Array; common: Int32Array; begins: Int32Array; missing: Uint8Array },
    rows: Int32Array,
    pairs: Float64Array,
    histogram: Float64Array,
    parent: Float64Array | null,
    numbers: Float64Array,
    best: Float64Array,
  ): void
  /** Whether openSealed can: Node.js shows its libcrypto to addons. */
  opensSealed(): boolean
  /**
   * Opens chunks that AES-256-GCM sealed, each followed by its tag of 16 bytes, into `target`, on so many threads of
   * the pool: one for each nonce of 12 bytes, all of `chunkBytes` but the last. `stored` are their bytes, or the number
   * of an open file that has them from `position` on. Resolves with how many could be read and were as they were
   * sealed; the bytes of the one after them are zeros.
   */
  openSealed(
    key: Uint8Array,
    associated: Uint8Array,
    nonces: Uint8Array,
    chunkBytes: number,
    stored: Uint8Array | number,
    position: number,
    target: Uint8Array,
    threads: number,
  ): Promise<number>
  /** Arranges for the completion function to be called when the ticket is done. */
  notify(ticket: number): void
  /** Blocks until the ticket is done. */
  waitSync(ticket: number): void
  /** Lets a thread run that waits for the processor of this one. */
  giveWay(): void
  onFinished(callback: () => void): void
  /** Keep, or stop keeping, the event loop alive for the completion function. */
  hold(on: boolean): void
  faults(): NativeFault[]
  /** Offset of the first 64-byte boundary of new storage. Large storage gets huge pages. */
  alignment(storage: ArrayBuffer): number
  /** Opens a library of kernels; the names of its ops. */
  loadKernels(path: string): string[]
  programMemory(program: NativeProgram): { arena: number; constants: number }
  memory(device: number): { arena: number; reserved: number; programs: number }
  profile(on: boolean): NativeProfile[]
  /** Opens the engine of a distributed run, and meets the other ranks. Once per process. */
  openEngine(
    name: Engine,
    settings: {
      /** The library that brings the engine; empty: the one beside the addon. */
      from: string
      /** The engine's own library; empty: as the system finds it. */
      library: string
      network: string
      rank: number
      size: number
      timeoutMs: number
      heartbeatMs: number
      device: string
      address: string
      port: number
      job: string
    },
  ): Promise<{ rank: number; size: number; version: string }>
  /** Opens the engine's own library; its version. */
  engineVersion(name: Engine, from: string, library: string): string
  /** The texts that the ranks give, in their order. */
  gatherTexts(text: string): Promise<string[]>
  /** Leaves the run. */
  closeEngine(): Promise<void>
  /** The same on this thread, for a process that ends. */
  leaveEngine(failed: boolean): void
}
