// Explanations of answers: those of weftjs/explain, for who may ask, and within the limits.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { integratedGradients } from '../../lib/explain/index.js'
import { layers, type Sequential, sequential, setSeed, tensor, type WeftError } from '../../lib/index.js'
import { connect, createApiKey, type ServeOptions, serve } from '../../lib/serve/index.js'
import { scratch } from './models.js'

const { folder, remove } = scratch()
test.after(remove)

/** [n, 3] → [n, 2]: linear. */
function linear(): Sequential {
  const net = sequential([layers.dense({ units: 2, useBias: false, inputShape: [3] })])
  net.setWeights([
    tensor([
      [1, -2],
      [3, 0.5],
      [-1, 4],
    ]),
  ])
  return net
}

interface Output {
  name: string
  shape: number[]
  data: number[]
}

async function served(options: Partial<ServeOptions> = {}) {
  const server = await serve({ models: { m: linear() }, http: { port: 0 }, explain: true, ...options })
  const url = server.address.http!
  const post = async (model: string, body: object, headers: Record<string, string> = {}) => {
    const reply = await fetch(`${url}/v2/models/${model}/explain`, { method: 'POST', headers, body: JSON.stringify(body) })
    const answer = (await reply.json()) as { error?: string; outputs?: Output[] }
    return { status: reply.status, error: answer.error, outputs: Object.fromEntries((answer.outputs ?? []).map((one) => [one.name, one])) }
  }
  return { server, url, post }
}
const input = (name: string, ...rows: number[][]) => ({ name, datatype: 'FP32', shape: [rows.length, rows[0]!.length], data: rows.flat() })
const near = (found: readonly number[], wanted: readonly number[], by = 1e-5): void =>
  found.forEach((value, i) => assert.ok(Math.abs(value - wanted[i]!) <= by, `${found} for ${wanted}`))

test('the client: over REST what the server gives, over gRPC an error that says what to do', async () => {
  const server = await serve({ models: { m: linear() }, http: { port: 0 }, grpc: { port: 0 }, explain: true })
  const client = await connect(server.address.http!)
  const inputs = { x: [[1, 2, 3]], baseline: [[1, 1, 1]] }
  const given = await client.explain('m', { inputs, parameters: { target: 0, steps: 20 }, outputs: ['attributions'], id: 'a' })
  assert.equal([Object.keys(given.outputs), given.model, given.version, given.id], [['attributions'], 'm', '1', 'a'])
  near([...(await given.outputs['attributions']!.data())] as number[], [0, 3, -2])
  const slopes = await client.explain('m', { inputs: { x: [[1, 2, 3]] }, method: 'saliency', parameters: { target: 1 } })
  near([...(await slopes.outputs['attributions']!.data())] as number[], [2, 0.5, 4])
  const wrong = async (fn: () => Promise<unknown>) => {
    const error = await fn().then(
      () => assert.unreachable(),
      (reason: unknown) => reason,
    )
    return `${(error as WeftError).code} ${(error as WeftError).message}`
  }
  assert.match(await wrong(() => client.explain('m', { inputs, method: 'lime' as 'shap' })), /^ERR_ARGUMENT.*method/)
  assert.match(await wrong(() => client.explain('m', { inputs, parameters: { stepz: 3 } })), /^ERR_ARGUMENT.*stepz/)
  const calls = await connect(server.address.grpc!)
  const unsupported = await wrong(() => calls.explain('m', { inputs: { x: [[1, 2, 3]] } }))
  assert.match(unsupported, /^ERR_UNSUPPORTED explain: the gRPC protocol has no call that explains model 'm'.*Ask over REST/s)
  client.close()
  calls.close()
  await server.close()
})

test('a linear model: each method gives what its weights say', async () => {
  const { server, post } = await served()
  const x = input('x', [1, 2, 3], [2, 0, 1])
  const gradients = await post('m', { inputs: [x], parameters: { target: 0 } })
  assert.is(gradients.status, 200, gradients.error)
  assert.equal(Object.keys(gradients.outputs), ['attributions', 'targets', 'error'])
  assert.equal(gradients.outputs['attributions']!.shape, [2, 3])
  near(gradients.outputs['attributions']!.data, [1, 6, -3, 2, 0, -1])
  const from = await post('m', { inputs: [x, input('baseline', [1, 1, 1])], parameters: { target: 0, steps: 20 } })
  near(from.outputs['attributions']!.data, [0, 3, -2, 1, -3, 0])
  const unused = await post('m', { inputs: [x, input('baseline', [1, 1, 1])], parameters: { method: 'saliency' } })
  assert.equal([unused.status, unused.error], [400, "the input 'baseline' is not one of saliency"])
  assert.is(
    (await post('m', { inputs: [x, input('background', [1, 1, 1])] })).error,
    "the input 'background' is not one of integratedGradients",
  )
  // the largest output of each row is explained, and the way does not change which
  assert.equal((await post('m', { inputs: [x] })).outputs['targets']!.data, [1, 0])
  const slopes = await post('m', { inputs: [x], parameters: { method: 'saliency', target: 1, absolute: false } })
  near(slopes.outputs['attributions']!.data, [-2, 0.5, 4, -2, 0.5, 4])
  const covers = await post('m', { inputs: [x], parameters: { method: 'occlusion', target: 0 } })
  near(covers.outputs['attributions']!.data, [1, 6, -3, 2, 0, -1])
  const shares = await post('m', { inputs: [x, input('background', [0, 0, 0], [2, 2, 2])], parameters: { method: 'shap' } })
  assert.equal(shares.outputs['attributions']!.shape, [2, 3, 2])
  // β · (x - mean), of the outputs in turn
  near(shares.outputs['attributions']!.data.slice(0, 6), [0, 0, 3, 0.5, -2, 8], 1e-4)
  near(shares.outputs['base_values']!.data, [3, 2.5])
  await server.close()
})

