// Buffer: device memory of tensors, and how much of it is held. On the CPU a buffer is an ArrayBuffer of V8, elsewhere
// an address.
import { native } from './addon.js'
import { device, indexOf } from './device.js'
import { refuseClones } from './clone.js'
import { WeftError } from './error.js'
import type { Storage } from './native.js'
import { checkCall } from './options.js'

/** Tickets count runs; `submitted` is the newest. */
export const timeline: { submitted: number } = { submitted: 0 }

/**
 * Blocks of 1 KiB and more start at a 64-byte boundary inside storage that is 64 bytes longer (C++ applies the same
 * rule).
 */
const ALIGNED = 1024

/** Memory on the host: where a block's bytes begin in its storage. */
interface HostBlock {
  storage: ArrayBuffer
  offset: number
}

/** Memory let go of while runs were in flight that may still touch it: C++ holds plain addresses. */
let parked: { ticket: number; block: HostBlock | undefined; storage: ArrayBuffer }[] = []

/** Lets go of parked memory that no run touches any more. */
export function freeParked(finished: number): void {
  if (parked.length === 0 || parked[0]!.ticket > finished) return
  const free = parked.filter(({ ticket }) => ticket <= finished)
  parked = parked.filter(({ ticket }) => ticket > finished)
  for (const { block } of free) if (block !== undefined) keepHost(block)
}

/**
 * Blocks of the host that were freed, by length: fresh ones cost a system call and a fault for every page, for V8 asks
 * for memory that is zero.
 */
const spareHost = new Map<number, HostBlock[]>()
let spareHostBytes = 0
const MOST_SPARE_HOST = 64 << 20

function keepHost(block: HostBlock): void {
  const { byteLength } = block.storage
  if (spareHostBytes + byteLength > MOST_SPARE_HOST) {
    spareHost.clear() // of sizes that are no longer asked for
    spareHostBytes = 0
    if (byteLength > MOST_SPARE_HOST / 4) return
  }
  const list = spareHost.get(byteLength)
  if (list) list.push(block)
  else spareHost.set(byteLength, [block])
  spareHostBytes += byteLength
}

function hostBlock(bytes: number): HostBlock {
  const length = bytes >= ALIGNED ? bytes + 64 : bytes
  const found = spareHostBytes > 0 ? spareHost.get(length)?.pop() : undefined
  if (found !== undefined) {
    spareHostBytes -= length
    return found
  }
  const storage = new ArrayBuffer(length)
  return { storage, offset: bytes >= ALIGNED ? native.alignment(storage) : 0 }
}

let live = 0
let liveBuffers = 0
let peak = 0
interface Held {
  bytes: number
  buffers: number
}
/** Buffers are registered in groups of neighbours, so that a synchronous loop of a million costs little. */
class Group {
  bytes = 0
  buffers = 0
  /** What of it was not freed by hand. */
  readonly counted: Held = { bytes: 0, buffers: 0 }

  constructor() {
    refuseClones(this)
    collected.register(this, this.counted)
  }
}
let group: Group | undefined
const collected = new FinalizationRegistry<Held>(({ bytes, buffers }) => {
  live -= bytes
  liveBuffers -= buffers
})

/** A block of a device's memory. */
interface DeviceBlock {
  device: number
  address: number
  bytes: number
}

/**
 * Blocks that were freed, by device and size: a loop that makes and frees the same results takes them from here without
 * a native call.
 */
const spare = new Map<string, number[]>()
let spareBytes = 0
const MOST_SPARE = 64 << 20
const keyOf = (device: number, bytes: number): string => `${device}:${bytes}`

function take(device: number, bytes: number): number | undefined {
  const found = spareBytes > 0 ? spare.get(keyOf(device, bytes))?.pop() : undefined
  if (found !== undefined) spareBytes -= bytes
  return found ?? native.allocate(device, bytes) ?? (spareBytes > 0 ? (dropSpare(), native.allocate(device, bytes)) : undefined)
}

/** Later runs of the device may have the block at once: they come after those in flight. */
function give({ device, address, bytes }: DeviceBlock): void {
  if (spareBytes + bytes > MOST_SPARE) {
    native.release(address)
    return
  }
  const key = keyOf(device, bytes)
  const list = spare.get(key)
  if (list) list.push(address)
  else spare.set(key, [address])
  spareBytes += bytes
}

function dropSpare(): void {
  for (const list of spare.values()) for (const address of list) native.release(address)
  spare.clear()
  spareBytes = 0
}

/** Memory of devices that was never freed by hand. */
const abandoned = new FinalizationRegistry<DeviceBlock>(give)

/** Device memory of one tensor, or of several tensors that see it with different shapes. */
export class Buffer {
  /** Keeps its group reachable. First, so that a clone is refused before memory is copied. */
  readonly group: Group
  storage: Storage | undefined
  readonly bytes: number
  /** Position of its device in the addon's list; 0: the CPU. */
  readonly device: number
  /** Ticket of the last run that writes it, and the device that run is on. */
  ticket = 0
  writer: number
  /** The copy of the bytes that a run sent to the host; see Program.run. */
  mirror: ArrayBuffer | undefined
  fault: WeftError | undefined
  /** On the host: where its bytes begin in the storage. */
  private offset = 0
  /** Somebody may read or write the bytes later, also when no tensor holds them any more. */
  private lent = false
  /** Tensors that hold it. */
  users = 1
  /** Who still reads the present values, piece by piece (keep.ts): told before a run writes others. */
  kept: { part(): void } | undefined

