// Gather: pieces of host memory become one buffer of a device. Large ones are copied by the worker, not by this thread.
import { native } from './addon.js'
import type { Buffer } from './buffer.js'
import { guard, type WeftError } from './error.js'
import { fly } from './flights.js'
import { upload } from './transfer.js'

/** Fewer bytes are copied here: to wake the worker would take longer, and its next run would have to wait for it. */
const LEAST_HANDED_OVER = 1 << 20
const CPU = 0

/**
 * Fills a fresh buffer with the pieces, one after the other, and what they do not fill with their bytes again, from the
 * first on. The pieces must not change until the runs that read the buffer are done.
 */
export function gatherInto(buffer: Buffer, pieces: readonly Uint8Array[]): void {
  const { bytes } = buffer
  if (bytes === 0) return
  const onHost = buffer.device === CPU
  const target = onHost ? buffer.viewNow() : new Uint8Array(bytes)
  if (bytes < LEAST_HANDED_OVER) {
    let at = 0
    for (const piece of pieces) {
      target.set(piece, at)
      at += piece.length
    }
    for (; at > 0 && at < bytes; at *= 2) target.copyWithin(at, 0, Math.min(at, bytes - at))
    if (!onHost) upload(buffer, target)
    return
  }
  const host = target.buffer as ArrayBuffer
  const ticket = guard(() => native.gather(CPU, host, target.byteOffset, bytes, pieces))
  const copied: { fault: WeftError | undefined } = { fault: undefined }
  const onFault = (fault: WeftError): void => void (copied.fault = fault)
  fly({ ticket, program: undefined, inputs: [], outputs: onHost ? [buffer] : [], host: [host, pieces], onFault })
  if (onHost) Object.assign(buffer, { ticket, writer: CPU })
  else upload(buffer, target, { after: ticket, inputs: [copied], need: ticket })
}
