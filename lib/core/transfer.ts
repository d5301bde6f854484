// Transfers: bytes on their way between the host and a device's memory.
import { native } from './addon.js'
import { Buffer } from './buffer.js'
import { guard, type WeftError } from './error.js'
import { type Flight, finished, fly, needsOf, noticeFaults } from './flights.js'
import { again } from './stack.js'

/** The run that must not have failed, for what moves the values of a buffer. */
const needOf = (source: Buffer): number => (needsOf(undefined, source, noticeFaults()) as number | undefined) ?? 0

interface Upload {
  /** It begins when this run or transfer, which is another device's, is done. */
  after?: number
  /** What the bytes come of. */
  inputs?: Flight['inputs']
  /** The run or transfer that must not have failed; 0: none. */
  need?: number
  /** Where in the buffer the bytes begin. */
  from?: number
}

/** Queues the way of host bytes into a buffer of a device. The host bytes must not change until it is done. */
export function upload(buffer: Buffer, bytes: Uint8Array, { after = 0, inputs = [], need = 0, from = 0 }: Upload = {}): void {
  if (bytes.length === 0) return
  const host = bytes.buffer as ArrayBuffer
  const ticket = guard(() =>
    native.transfer(buffer.device, 'in', buffer.open() as number, from, host, bytes.byteOffset, bytes.byteLength, after, need),
  )
  buffer.ticket = ticket
  buffer.writer = buffer.device
  fly({ ticket, program: undefined, inputs, outputs: [buffer], host })
}

/** Bytes on their way to the host: they are there when the ticket is done, if nothing went wrong until then. */
export interface Download {
  readonly ticket: number
  readonly bytes: Uint8Array
  /** What went wrong on the way or before, once the ticket is done: the buffer may hold good values all the same. */
  readonly fault: WeftError | undefined
}

/** Queues the way of a buffer's bytes from `from` on to the host. */
export function download(
  buffer: Buffer,
  bytes: Uint8Array = new Uint8Array(buffer.bytes),
  outputs: readonly Buffer[] = [],
  from = 0,
): Download {
  if (bytes.length === 0) return { ticket: 0, bytes, fault: undefined }
  const host = bytes.buffer as ArrayBuffer
  const ticket = guard(() =>
    native.transfer(buffer.device, 'out', buffer.open() as number, from, host, bytes.byteOffset, bytes.byteLength, 0, needOf(buffer)),
  )
  const way: Download = { ticket, bytes, fault: undefined }
  fly({ ticket, program: undefined, inputs: [buffer], outputs, host, onFault: (fault) => Object.assign(way, { fault }) })
  return way
}

/**
 * The bytes of a buffer on the host, once the runs so far are done; not to be written to. Rejects with what went wrong
 * in them.
 */
export async function bytesOnHost(buffer: Buffer): Promise<Uint8Array> {
  const way = buffer.visible ? undefined : download(buffer)
  await finished(way?.ticket ?? buffer.ticket)
  const fault = buffer.fault ?? way?.fault
  if (fault) throw again(fault)
  return way?.bytes ?? buffer.view()
}

/** Puts bytes into a part of a buffer of another device than the CPU. Resolves when they are there. */
export async function uploadPart(buffer: Buffer, at: number, bytes: Uint8Array): Promise<void> {
  upload(buffer, bytes, { from: at })
  buffer.mirror = undefined
  await finished(buffer.ticket)
  if (buffer.fault) throw again(buffer.fault)
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
    upload(target, source.view(), { after: source.ticket, inputs: [source], need: needOf(source) })
    return target
  }
  const way = download(source)
  upload(target, way.bytes, { after: way.ticket, inputs: [source, way], need: way.ticket })
  return target
}
