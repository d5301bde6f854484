// Kept values: a tensor's values as of now, read later and piece by piece. They are copied only when a run is about to
// write others (copy on write), so that saving a large model takes little memory beside it.
import { overwriteMemory } from './apply.js'
import { Buffer } from './buffer.js'
import { finished, lastTicket } from './flights.js'
import { bytesOf, type DType, type Shape, sizeOf } from './spec.js'
import { again } from './stack.js'
import type { Tensor } from './tensor.js'
import { download } from './transfer.js'

/** Values of a tensor as of the time of keep(). Whoever has one calls release(). */
export class Kept {
  readonly shape: Shape
  readonly dtype: DType
  readonly bytes: number
  readonly device: string
  readonly signature: string
  /** Where the values are: the tensor's memory, or a copy. */
  private buffer: Buffer
  /** What was submitted before: it must be done before the host reads the tensor's memory. */
  private ticket: number = lastTicket()
  private fault: unknown
  private users = 1

  private constructor(t: Tensor, buffer: Buffer) {
    this.shape = t.shape
    this.dtype = t.dtype
    this.bytes = sizeOf(t.shape) * bytesOf(t.dtype)
    this.device = t.device
    this.signature = t.signature
    this.buffer = buffer
    buffer.users++
    buffer.kept = this
  }

  static of(t: Tensor): Kept {
    const buffer = t.held()
    if (!(buffer.kept instanceof Kept)) return new Kept(t, buffer)
    buffer.kept.users++
    return buffer.kept
  }

  /** A run is about to write to the tensor: the values move to memory of their own. */
  part(): void {
    const from = this.buffer
    from.kept = undefined
    try {
      const copy = new Buffer(from.bytes, this.device)
      overwriteMemory(copy, from, this)
      copy.fault = from.fault
      this.ticket = lastTicket()
      this.buffer = copy
      from.release()
    } catch (error) {
      this.fault = error // of the reader, not of the run
    }
  }

  /** Fills `into` with the values' bytes from `at` on. Rejects with what went wrong in the runs that made them. */
  async read(at: number, into: Uint8Array): Promise<void> {
    for (;;) {
      if (this.fault !== undefined) throw this.fault
      const { buffer } = this
      // queued before any later run, so that this part is the kept one even if the values move meanwhile
      const way = buffer.visible ? undefined : download(buffer, into, [], at)
      await finished(way?.ticket ?? this.ticket)
      const fault = buffer.fault ?? way?.fault
      if (fault) throw again(fault)
      if (way !== undefined) return
      if (buffer !== this.buffer || this.fault !== undefined) continue
      into.set(buffer.viewNow().subarray(at, at + into.length))
      return
    }
  }

  release(): void {
    if (--this.users > 0) return
    if (this.buffer.kept === this) this.buffer.kept = undefined
    this.buffer.release()
  }
}

/** The values of a tensor as of now; later runs and assign() do not change them. */
export const keep = (t: Tensor): Kept => Kept.of(t)
