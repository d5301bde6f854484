// Rollout: a new version beside the stable one. It answers a share of the requests, or is asked in their shadow, and is
// rolled back where it fails, is slow, or disagrees.
import { WeftError } from '../../core/error.js'
import { checkOptions, type OptionTable, show } from '../../core/options.js'
import type { Cancellation } from '../cancellation.js'
import type { GenerateRequest, Finish, Generated } from '../generation.js'
import type { InferRequest } from '../protocol/request.js'
import type { InferReply } from '../protocol/response.js'
import { aligned, type Signature, type WireTensor } from '../protocol/tensors.js'
import type { ServedModel } from '../served_model.js'
import { statusOf } from '../status.js'
import type { RequestTrace } from '../tracing.js'

export interface RollbackLimits {
  /** Most share of its answers that may fail by its own fault. Default 0.05. */
  errors?: number
  /** Most that its median latency may be, as a multiple of the stable version's. Default 2. */
  latency?: number
  /**
   * Most share of answers that differ from the stable version's. Default: they are not compared, unless in the shadow.
   */
  disagreement?: number
  /**
   * How far two values may differ and agree, relative to the larger of 1 and the value; scores agree by the largest.
   * Default 0.01.
   */
  tolerance?: number
  /**
   * Requests before latency is judged; errors and disagreement are, once they would be too many for so many. Default
   * 50.
   */
  least?: number
}

export interface CanarySettings {
  /** Share of the requests without a version that the label 'canary' answers. Default 0. */
  share?: number
  /** Share of the other requests that it is asked as well, and its answers compared and dropped. Default 0. */
  shadow?: number
  rollback?: RollbackLimits
}

const CANARY: OptionTable<CanarySettings> = { share: 'number', shadow: 'number', rollback: 'object' }
const ROLLBACK: OptionTable<RollbackLimits> = {
  errors: 'number',
  latency: 'number',
  disagreement: 'number',
  tolerance: 'number',
  least: 'integer',
}

export function checkCanary(value: unknown): CanarySettings {
  checkOptions('canary', value ?? null, CANARY)
  const { share, shadow, rollback } = value as CanarySettings
  checkOptions('canary: rollback', rollback, ROLLBACK)
  const shares = { share, shadow, errors: rollback?.errors, disagreement: rollback?.disagreement }
  for (const [name, number] of Object.entries(shares))
    if (number !== undefined && !(number >= 0 && number <= 1))
      throw new WeftError('ERR_ARGUMENT', `canary: ${name} is from 0 to 1, got ${show(number)}`)
  for (const [name, number] of Object.entries({ latency: rollback?.latency, least: rollback?.least }))
    if (number !== undefined && !(number >= 1)) throw new WeftError('ERR_ARGUMENT', `canary: ${name} is at least 1, got ${show(number)}`)
  const { tolerance = 0 } = rollback ?? {}
  if (!(tolerance >= 0)) throw new WeftError('ERR_ARGUMENT', `canary: tolerance is at least 0, got ${show(tolerance)}`)
  return value as CanarySettings
}

/** What requests are answered by: a version, or two of them. */
export type Answering = Pick<ServedModel, 'name' | 'version' | 'signature' | 'generates' | 'textInput' | 'noRoom' | 'infer' | 'generate'>

const DEFAULTS: Required<Omit<RollbackLimits, 'disagreement'>> = { errors: 0.05, latency: 2, tolerance: 0.01, least: 50 }
/** What a timer cannot tell apart. */
const LATENCY_SLACK_MS = 1
/** Requests waiting for a version beyond which it is not asked in the shadow. */
const BUSY = 16

/** Times of the last requests. */
class Window {
  private readonly times: number[] = []
  private at = 0

  constructor(private readonly size: number) {}

  get isFull(): boolean {
    return this.times.length === this.size
  }
  get median(): number {
    return [...this.times].sort((a, b) => a - b)[this.times.length >> 1] ?? 0
  }

  add(time: number): void {
    this.times[this.at] = time
    this.at = (this.at + 1) % this.size
  }
}

export interface RolloutCounts {
  readonly answered: number
  readonly failed: number
  readonly compared: number
  readonly different: number
}

export class Rollout implements Answering {
  private readonly limits: typeof DEFAULTS & RollbackLimits
  private readonly times: { readonly stable: Window; readonly canary: Window }
  private readonly found = { answered: 0, failed: 0, compared: 0, different: 0 }
  /** What is left of the shares: the requests are spread evenly. */
  private due = { share: 0, shadow: 0 }
  private over = false

  /** `stable` and `canary` give the versions as they are served now. */
  constructor(
    readonly name: string,
    readonly settings: CanarySettings,
    /** What it was begun with. */
    readonly print: string,
    private readonly stable: () => ServedModel,
    private readonly canary: () => ServedModel,
    private readonly rollBack: (reason: string) => void,
  ) {
    this.limits = { ...DEFAULTS, ...settings.rollback }
    this.times = { stable: new Window(this.limits.least), canary: new Window(this.limits.least) }
  }

  get version(): string {
    return this.stable().version
  }
  get signature(): Signature {
    return this.stable().signature
  }
  get generates(): boolean {
    return this.stable().generates
  }
  get textInput(): string | undefined {
    return this.stable().textInput
  }
  noRoom(): WeftError | undefined {
    return this.stable().noRoom()
  }
  get counts(): RolloutCounts {
    return this.found
  }