test('the way in pieces is the way in one', async () => {
  setSeed(3)
  const net = sequential([
    layers.dense({ units: 8, activation: 'tanh', inputShape: [4] }),
    layers.dense({ units: 3, activation: 'softmax' }),
  ])
  const { server, post } = await served({ models: { net } })
  const rows = [
    [0.5, -1, 2, 0.25],
    [1, 1, -1, 3],
  ]
  const { outputs } = await post('net', { inputs: [input('x', ...rows)], parameters: { steps: 28 } })
  const whole = await integratedGradients(net, rows, { steps: 28 })
  near(outputs['attributions']!.data, [...((await whole.attributions.data()) as Float32Array)])
  assert.equal(outputs['targets']!.data, whole.targets)
  assert.ok(outputs['error']!.data[0]! < 0.01)
  await server.close()
})

test('ids are explained by their vectors; only the outputs that are asked for come back', async () => {
  const words = sequential([
    layers.embedding({ inputDim: 6, outputDim: 3, inputShape: [4] }),
    layers.globalAveragePooling1d(),
    layers.dense({ units: 2 }),
  ])
  const { server, post } = await served({ models: { words } })
  const ids = { name: 'x', datatype: 'INT32', shape: [1, 4], data: [1, 2, 3, 1] }
  const { outputs, status, error } = await post('words', { inputs: [ids], outputs: [{ name: 'attributions' }] })
  assert.is(status, 200, error)
  assert.equal([Object.keys(outputs), outputs['attributions']!.shape], [['attributions'], [1, 4]])
  // a word counts the same wherever it stands
  near([outputs['attributions']!.data[0]!], [outputs['attributions']!.data[3]!])
  const slopes = await post('words', { inputs: [ids], parameters: { method: 'saliency' } })
  assert.match(slopes.error ?? '', /integers have no gradients/)
  assert.is.not(slopes.status, 200)
  await server.close()
})

test('what is asked wrongly, or for too much, is refused before anything is computed', async () => {
  const { server, url, post } = await served({ explain: { rows: 100, timeoutMs: 60_000, queue: 2 } })
  const x = input('x', [1, 2, 3])
  const cases: readonly (readonly [number, RegExp, string, object])[] = [
    [400, /'method' is one of integratedGradients, saliency, occlusion, shap/, 'm', { inputs: [x], parameters: { method: 'lime' } }],
    [400, /parameter 'steps' is not one of saliency/, 'm', { inputs: [x], parameters: { method: 'saliency', steps: 3 } }],
    [400, /'steps' is an integer of at least 1/, 'm', { inputs: [x], parameters: { steps: 0 } }],
    [400, /target 2 is none of the outputs 0 to 1/, 'm', { inputs: [x], parameters: { target: 2 } }],
    [400, /send them as the input 'background'/, 'm', { inputs: [x], parameters: { method: 'shap' } }],
    [400, /input 'z' is unknown/, 'm', { inputs: [x, input('z', [1])] }],
    [400, /input 'x' has shape/, 'm', { inputs: [x, input('baseline', [1, 2])] }],
    [400, /output 'y' is unknown/, 'm', { inputs: [x], outputs: [{ name: 'y' }] }],
    [400, /no rows/, 'm', { inputs: [{ ...x, shape: [0, 3], data: [] }] }],
    [413, /computes 102 rows, 100 are the most/, 'm', { inputs: [x], parameters: { steps: 100 } }],
    [413, /shap of 1 rows/, 'm', { inputs: [x, input('background', ...new Array(20).fill([1, 2, 3]))], parameters: { method: 'shap' } }],
    [404, /unknown/, 'none', { inputs: [x] }],
  ]
  for (const [status, message, model, body] of cases) {
    const found = await post(model, body)
    assert.is(found.status, status, `${JSON.stringify(body)}: ${found.error}`)
    assert.match(found.error!, message)
  }
  const { paths } = (await (await fetch(`${url}/openapi.json`)).json()) as { paths: Record<string, object> }
  assert.ok('/v2/models/{model}/versions/{version}/explain' in paths)
  assert.ok(((await (await fetch(`${url}/v2`)).json()) as { extensions: string[] }).extensions.includes('explain'))
  await server.close()
})

test('it ends when its time is over', async () => {
  const { server, post } = await served({ explain: { timeoutMs: 1, rows: 1e9 } })
  const found = await post('m', { inputs: [input('x', [1, 2, 3])], parameters: { steps: 100_000 } })
  assert.is(found.status, 504, found.error)
  await server.close()
})

test('off unless it is asked for; a role of its own; models that have no scores are not explained', async () => {
  const { server, url, post } = await served({ explain: false })
  assert.is((await post('m', { inputs: [input('x', [1, 2, 3])] })).status, 404)
  assert.not(((await (await fetch(`${url}/v2`)).json()) as { extensions: string[] }).extensions.includes('explain'))
  await server.close()

  const keys = [createApiKey({ id: 'p', roles: ['predict', 'read', 'admin'] }), createApiKey({ id: 'e', roles: ['explain'] })]
  const file = path.join(folder, 'keys.json')
  writeFileSync(file, JSON.stringify({ keys: keys.map(({ entry }) => entry) }))
  const guarded = await served({ auth: { apiKeys: file } })
  const status = async (key: string) =>
    (await guarded.post('m', { inputs: [input('x', [1, 2, 3])] }, { authorization: `Bearer ${key}` })).status
  assert.equal([await status('none'), await status(keys[0]!.key), await status(keys[1]!.key)], [401, 403, 200])
  await guarded.server.close()
})

test.run()
