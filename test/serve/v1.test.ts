// The REST protocol of TensorFlow Serving, and the OpenAPI document.
import { Validator } from '@seriousme/openapi-schema-validator'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { input, layers, model, sequential, type Tensor, text } from '../../lib/index.js'
import { type Server, serve } from '../../lib/serve/index.js'
import { scaling } from './models.js'

const two = () => {
  const a = input({ shape: [2], name: 'a' })
  const b = input({ shape: [2], name: 'b' })
  return model({ inputs: { a, b }, outputs: { sum: a.add(b), difference: a.sub(b) } as Record<string, Tensor> })
}
const words = () => {
  const tokenizer = text.tokenizer({ numWords: 10, oovToken: '<oov>' })
  tokenizer.fitOnTexts(['a b c d', 'a b c', 'a b'])
  const net = sequential([layers.embedding({ inputDim: 10, outputDim: 4, inputShape: [3] }), layers.flatten(), layers.dense({ units: 2 })])
  net.assets = { tokenizer, names: ['no', 'yes'] }
  return net
}
let server: Server
test.before(async () => {
  server = await serve({ models: { double: scaling(2), two: two(), words: words() }, http: { port: 0 } })
})
test.after(() => server.close())

const ask = async (pathname: string, body?: unknown): Promise<{ status: number; json: Record<string, unknown> }> => {
  const sent = typeof body === 'string' ? body : JSON.stringify(body)
  const reply = await fetch(`${server.address.http}${pathname}`, body === undefined ? {} : { method: 'POST', body: sent })
  return { status: reply.status, json: (await reply.json()) as Record<string, unknown> }
}

test('rows and columns, with one input and with several', async () => {
  const rows = await ask('/v1/models/double:predict', {
    instances: [
      [1, 2],
      [3, 4],
    ],
  })
  assert.equal(rows, {
    status: 200,
    json: {
      predictions: [
        [2, 4],
        [6, 8],
      ],
    },
  })
  assert.equal((await ask('/v1/models/double/versions/1:predict', { signature_name: 'serving_default', inputs: [[1, 2]] })).json, {
    outputs: [[2, 4]],
  })
  assert.equal((await ask('/v1/models/double:predict', { instances: [{ x: [1, 2] }] })).json, { predictions: [[2, 4]] })
  assert.equal((await ask('/v1/models/double:predict', { inputs: { x: [[1, 2]] } })).json, { outputs: [[2, 4]] })
  const ab = [
    { a: [5, 6], b: [1, 1] },
    { b: [1, 2], a: [3, 4] },
  ]
  assert.equal((await ask('/v1/models/two:predict', { instances: ab })).json, {
    predictions: [
      { sum: [6, 7], difference: [4, 5] },
      { sum: [4, 6], difference: [2, 2] },
    ],
  })
  const columns = {
    a: [
      [5, 6],
      [3, 4],
    ],
    b: [
      [1, 1],
      [1, 2],
    ],
  }
  assert.equal((await ask('/v1/models/two:predict', { inputs: columns })).json, {
    outputs: {
      sum: [
        [6, 7],
        [4, 6],
      ],
      difference: [
        [4, 5],
        [2, 2],
      ],
    },
  })
})

test('texts go in, as texts or base64, and labels come out', async () => {
  interface Row {
    label: string
  }
  const asText = await ask('/v1/models/words:predict', { instances: ['a b', 'c'] })
  assert.is(asText.status, 200, JSON.stringify(asText.json))
  const asBase64 = await ask('/v1/models/words:predict', { instances: [{ b64: 'YSBi' }, { b64: 'Yw==' }] })
  const asIds = await ask('/v1/models/words:predict', {
    instances: [
      [0, 2, 3],
      [0, 0, 4],
    ],
  })
  assert.equal(asText.json, asIds.json)
  assert.equal(asText.json, asBase64.json)
  assert.ok((asText.json['predictions'] as Row[]).every(({ label }) => ['no', 'yes'].includes(label)))
})