  generate(request: GenerateRequest, part: (generated: Generated) => void, signal?: AbortSignal): Promise<Finish> {
    return (this.isDue('share') ? this.canary() : this.stable()).generate(request, part, signal)
  }

  async infer(request: InferRequest, signal?: Cancellation, trace?: RequestTrace): Promise<InferReply> {
    if (this.isDue('share')) {
      const reply = await this.askCanary(request, signal, trace)
      if (reply !== undefined) {
        if (this.limits.disagreement !== undefined) void this.compare(this.stable, request, reply)
        return reply
      }
    }
    const begin = performance.now()
    const reply = await this.stable().infer(request, signal, trace)
    this.times.stable.add(performance.now() - begin)
    if (this.isDue('shadow')) void this.compare(this.canary, request, reply)
    return reply
  }

  private isDue(kind: 'share' | 'shadow'): boolean {
    if (this.over) return false
    this.due[kind] += this.settings[kind] ?? 0
    // shares such as 0.1 have no exact sum
    if (this.due[kind] < 1 - 1e-9) return false
    this.due[kind] -= 1
    return true
  }

  /** Undefined: it failed by its own fault, and the stable version answers in its place. */
  private async askCanary(
    request: InferRequest,
    signal: Cancellation | undefined,
    trace: RequestTrace | undefined,
  ): Promise<InferReply | undefined> {
    const begin = performance.now()
    try {
      const reply = await this.canary().infer(request, signal, trace)
      this.answered(performance.now() - begin)
      return reply
    } catch (error) {
      if (signal?.aborted || !isOwnFault(error)) throw error
      this.answered(undefined)
      return undefined
    }
  }

  /** Counts an answer of the canary and judges it. `ms` undefined: it failed. */
  private answered(ms: number | undefined): void {
    const { found, limits, times } = this
    found.answered++
    if (ms === undefined) found.failed++
    else times.canary.add(ms)
    if (isTooMany(found.failed, found.answered, limits.errors, limits.least))
      this.end(`${found.failed} of ${found.answered} requests failed`)
    if (!times.canary.isFull || !times.stable.isFull) return
    const [canary, stable] = [times.canary.median, times.stable.median]
    if (canary > limits.latency * stable + LATENCY_SLACK_MS)
      this.end(`its median latency is ${canary.toFixed(1)} ms, that of the stable version ${stable.toFixed(1)} ms`)
  }

  /** Asks the other version the same. Never rejects. */
  private async compare(other: () => ServedModel, request: InferRequest, reply: InferReply): Promise<void> {
    const { found, limits } = this
    const ofCanary = other === this.canary
    const begin = performance.now()
    try {
      const served = other()
      if (served.waiting > BUSY) return
      const second = await served.infer(request)
      if (ofCanary) this.answered(performance.now() - begin)
      found.compared++
      if (!agree(reply, second, limits.tolerance)) found.different++
    } catch (error) {
      if (ofCanary && isOwnFault(error)) this.answered(undefined)
      return
    }
    const { disagreement = DEFAULT_DISAGREEMENT, least } = limits
    if (isTooMany(found.different, found.compared, disagreement, least)) this.end(`${found.different} of ${found.compared} answers differ`)
  }

  private end(reason: string): void {
    if (this.over) return
    this.over = true
    this.rollBack(reason)
  }
}

const DEFAULT_DISAGREEMENT = 0.05

/** More than the share allows, also if all that is missing to `least` were good. */
const isTooMany = (bad: number, all: number, share: number, least: number): boolean => bad > share * Math.max(all, least)

/** Not the client's, and not that of a queue which is full or being closed. */
function isOwnFault(error: unknown): boolean {
  const { http } = statusOf(error)
  return http === 500 || http === 501 || http === 504 || http === 409
}

function agree(first: InferReply, second: InferReply, tolerance: number): boolean {
  return (
    first.outputs.length === second.outputs.length &&
    first.outputs.every(({ tensor }, i) => tensorsAgree(tensor, second.outputs[i]!.tensor, tolerance))
  )
}

function tensorsAgree(a: WireTensor, b: WireTensor, tolerance: number): boolean {
  if (a.name !== b.name || a.datatype !== b.datatype || a.shape.join() !== b.shape.join()) return false
  if (a.datatype !== 'FP32') return Buffer.compare(a.bytes, b.bytes) === 0
  const [left, right] = [floatsOf(a), floatsOf(b)]
  const [rows, width] = a.shape
  if (a.shape.length === 2 && width! > 1) {
    for (let row = 0; row < rows!; row++) if (largest(left, row * width!, width!) !== largest(right, row * width!, width!)) return false
    return true
  }
  return left.every((value, i) => Object.is(value, right[i]) || Math.abs(value - right[i]!) <= tolerance * Math.max(1, Math.abs(value)))
}

function floatsOf({ bytes }: WireTensor): Float32Array {
  const own = aligned(bytes, 4)
  return new Float32Array(own.buffer as ArrayBuffer, own.byteOffset, own.byteLength / 4)
}

function largest(values: Float32Array, at: number, width: number): number {
  let best = 0
  for (let i = 1; i < width; i++) if (values[at + i]! > values[at + best]!) best = i
  return best
}
