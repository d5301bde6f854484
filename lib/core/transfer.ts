// Transfers: bytes on their way between the host and a device's memory.
import { native } from './addon.js'
import { Buffer } from './buffer.js'
import { guard } from './error.js'
import { finished, fly, needsOf, noticeFaults } from './flights.js'
import { again } from './stack.js'

/** The run that must not have failed, for what moves the values of a buffer. */
const needOf = ([source]: readonly Buffer[]): number =>
  source === undefined ? 0 : ((needsOf(undefined, source, noticeFaults()) as number | undefined) ?? 0)

/**
 * Queues the way of host bytes into a fresh buffer of a device, `from` bytes behind its begin. The host bytes must not
 * change until it is done.
 */
export function upload(buffer: Buffer, bytes: Uint8Array, after = 0, inputs: readonly Buffer[] = [], from = 0): void {
  if (bytes.length === 0) return
  const host = bytes.buffer as ArrayBuffer
  const ticket = guard(() =>
    native.transfer(buffer.device, 'in', buffer.open() as number, from, host, bytes.byteOffset, bytes.byteLength, after, needOf(inputs)),
  )
  buffer.ticket = ticket
  buffer.writer = buffer.device
  fly({ ticket, program: undefined, inputs, outputs: [buffer], host })
}

/** Queues the way of a buffer's bytes from `from` on to the host: they are there when the ticket is done. */
export function download(
  buffer: Buffer,
  bytes: Uint8Array = new Uint8Array(buffer.bytes),
  outputs: readonly Buffer[] = [],
  from = 0,
): { ticket: number; bytes: Uint8Array } {
  if (bytes.length === 0) return { ticket: 0, bytes }
  const host = bytes.buffer as ArrayBuffer
  const ticket = guard(() =>
    native.transfer(buffer.device, 'out', buffer.open() as number, from, host, bytes.byteOffset, bytes.byteLength, 0, needOf([buffer])),
  )
  fly({ ticket, program: undefined, inputs: [buffer], outputs, host })
  return { ticket, bytes }
}

/**
 * The bytes of a buffer on the host, once the runs so far are done; not to be written to. Rejects with what went wrong
 * in them.
 */
export async function bytesOnHost(buffer: Buffer): Promise<Uint8Array> {
  const { ticket, bytes } = buffer.visible ? { ticket: buffer.ticket, bytes: undefined } : download(buffer)
  await finished(ticket)
  if (buffer.fault) throw again(buffer.fault)
  return bytes ?? buffer.view()
}

/** Puts bytes into a part of a buffer of another device than the CPU. Resolves when they are there. */
export async function uploadPart(buffer: Buffer, at: number, bytes: Uint8Array): Promise<void> {
  upload(buffer, bytes, 0, [], at)
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
    upload(target, source.view(), source.ticket, [source])
    return target
  }
  const { ticket, bytes } = download(source)
  upload(target, bytes, ticket, [source])
  return target
}