  constructor(bytes: number, where: string) {
    this.bytes = bytes
    this.device = indexOf(where)
    this.writer = this.device
    const limit = memoryLimit()
    if (live + bytes > limit) {
      throw new WeftError(
        'ERR_OUT_OF_MEMORY',
        `asked for ${bytes} bytes; ${live} of the limit of ${limit} are held by ${liveBuffers} tensors`,
        {
          hint: 'Trace the computation with jit(), free tensors with dispose(), tidy() or `using`, or raise WEFT_MEMORY_LIMIT',
        },
      )
    }
    try {
      if (this.device === 0) ({ storage: this.storage, offset: this.offset } = hostBlock(bytes))
      else this.storage = take(this.device, bytes)
    } catch (cause) {
      throw outOfMemory(bytes, where, cause)
    }
    if (this.storage === undefined) throw outOfMemory(bytes, where)
    if (typeof this.storage === 'number') abandoned.register(this, { device: this.device, address: this.storage, bytes }, this)
    if (group === undefined || group.buffers === 64 || group.bytes > 1 << 20) group = new Group()
    group.bytes += bytes
    group.buffers++
    group.counted.bytes += bytes
    group.counted.buffers++
    this.group = group
    live += bytes
    liveBuffers++
    if (live > peak) peak = live
  }

  /** Whether the host can see the bytes: they are its own, or were sent along with the last run. */
  get visible(): boolean {
    return typeof this.storage === 'object' || this.mirror !== undefined
  }

  /**
   * The bytes where `visible`, for reading (on the CPU also writing); only when no run is under way that touches them.
   * The memory serves nobody else afterwards.
   */
  view(): Uint8Array {
    this.lent = true
    return this.viewNow()
  }

  /** view() for who is done with the bytes before anything else runs on this thread. */
  viewNow(): Uint8Array {
    const storage = this.mirror ?? this.open()
    if (typeof storage === 'number') throw new WeftError('ERR_STATE', 'the values of this tensor are not on the host')
    return new Uint8Array(storage, this.mirror === undefined ? this.offset : 0, this.bytes)
  }

  open(): Storage {
    if (this.storage === undefined) throw new WeftError('ERR_DISPOSED', 'this tensor was disposed')
    return this.storage
  }

  /** One tensor lets go; the last one frees. Runs in flight keep what they use. */
  release(): void {
    if (this.storage === undefined || --this.users > 0) return
    if (typeof this.storage === 'number') {
      abandoned.unregister(this)
      give({ device: this.device, address: this.storage, bytes: this.bytes })
    } else {
      const block = this.lent || this.bytes < ALIGNED ? undefined : { storage: this.storage, offset: this.offset }
      if (native.status[0]! < timeline.submitted) parked.push({ ticket: timeline.submitted, block, storage: this.storage })
      else if (block !== undefined) keepHost(block)
    }
    this.storage = undefined
    this.mirror = undefined
    live -= this.bytes
    liveBuffers--
    this.group.counted.bytes -= this.bytes
    this.group.counted.buffers--
  }
}

function outOfMemory(bytes: number, where: string, cause?: unknown): WeftError {
  return new WeftError('ERR_OUT_OF_MEMORY', `asked for ${bytes} bytes on ${where}; ${live} bytes are held by ${liveBuffers} tensors`, {
    cause,
    hint: 'Trace the computation with jit(), free tensors with dispose(), tidy() or `using`, or use smaller batches',
  })
}

let limitBytes: number | undefined
function memoryLimit(): number {
  if (limitBytes === undefined) {
    const text = process.env['WEFT_MEMORY_LIMIT']
    if (!text) return (limitBytes = Number.POSITIVE_INFINITY)
    const match = /^(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB|TiB|KB|MB|GB|TB)?$/i.exec(text.trim())
    if (!match)
      throw new WeftError('ERR_ARGUMENT', `WEFT_MEMORY_LIMIT='${text}' is not a size`, { hint: 'Write for example 8GiB or 500MB' })
    const unit = (match[2] ?? 'B').toLowerCase()
    const base = unit.includes('i') ? 1024 : 1000
    limitBytes = Number(match[1]) * base ** 'bkmgt'.indexOf(unit[0]!)
  }
  return limitBytes
}

/**
 * Bytes and tensors held: `used` by tensors, `reserved` with the arenas of loaded programs, `peak` the most used so
 * far.
 */
export function memory(): { device: { used: number; peak: number; reserved: number; limit: number }; tensors: number } {
  checkCall('memory()', arguments)
  const here = native.memory(indexOf(device()))
  return { device: { used: live, peak, reserved: Math.max(here.reserved, live + here.arena), limit: memoryLimit() }, tensors: liveBuffers }
}
