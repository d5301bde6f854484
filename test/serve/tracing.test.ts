// Traces: requests go on with the trace that they came with, and spans of OpenTelemetry are those of the request, its
// wait and its batch.
import { trace } from '@opentelemetry/api'
import { BasicTracerProvider, InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { pino } from 'pino'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { connect, serve, type Server } from '../../lib/serve/index.js'
import { parseTraceparent } from '../../lib/serve/tracing.js'
import { codeOfAsync } from '../expect.js'
import { scaling } from './models.js'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const SPAN = '00f067aa0ba902b7'
const parent = `00-${TRACE}-${SPAN}-01`
const BODY = JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] }] })

test('traceparent, as the recommendation has it', () => {
  assert.equal(parseTraceparent({ traceparent: parent }), { traceId: TRACE, spanId: SPAN, traceFlags: 1, isRemote: true })
  assert.is(parseTraceparent({ traceparent: `00-${TRACE}-${SPAN}-00` })!.traceFlags, 0)
  assert.is(parseTraceparent({ traceparent: `cc-${TRACE}-${SPAN}-01-what-comes-later` })!.traceId, TRACE)
  const wrong = [
    undefined,
    '',
    'x',
    `ff-${TRACE}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-01-more`,
    `00-${TRACE}-${SPAN}`,
    `00-${'0'.repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-1`,
    ` ${parent}`,
    `${parent},${parent}`,
    `cc-${TRACE}-${SPAN}-01-${'x'.repeat(10_000)}`,
  ]
  for (const traceparent of wrong) assert.is(parseTraceparent({ traceparent }), undefined, traceparent)
})

async function started(lines: string[] = []): Promise<Server> {
  const log = pino({ level: 'info' }, { write: (line: string) => lines.push(line) })
  return serve({ models: { m: scaling(2) }, http: { port: 0 }, grpc: { port: 0 }, batching: { maxDelayMs: 20 }, log })
}
const ask = (server: Server, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${server.address.http}/v2/models/m/infer`, { method: 'POST', body: BODY, headers })

test('without a provider: logs and replies have the trace of the request, and a span of their own', async () => {
  const lines: string[] = []
  const server = await started(lines)
  const reply = await ask(server, { traceparent: parent })
  assert.match(reply.headers.get('traceresponse')!, new RegExp(`^00-${TRACE}-(?!${SPAN})[0-9a-f]{16}-01$`))
  assert.is((await ask(server)).headers.get('traceresponse'), null)
  assert.is((await ask(server, { traceparent: '00-x' })).status, 200)
  const client = await connect(server.address.grpc!)
  await client.infer('m', { inputs: { x: [[1, 2]] }, traceparent: parent })
  assert.is(await codeOfAsync(client.infer('m', { inputs: { x: [[1, 2]] }, traceparent: 'a\r\nb' })), 'ERR_ARGUMENT')
  client.close()
  await server.close()
  const traced = lines
    .map((line) => JSON.parse(line) as { msg: string; traceId?: string; method?: string })
    .filter(({ traceId }) => traceId)
  assert.ok(traced.every(({ traceId }) => traceId === TRACE))
  // the metadata that the client asks for belongs to the call
  assert.equal(
    traced.map(({ method }) => method),
    ['POST', 'inference.GRPCInferenceService/ModelMetadata', 'inference.GRPCInferenceService/ModelInfer'],
  )
})

test('with a provider: the request, its wait and its part of the batch; the batch is linked with each request', async () => {
  const exporter = new InMemorySpanExporter()
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  trace.setGlobalTracerProvider(provider)
  const server = await started()
  const client = await connect(server.address.grpc!)
  await client.metadata('m')
  exporter.reset()
  const replies = await Promise.all([
    ask(server, { traceparent: parent, tracestate: 'vendor=1' }),
    ask(server),
    client.infer('m', { inputs: { x: [[1, 2]] }, traceparent: parent }),
  ])
  assert.is((replies[0] as Response).status, 200)
  await fetch(`${server.address.http}/v2/models/none/infer`, { method: 'POST', body: BODY })
  client.close()
  await server.close()
  const spans = exporter.getFinishedSpans()
  const named = (name: string): ReadableSpan[] => spans.filter((span) => span.name === name)
  const requests = [...named('POST /v2/models/:model/infer'), ...named('inference.GRPCInferenceService/ModelInfer')]
  const asked = requests.filter(({ attributes }) => attributes['http.response.status_code'] !== 404)
  assert.is(asked.length, 3)
  const remote = asked.filter((span) => span.spanContext().traceId === TRACE)
  assert.is(remote.length, 2)
  for (const span of remote) assert.is(span.parentSpanContext?.spanId, SPAN)
  assert.ok(remote.some((span) => span.spanContext().traceState?.get('vendor') === '1'))
  assert.equal([named('queue').length, named('compute').length], [3, 3])
  const batches = named('batch')
  assert.is(
    batches.reduce((sum, { links }) => sum + links.length, 0),
    3,
  )
  for (const request of asked) {
    const own = spans.filter(({ parentSpanContext }) => parentSpanContext?.spanId === request.spanContext().spanId)
    assert.equal(own.map(({ name }) => name).sort(), ['compute', 'queue'])
    const batch = batches.find(({ links }) => links.some(({ context }) => context.spanId === request.spanContext().spanId))!
    const compute = own.find(({ name }) => name === 'compute')!
    assert.is(compute.links[0]!.context.spanId, batch.spanContext().spanId)
    assert.equal(compute.attributes['weft.model'], 'm')
    const ms = ([seconds, nanoseconds]: readonly [number, number]): number => seconds * 1000 + nanoseconds / 1e6
    const queue = own.find(({ name }) => name === 'queue')!
    assert.ok(ms(queue.startTime) >= ms(request.startTime) - 5 && ms(compute.endTime) <= ms(request.endTime) + 5)
    assert.ok(ms(queue.endTime) <= ms(compute.startTime) + 0.01)
  }
  for (const span of spans) assert.not.match(JSON.stringify([span.attributes, span.name]), /\[1,2\]/)
  trace.disable()
})

test.run()