test('status and metadata', async () => {
  const status = { model_version_status: [{ version: '1', state: 'AVAILABLE', status: { error_code: 'OK', error_message: '' } }] }
  assert.equal(await ask('/v1/models/double'), { status: 200, json: status })
  assert.equal((await ask('/v1/models/double/versions/1')).json, status)
  const { json } = await ask('/v1/models/double/metadata')
  assert.equal(json, {
    model_spec: { name: 'double', signature_name: '', version: '1' },
    metadata: {
      signature_def: {
        signature_def: {
          serving_default: {
            inputs: {
              x: {
                dtype: 'DT_FLOAT',
                tensor_shape: {
                  dim: [
                    { size: '-1', name: '' },
                    { size: '2', name: '' },
                  ],
                  unknown_rank: false,
                },
                name: 'x',
              },
            },
            outputs: {
              y: {
                dtype: 'DT_FLOAT',
                tensor_shape: {
                  dim: [
                    { size: '-1', name: '' },
                    { size: '2', name: '' },
                  ],
                  unknown_rank: false,
                },
                name: 'y',
              },
            },
            method_name: 'tensorflow/serving/predict',
          },
        },
      },
    },
  })
})

test('what is wrong is refused', async () => {
  const wrong: [string, unknown, number][] = [
    ['double', {}, 400],
    ['double', { instances: [[1, 2]], inputs: [[1, 2]] }, 400],
    ['double', { instances: [] }, 400],
    ['double', { instances: 5 }, 400],
    ['double', { instances: [[1, 2], [3]] }, 400],
    ['double', { instances: [[1, 2, 3]] }, 400],
    ['double', { instances: [1, 2] }, 400],
    ['double', { instances: [['1', 2]] }, 400],
    ['double', { instances: [[null, 2]] }, 400],
    ['double', { instances: [{ y: [1, 2] }] }, 400],
    ['double', { instances: [{ __proto__x: [1, 2] }] }, 400],
    ['double', '{"instances":[{"__proto__":[1,2]}]}', 400],
    ['double', { instances: [{ x: [1, 2] }, [1, 2]] }, 400],
    ['double', { instances: [{ x: [1, 2] }, { x: [1, 2], y: [1] }] }, 400],
    ['double', { instances: [{ b64: 'YQ==' }] }, 400],
    ['double', { instances: [[1, 2]], signature_name: 'other' }, 400],
    ['double', { instances: [[1, 2]], more: 1 }, 400],
    ['double', { inputs: 5 }, 400],
    ['double', { inputs: null }, 400],
    ['double', '{"inputs":[1e999]}', 400],
    ['two', { instances: [[1, 2]] }, 400],
    ['two', { inputs: { a: [[1, 2]] } }, 400],
    ['words', { instances: [{ b64: '!' }] }, 400],
    ['words', { instances: [{ b64: 5 }] }, 400],
    ['words', { instances: ['a', 5] }, 400],
    ['words', { instances: [[1, 2, 99]] }, 400],
    ['double', `{"instances":${'['.repeat(200)}${']'.repeat(200)}}`, 413],
    ['double', '{"instances":[', 400],
    ['none', { instances: [[1, 2]] }, 404],
  ]
  for (const [name, body, status] of wrong) {
    const reply = await ask(`/v1/models/${name}:predict`, body)
    assert.is(reply.status, status, `${JSON.stringify(body).slice(0, 80)}: ${JSON.stringify(reply.json)}`)
    assert.type(reply.json['error'], 'string')
  }
  for (const pathname of [
    'double:classify',
    'double:predict:predict',
    'double/versions/1:x',
    'double:',
    ':predict',
    'double/labels/none:predict',
  ])
    assert.is((await ask(`/v1/models/${pathname}`, { instances: [[1, 2]] })).status, 404, pathname)
})

test('the OpenAPI document is one, and has every route of the router', async () => {
  const { status, json } = await ask('/openapi.json')
  assert.is(status, 200)
  const { valid, errors } = await new Validator().validate(json)
  assert.ok(valid, JSON.stringify(errors))
  const paths = json['paths'] as Record<string, object>
  for (const wanted of ['/v2/models/{model}/versions/{version}/infer', '/v1/models/{model}:predict', '/v2/health/live', '/metrics'])
    assert.ok(paths[wanted], wanted)
  const schemas = (json['components'] as { schemas: object }).schemas
  for (const [, name] of JSON.stringify(json).matchAll(/"#\/components\/schemas\/(\w+)"/g)) assert.ok(Object.hasOwn(schemas, name!), name)
  assert.not.match(JSON.stringify(json), /\/:|\(\^/)
})

test.run()
