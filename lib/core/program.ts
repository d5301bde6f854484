// Program: calls that were loaded into C++ as one, and their runs.
import { native } from './addon.js'
import type { Buffer } from './buffer.js'
import { guard, WeftError } from './error.js'
import { fly, type Needs, needsOf, noticeFaults } from './flights.js'
import type { NativeFault, NativeProgram, ProgramSpec, Storage } from './native.js'

/** What a program was made of, to name the op and layer of a fault. */
export type Describe = (call: number) => { op: string; layer: string | undefined; taken: string | undefined }

/** Small results come to the host with the run. */
const replyOf = (output: Buffer): ArrayBuffer | undefined => (output.bytes <= native.mostReply ? new ArrayBuffer(output.bytes) : undefined)

interface RunOptions {
  notify?: boolean
  /** Default: as notify. */
  replies?: boolean
  onFault?: (error: WeftError) => void
  layer?: string | undefined
}

/** A loaded program: C++ kernels bound to shapes, and one arena for what lives only during a run. */
export class Program {
  private handle: NativeProgram | undefined
  /** State and captured tensors, kept alive and checked before each run. */
  readonly bound: readonly Buffer[]
  private readonly label: Describe
  /** Position in the addon's list. */
  readonly device: number
  /** Whether a run may write to what is bound. */
  private readonly writes: boolean

  constructor(spec: ProgramSpec, bound: readonly Buffer[], label: Describe, device: number) {
    this.handle = guard(() => native.load(spec, device))
    this.bound = bound
    this.label = label
    this.device = device
    this.writes = spec.writes.length > 0 || spec.calls.some(({ update }) => update)
  }

  /**
   * Enqueues one run and returns its ticket. `notify`: the run's completion wakes waiters without a further call.
   * `replies`: small results of other devices than the CPU come to the host with it. `layer`: named by an error where
   * the program's own description names none.
   */
  run(
    inputs: readonly Buffer[],
    outputs: readonly Buffer[],
    { notify = false, replies: wanted = notify, onFault, layer }: RunOptions = {},
  ): number {
    if (this.handle === undefined) throw new WeftError('ERR_DISPOSED', 'this function was disposed')
    const done = noticeFaults()
    let after = 0
    let needs: Needs
    for (const buffer of this.bound) {
      needs = needsOf(needs, buffer, done)
      if (buffer.storage === undefined) throw new WeftError('ERR_DISPOSED', 'a tensor this function closes over was disposed')
      if (this.writes && buffer.kept !== undefined) buffer.kept.part()
      if (buffer.writer !== this.device) after = Math.max(after, buffer.ticket)
    }
    const from: Storage[] = new Array(inputs.length)
    for (let i = 0; i < inputs.length; i++) {
      const input = inputs[i]!
      needs = needsOf(needs, input, done)
      from[i] = input.open()
      if (input.writer !== this.device) after = Math.max(after, input.ticket)
    }
    const to: Storage[] = new Array(outputs.length)
    for (let i = 0; i < outputs.length; i++) {
      outputs[i]!.kept?.part()
      to[i] = outputs[i]!.open()
    }
    if (after <= native.status[0]!) after = 0
    const replies = wanted && this.device !== 0 ? outputs.map(replyOf) : undefined
    const ticket = guard(() => native.run(this.handle!, from, to, notify, after, needs, replies))
    for (let i = 0; i < outputs.length; i++) {
      const output = outputs[i]!
      output.ticket = ticket
      output.fault = undefined
      output.writer = this.device
      output.mirror = replies?.[i]
    }
    fly({ ticket, program: this, layer, inputs, outputs, onFault })
    return ticket
  }

  describe(fault: NativeFault, caller?: string): WeftError {
    const { op, layer = caller, taken } = this.label(fault.call)
    const where = layer ? `${op} in layer '${layer}'` : op
    const facts = { op, ...(layer === undefined ? {} : { layer }) }
    if (fault.value === undefined)
      return new WeftError(
        (fault.code === undefined || fault.code === 'ERR_INPUT' ? 'ERR_DATA' : fault.code) as 'ERR_DATA',
        `${where}: ${fault.message ?? 'the step failed'}`,
        facts,
      )
    return new WeftError('ERR_DATA', `${where}: value ${fault.value} is out of range${taken ? `: ${taken}` : ''}`, {
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
