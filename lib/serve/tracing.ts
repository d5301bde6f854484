// Tracing: W3C trace context, and spans of OpenTelemetry where the program has set it up. @opentelemetry/api is
// optional; without it, or without a provider, requests keep the trace that they came with, and nothing is recorded.
// https://www.w3.org/TR/trace-context/
import { randomBytes } from 'node:crypto'

/** What is used of @opentelemetry/api. */
interface SpanContext {
  readonly traceId: string
  readonly spanId: string
  readonly traceFlags: number
  readonly traceState?: unknown
  readonly isRemote?: boolean
}
type Attributes = Record<string, string | number | boolean>
interface SpanOptions {
  kind?: number
  attributes?: Attributes
  links?: { context: SpanContext }[]
  root?: boolean
  startTime?: number
}
interface Span {
  spanContext(): SpanContext
  setAttributes(attributes: Attributes): unknown
  setStatus(status: { code: number; message?: string }): unknown
  isRecording(): boolean
  end(time?: number): void
}
type Context = object
interface Api {
  readonly ROOT_CONTEXT: Context
  readonly context: { active(): Context }
  readonly trace: {
    getTracerProvider(): { getDelegateTracer?(name: string): unknown }
    getTracer(name: string): { startSpan(name: string, options: SpanOptions, context: Context): Span }
    setSpanContext(context: Context, spanContext: SpanContext): Context
    setSpan(context: Context, span: Span): Context
    getSpanContext(context: Context): SpanContext | undefined
  }
  createTraceState(text: string): unknown
}
const [SERVER, INTERNAL] = [1, 0]
const ERROR = 2

let api: Api | undefined
/** Looks for @opentelemetry/api; called once, before requests come. */
export async function loadTracing(): Promise<void> {
  api ??= await import('@opentelemetry/api' as string).then(
    (found: unknown) => found as Api,
    () => undefined,
  )
}

let tracing = false
/** Whether the program has set up a provider, so that spans may be wanted of requests that come without a trace. */
export function isTracing(): boolean {
  if (tracing || api === undefined) return tracing
  const provider = api.trace.getTracerProvider()
  // the one that stands in until a provider is set up has nobody to pass spans on to
  tracing = provider.getDelegateTracer === undefined || provider.getDelegateTracer('weftjs') !== undefined
  return tracing
}

export interface TraceHeaders {
  readonly traceparent?: string | undefined
  readonly tracestate?: string | undefined
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/
const MOST_STATE = 512

/** The caller's span; undefined where the header is not as the recommendation has it: a new trace begins then. */
export function parseTraceparent({ traceparent }: TraceHeaders): SpanContext | undefined {
  if (traceparent === undefined || traceparent.length > 200) return undefined
  const [, version, traceId, spanId, flags, more] = TRACEPARENT.exec(traceparent) ?? []
  if (version === undefined || version === 'ff' || (version === '00' && more !== undefined)) return undefined
  if (/^0+$/.test(traceId!) || /^0+$/.test(spanId!)) return undefined
  return { traceId: traceId!, spanId: spanId!, traceFlags: Number.parseInt(flags!, 16) & 1, isRemote: true }
}

const headerOf = ({ traceId, spanId, traceFlags }: SpanContext): string => `00-${traceId}-${spanId}-${traceFlags & 1 ? '01' : '00'}`

/** Milliseconds since 1970, with fractions. */
const now = (): number => performance.timeOrigin + performance.now()

/** The trace of a request: its own span, under the caller's. */
export class RequestTrace {
  private constructor(
    private readonly own: SpanContext,
    private readonly span: Span | undefined,
  ) {}

