// Replies against the schema of the protocol, as its specification describes them.
import { Ajv } from 'ajv'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { layers, sequential } from '../../lib/index.js'
import { open } from '../../lib/serve/auth/principal.js'
import { Metrics } from '../../lib/serve/metrics.js'
import { limitsOf } from '../../lib/serve/protocol/limits.js'
import { Repository } from '../../lib/serve/repository/repository.js'
import { restApp } from '../../lib/serve/rest/app.js'
import { templateOf } from '../../lib/serve/rest/openapi.js'
import { routes } from '../../lib/serve/rest/routes.js'
import { Service } from '../../lib/serve/service.js'
import { pino } from 'pino'
import { scaling } from './models.js'

const text = { type: 'string' }
const object = (properties: Record<string, object>, optional: readonly string[] = []): object => ({
  type: 'object',
  properties,
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
  additionalProperties: false,
})
const list = (items: object): object => ({ type: 'array', items })
const datatype = {
  enum: ['BOOL', 'UINT8', 'UINT16', 'UINT32', 'UINT64', 'INT8', 'INT16', 'INT32', 'INT64', 'FP16', 'FP32', 'FP64', 'BYTES', 'BF16'],
}
const tensorMetadata = object({ name: text, datatype, shape: list({ type: 'integer', minimum: -1 }) })
const parameters = { type: 'object', additionalProperties: { type: ['string', 'number', 'boolean'] } }
const output = object(
  { name: text, shape: list({ type: 'integer', minimum: 0 }), datatype, parameters, data: list({ type: ['number', 'string', 'boolean'] }) },
  ['parameters', 'data'],
)
const duration = object({ count: { type: 'integer' }, ns: { type: 'integer' } })
const parts = { compute_input: duration, compute_infer: duration, compute_output: duration }
const statistics = object({
  model_stats: list(
    object({
      name: text,
      version: text,
      last_inference: { type: 'integer' },
      inference_count: { type: 'integer' },
      execution_count: { type: 'integer' },
      inference_stats: object({ success: duration, fail: duration, queue: duration, ...parts, cache_hit: duration, cache_miss: duration }),
      batch_stats: list(object({ batch_size: { type: 'integer' }, ...parts })),
    }),
  ),
})
const error = object({ error: { type: 'string', minLength: 1 } })
const schemas: Record<string, object> = {
  '/v2': object({ name: text, version: text, extensions: list(text) }),
  '/v2/health/live': object({ live: { type: 'boolean' } }),
  '/v2/health/ready': object({ ready: { type: 'boolean' } }),
  '/v2/models/:model': object(
    { name: text, versions: list(text), platform: text, inputs: list(tensorMetadata), outputs: list(tensorMetadata) },
    ['versions'],
  ),
  '/v2/models/:model/ready': object({ ready: { type: 'boolean' } }),
  '/v2/models/:model/infer': object({ model_name: text, model_version: text, id: text, parameters, outputs: list(output) }, [
    'model_version',
    'id',
    'parameters',
  ]),
  '/v2/models/:model/stats': statistics,
  '/v2/models/stats': statistics,
  '/v2/repository/index': list(
    object({ name: text, version: text, state: { enum: ['LOADING', 'READY', 'UNLOADING', 'UNAVAILABLE'] }, reason: text }, [
      'version',
      'state',
      'reason',
    ]),
  ),
}
const ajv = new Ajv({ allowUnionTypes: true })
const validators = Object.fromEntries(Object.entries(schemas).map(([url, schema]) => [url, ajv.compile(schema)]))
const isError = ajv.compile(error)

async function app() {
  const repository = await Repository.open(undefined, { batching: { maxBatchSize: 4 }, load: {} })
  await repository.add('m', scaling(2))
  await repository.add('words', sequential([layers.embedding({ inputDim: 4, outputDim: 2, inputShape: [2] }), layers.flatten()]))
  const service = new Service(repository, 'none', limitsOf('test', { bodyBytes: 4096 }))
  const metrics = new Metrics()
  const built = restApp({ service, routes: routes(service, () => metrics.text()), authenticator: open, log: pino({ level: 'silent' }) })
  await built.ready()
  return { built, close: () => built.close().then(() => repository.close()) }
}
const good = { inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] }], id: 'a' }

test('every reply has the form that the protocol gives it', async () => {
  const { built, close } = await app()
  let checked = 0
  for (const { method, url } of built.registered) {
    const validate = validators[url.replace('/versions/:version', '')]
    const payload = url.endsWith('/infer') ? JSON.stringify(good) : undefined
    const reply = await built.inject({
      method: method as 'GET',
      url: templateOf(url).replace('{model}', 'm').replace('{version}', '1'),
      ...(payload ? { payload } : {}),
    })
    if (validate === undefined) continue
    assert.is(reply.statusCode, 200, url)
    assert.ok(validate(reply.json()), `${url}: ${ajv.errorsText(validate.errors)} ${reply.body}`)
    checked++
    if (!url.includes(':model')) continue
    const unknown = await built.inject({
      method: method as 'GET',
      url: templateOf(url).replace('{model}', 'none').replace('{version}', '1'),
      ...(payload ? { payload } : {}),
    })
    assert.is(unknown.statusCode, 404, url)
    assert.ok(isError(unknown.json()), unknown.body)
  }
  assert.is(checked, 13)
  await close()
})

test.run()