  /** Undefined where there is neither a caller's trace nor a provider: nothing is to be kept. */
  static begin(name: string, headers: TraceHeaders, attributes: Attributes): RequestTrace | undefined {
    const caller = parseTraceparent(headers)
    if (api !== undefined) {
      const { tracestate } = headers
      const state = caller && tracestate && tracestate.length <= MOST_STATE ? { traceState: api.createTraceState(tracestate) } : {}
      const parent = caller ? api.trace.setSpanContext(api.ROOT_CONTEXT, { ...caller, ...state }) : api.ROOT_CONTEXT
      const span = api.trace.getTracer('weftjs').startSpan(name, { kind: SERVER, attributes }, parent)
      // a provider gives spans of their own, sampled or not; where there is none, the span is the caller's
      const own = span.spanContext()
      if (span.isRecording() || (!/^0+$/.test(own.spanId) && own.spanId !== caller?.spanId)) return new RequestTrace(own, span)
    }
    return caller && new RequestTrace({ ...caller, spanId: randomBytes(8).toString('hex') }, undefined)
  }

  get ids(): { readonly traceId: string; readonly spanId: string } {
    return { traceId: this.own.traceId, spanId: this.own.spanId }
  }

  /** The header of replies, and of requests that follow from this one. */
  get traceparent(): string {
    return headerOf(this.own)
  }

  get context(): SpanContext {
    return this.own
  }

  /** A span that was, below that of the request. */
  past(name: string, from: number, to: number, attributes: Attributes, links: readonly SpanContext[] = []): void {
    if (api === undefined || !this.span?.isRecording()) return
    const options = { kind: INTERNAL, attributes, startTime: from, links: links.map((context) => ({ context })) }
    api.trace.getTracer('weftjs').startSpan(name, options, api.trace.setSpan(api.ROOT_CONTEXT, this.span)).end(to)
  }

  get isRecording(): boolean {
    return this.span?.isRecording() ?? false
  }

  end(attributes: Attributes, failed: boolean): void {
    if (this.span === undefined) return
    this.span.setAttributes(attributes)
    if (failed) this.span.setStatus({ code: ERROR })
    this.span.end()
  }
}

/** Traces of requests that are in a model's queue, by what is computed for them. */
export class BatchTraces {
  private readonly members = new WeakMap<object, { readonly trace: RequestTrace; readonly since: number }>()
  private isUsed = false

  constructor(private readonly attributes: Attributes) {}

  /** The request begins to wait. */
  add(work: object, trace: RequestTrace | undefined): void {
    if (!trace?.isRecording) return
    this.isUsed = true
    this.members.set(work, { trace, since: now() })
  }

  /** Computes a batch: in a span of its own that is linked with every request in it, each of which shows its parts. */
  compute<T>(batch: readonly object[], run: () => T | Promise<T>): T | Promise<T> {
    const members = this.isUsed ? batch.flatMap((work) => this.members.get(work) ?? []) : []
    return members.length === 0 || api === undefined ? run() : this.traced(api, members, batch.length, run)
  }

  private async traced<T>(
    { trace: tracer, ROOT_CONTEXT }: Api,
    members: readonly { readonly trace: RequestTrace; readonly since: number }[],
    requests: number,
    run: () => T | Promise<T>,
  ): Promise<T> {
    const attributes = { ...this.attributes, 'weft.batch.requests': requests }
    const links = members.map(({ trace }) => ({ context: trace.context }))
    const begin = now()
    const span = tracer
      .getTracer('weftjs')
      .startSpan('batch', { kind: INTERNAL, root: true, attributes, links, startTime: begin }, ROOT_CONTEXT)
    try {
      return await run()
    } catch (error) {
      span.setStatus({ code: ERROR })
      throw error
    } finally {
      const end = now()
      span.end(end)
      for (const { trace, since } of members) {
        trace.past('queue', since, begin, this.attributes)
        trace.past('compute', begin, end, attributes, [span.spanContext()])
      }
    }
  }
}

/** The header for a request that this program makes now: the given one, or that of the active span. */
export function outgoingTraceparent(): string | undefined {
  const active = api?.trace.getSpanContext(api.context.active())
  return active && !/^0+$/.test(active.traceId) ? headerOf(active) : undefined
}
