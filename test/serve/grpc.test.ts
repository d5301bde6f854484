// The gRPC server, asked by a client that another codec made from the protocol's definition.
import { once } from 'node:events'
import path from 'node:path'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import * as grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { file_inference, GRPCInferenceService } from '../../lib/serve/grpc/inference_pb.js'
import { Health } from '../../lib/serve/grpc/health_pb.js'
import { createApiKey, type ServeOptions, serve } from '../../lib/serve/index.js'
import type { Role } from '../../lib/serve/index.js'
import { scaling, scratch } from './models.js'

const protos = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../../lib/serve/grpc/proto')
const load = (file: string): grpc.GrpcObject =>
  grpc.loadPackageDefinition(loadSync(path.join(protos, file), { keepCase: true, longs: String, enums: String, defaults: true }))
const { folder, remove } = scratch()
test.after(remove)

type Reply = Record<string, unknown>
type Ask = (
  method: string,
  request?: object,
  options?: { metadata?: Record<string, string>; deadline?: Date; health?: boolean },
) => Promise<Reply>
async function withServer(
  options: ServeOptions,
  fn: (ask: Ask, address: string, close: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const server = await serve({ http: false, grpc: { port: 0 }, ...options })
  const address = server.address.grpc!.replace('grpc://', '')
  const make = (constructor: unknown): grpc.Client => new (constructor as typeof grpc.Client)(address, grpc.credentials.createInsecure())
  const inference = make((load('inference.proto')['inference'] as grpc.GrpcObject)['GRPCInferenceService'])
  const health = make((((load('health.proto')['grpc'] as grpc.GrpcObject)['health'] as grpc.GrpcObject)['v1'] as grpc.GrpcObject)['Health'])
  const ask: Ask = (method, request = {}, { metadata = {}, deadline, health: ofHealth } = {}) =>
    new Promise((resolve, reject) => {
      const headers = new grpc.Metadata()
      for (const [key, value] of Object.entries(metadata)) headers.set(key, value)
      const client = (ofHealth ? health : inference) as unknown as Record<string, (...args: unknown[]) => void>
      client[method]!(request, headers, deadline ? { deadline } : {}, (error: Error | null, reply: Reply) =>
        error ? reject(error) : resolve(reply),
      )
    })
  try {
    await fn(ask, address, () => server.close())
  } finally {
    inference.close()
    health.close()
    await server.close()
  }
}
const status = async (promise: Promise<unknown>): Promise<[number, string]> =>
  promise.then(
    () => [0, ''],
    (error: grpc.ServiceError) => [error.code, error.details],
  )
const floats = (...values: number[]): Buffer => Buffer.from(Float32Array.from(values).buffer)
const infer = (values: number[], more: object = {}) => ({
  model_name: 'double',
  inputs: [{ name: 'x', datatype: 'FP32', shape: [values.length / 2, 2] }],
  raw_input_contents: [floats(...values)],
  ...more,
})
const read = (reply: Reply): number[] => [...new Float32Array(new Uint8Array((reply['raw_output_contents'] as Buffer[])[0]!).buffer)]

test('live, ready, metadata, health', async () => {
  await withServer({ models: { double: scaling(2) } }, async (ask) => {
    assert.equal(await ask('ServerLive'), { live: true } as never)
    assert.equal(await ask('ServerReady'), { ready: true } as never)
    assert.equal(await ask('ModelReady', { name: 'double' }), { ready: true } as never)
    assert.is((await ask('ServerMetadata'))['name'], 'weft')
    assert.equal(await ask('ModelMetadata', { name: 'double' }), {
      name: 'double',
      versions: ['1'],
      platform: 'weft',
      inputs: [{ name: 'x', datatype: 'FP32', shape: ['-1', '2'] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: ['-1', '2'] }],
    } as never)
    const { config } = (await ask('ModelConfig', { name: 'double' })) as { config: { [key: string]: unknown } }
    assert.equal(
      [config['name'], config['max_batch_size'], config['input']],
      ['double', 32, [{ name: 'x', data_type: 'TYPE_FP32', dims: ['2'] }]],
    )
    for (const service of ['', 'inference.GRPCInferenceService', 'double'])
      assert.equal(await ask('Check', { service }, { health: true }), { status: 'SERVING' } as never)
    assert.is((await status(ask('Check', { service: 'none' }, { health: true })))[0], grpc.status.NOT_FOUND)
  })
})

test('inference: raw and typed contents, id, picked outputs', async () => {
  await withServer({ models: { double: scaling(2) } }, async (ask) => {
    const reply = await ask('ModelInfer', infer([1, 2, 3, 4], { id: 'a1', model_version: '1', outputs: [{ name: 'y' }] }))
    assert.equal([reply['id'], reply['model_name'], reply['model_version']], ['a1', 'double', '1'])
    assert.equal((reply['outputs'] as { shape: string[] }[])[0]!.shape, ['2', '2'])
    assert.equal(read(reply), [2, 4, 6, 8])
    const typed = { model_name: 'double', inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], contents: { fp32_contents: [5, 6] } }] }
    assert.equal(read(await ask('ModelInfer', typed)), [10, 12])
  })
})

test('wrong requests: INVALID_ARGUMENT, NOT_FOUND, UNIMPLEMENTED', async () => {
  await withServer({ models: { double: scaling(2) }, limits: { bodyBytes: 100_000 } }, async (ask) => {
    const x = (input: object, more: object = {}) => ({
      model_name: 'double',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], ...input }],
      ...more,
    })
    const cases: [object, number, RegExp][] = [
      [{ model_name: 'none', inputs: [] }, grpc.status.NOT_FOUND, /unknown/],
      [{ model_name: '' }, grpc.status.NOT_FOUND, /unknown/],
      [infer([1, 2], { model_version: '2' }), grpc.status.NOT_FOUND, /no version '2'/],
      [{ model_name: 'double' }, grpc.status.INVALID_ARGUMENT, /no inputs/],
      [x({}), grpc.status.INVALID_ARGUMENT, /has 2 values, its contents 0/],
      [x({ contents: { fp32_contents: [1] } }), grpc.status.INVALID_ARGUMENT, /its contents 1/],
      [x({ contents: { fp64_contents: [1, 2] } }), grpc.status.INVALID_ARGUMENT, /contents are fp64Contents/],
      [
        x({ contents: { fp32_contents: [1, 2] } }, { raw_input_contents: [floats(1, 2)] }),
        grpc.status.INVALID_ARGUMENT,
        /beside raw_input_contents/,
      ],
      [x({}, { raw_input_contents: [floats(1)] }), grpc.status.INVALID_ARGUMENT, /has 8 bytes, got 4/],
      [x({}, { raw_input_contents: [floats(1, 2), floats(1, 2)] }), grpc.status.INVALID_ARGUMENT, /2 tensors for 1 inputs/],
      [x({ datatype: 'FLOAT' }), grpc.status.INVALID_ARGUMENT, /unknown datatype/],
      [x({ datatype: 'FP16', contents: { fp32_contents: [1, 2] } }), grpc.status.INVALID_ARGUMENT, /FP16 has no contents/],
      [x({ datatype: 'INT8', contents: { int_contents: [1, 128] } }), grpc.status.INVALID_ARGUMENT, /value 1 is 128/],
      [x({ shape: [-1, 2] }), grpc.status.INVALID_ARGUMENT, /at least 0/],
      [x({ shape: ['9223372036854775807', 2] }), grpc.status.INVALID_ARGUMENT, /./],
      [x({ shape: [2 ** 33, 2 ** 31] }), grpc.status.INVALID_ARGUMENT, /larger than a request/],
      [x({ name: '' }), grpc.status.INVALID_ARGUMENT, /a name/],
      [infer([1, 2], { parameters: { sequence_id: { int64_param: 4 } } }), grpc.status.UNIMPLEMENTED, /sequences/],
      [infer([1, 2], { parameters: { priority: { int64_param: -4 } } }), grpc.status.INVALID_ARGUMENT, /priority/],
      [infer([1, 2], { outputs: [{ name: 'z' }] }), grpc.status.INVALID_ARGUMENT, /unknown/],
      [infer(Array<number>(66).fill(1)), grpc.status.INVALID_ARGUMENT, /33 rows, maxBatchSize is 32/],
    ]
    for (const [request, code, message] of cases) {
      const [found, details] = await status(ask('ModelInfer', request))
      assert.is(found, code, `${JSON.stringify(request)}: ${details}`)
      assert.match(details, message)
    }
    assert.is(
      (await status(ask('ModelInfer', infer(Array<number>(40_000).fill(1)))))[0],
      grpc.status.RESOURCE_EXHAUSTED,
      'a message that is too large',
    )
    assert.is((await status(ask('RepositoryModelLoad', { model_name: 'double' })))[0], grpc.status.FAILED_PRECONDITION)
    for (const name of ['RepositoryIndex', 'RepositoryModelLoad', 'RepositoryModelUnload'])
      assert.is((await status(ask(name, { repository_name: 'other' })))[0], grpc.status.UNIMPLEMENTED, name)
    assert.equal(read(await ask('ModelInfer', infer([1, 2]))), [2, 4])
  })
})

test('bytes that are no message: INVALID_ARGUMENT; methods that are not offered: UNIMPLEMENTED', async () => {
  await withServer({ models: { double: scaling(2) } }, async (_, address) => {
    const client = new grpc.Client(address, grpc.credentials.createInsecure())
    const send = (method: string, bytes: Buffer) =>
      status(
        new Promise((resolve, reject) => {
          const same = (value: Buffer): Buffer => value
          client.makeUnaryRequest(`/inference.GRPCInferenceService/${method}`, same, same, bytes, (error, reply) =>
            error ? reject(error) : resolve(reply),
          )
        }),
      )
    for (const bytes of ['ff', '0a', '0aff', '08', '0a05616263', '2a7f', 'ffffffffffffffffffffff'])
      assert.is((await send('ModelInfer', Buffer.from(bytes, 'hex')))[0], grpc.status.INVALID_ARGUMENT, bytes)
    for (const method of ['SystemSharedMemoryRegister', 'CudaSharedMemoryStatus', 'None'])
      assert.is((await send(method, Buffer.alloc(0)))[0], grpc.status.UNIMPLEMENTED, method)
    client.close()
  })
})

test('deadline, cancellation, a full queue', async () => {
  const batching = { maxBatchSize: 2, maxDelayMs: 3_600_000, maxQueueSize: 1, timeoutMs: 0 }
  await withServer({ models: { double: scaling(2) }, batching }, async (ask, _, close) => {
    const own = await status(ask('ModelInfer', infer([1, 2], { parameters: { timeout: { int64_param: 2000 } } })))
    assert.is(own[0], grpc.status.DEADLINE_EXCEEDED)
    const failures = async (): Promise<number> => {
      const { model_stats: stats } = await ask('ModelStatistics', { name: 'double' })
      return Number((stats as unknown as { inference_stats: { fail: { count: string } } }[])[0]!.inference_stats.fail.count)
    }
    assert.is(await failures(), 1)
    // a deadline may pass on the way; then the server never saw the request
    for (let reached = false; !reached; ) {
      const late = await status(ask('ModelInfer', infer([1, 2]), { deadline: new Date(Date.now() + 300) }))
      assert.is(late[0], grpc.status.DEADLINE_EXCEEDED)
      for (let turn = 0; turn < 50 && !reached; turn++) reached = (await failures()) >= 2
    }
    const waiting = [ask('ModelInfer', infer([1, 2])), ask('ModelInfer', infer([3, 4, 5, 6]))].map(status)
    // the one that comes second finds the queue full, and the first waits
    const [refused] = await Promise.race(waiting)
    assert.is(refused, grpc.status.RESOURCE_EXHAUSTED)
    await close()
    assert.equal((await Promise.all(waiting)).map(([code]) => code).sort(), [0, grpc.status.RESOURCE_EXHAUSTED])
  })
})

test('Watch: the state as it is, and an end when the server is closed', async () => {
  const keys = createApiKey({ id: 'all', roles: ['read'] })
  const file = path.join(folder, 'watch.json')
  writeFileSync(file, JSON.stringify({ keys: [keys.entry] }))
  await withServer({ models: { double: scaling(2) }, auth: { apiKeys: file } }, async (_, address, close) => {
    const client = new grpc.Client(address, grpc.credentials.createInsecure())
    const watch = (key: string): grpc.ClientReadableStream<Buffer> => {
      const metadata = new grpc.Metadata()
      metadata.set('x-api-key', key)
      const same = (value: Buffer): Buffer => value
      return client.makeServerStreamRequest('/grpc.health.v1.Health/Watch', same, same, Buffer.alloc(0), metadata)
    }
    const [refused] = (await once(watch('x'), 'error')) as [grpc.ServiceError]
    assert.is(refused.code, grpc.status.UNAUTHENTICATED)
    const stream = watch(keys.key)
    const [state] = (await once(stream, 'data')) as [Buffer]
    assert.equal([...state], [8, 1], 'SERVING')
    const [[last]] = await Promise.all([once(stream, 'status') as Promise<[grpc.StatusObject]>, close()])
    assert.is(last.code, grpc.status.OK)
    client.close()
  })
})

test('every method of the services: no credentials, no answer; the roles it names alone', async () => {
  const roles: Record<string, readonly Role[]> = {
    ServerLive: ['predict', 'read', 'admin'],
    ServerReady: ['predict', 'read', 'admin'],
    ModelReady: ['predict', 'read', 'admin'],
    ServerMetadata: ['predict', 'read', 'admin'],
    ModelMetadata: ['predict', 'read'],
    ModelConfig: ['predict', 'read'],
    ModelInfer: ['predict'],
    ModelStreamInfer: ['predict'],
    ModelStatistics: ['read'],
    RepositoryIndex: ['read'],
    RepositoryModelLoad: ['admin'],
    RepositoryModelUnload: ['admin'],
    Check: ['predict', 'read', 'admin'],
    Watch: ['predict', 'read', 'admin'],
  }
  const all = [...GRPCInferenceService.methods, ...Health.methods]
  assert.equal(all.map(({ name }) => name).sort(), Object.keys(roles).sort())
  const keys = (['predict', 'read', 'admin'] as const).map((role) => ({ role, ...createApiKey({ id: role, roles: [role] }) }))
  const file = path.join(folder, 'keys.json')
  writeFileSync(file, JSON.stringify({ keys: keys.map(({ entry }) => entry) }))
  await withServer({ models: { double: scaling(2) }, auth: { apiKeys: file } }, async (unary, address) => {
    const stream = new grpc.Client(address, grpc.credentials.createInsecure())
    /** A stream that is opened and closed: with credentials that may it ends well. */
    const converse = (metadata: Record<string, string>): Promise<Reply> =>
      new Promise((resolve, reject) => {
        const headers = new grpc.Metadata()
        for (const [key, value] of Object.entries(metadata)) headers.set(key, value)
        const same = (value: Buffer): Buffer => value
        const call = stream.makeBidiStreamRequest('/inference.GRPCInferenceService/ModelStreamInfer', same, same, headers)
        call
          .on('error', reject)
          .on('data', () => undefined)
          .on('end', () => resolve({}))
        call.end()
      })
    const ask: Ask = (name, request, options) =>
      name === 'ModelStreamInfer' ? converse(options?.metadata ?? {}) : unary(name, request, options)
    // after some of them the address is told that there were too many
    const refusals: number[] = [grpc.status.UNAUTHENTICATED, grpc.status.RESOURCE_EXHAUSTED]
    for (const { name, parent } of all) {
      if (name === 'Watch') continue
      const health = parent === Health
      const request = health
        ? {}
        : name === 'ModelInfer'
          ? infer([1, 2])
          : name.startsWith('Repository')
            ? { model_name: 'double' }
            : { name: 'double' }
      const metadata: Record<string, string>[] = [{}, { authorization: 'Bearer x' }, { authorization: 'Bearer' }, { 'x-api-key': '' }]
      for (const one of metadata) assert.ok(refusals.includes((await status(ask(name, request, { metadata: one, health })))[0]), name)
      for (const { role, key } of keys) {
        const [code] = await status(ask(name, request, { metadata: { authorization: `Bearer ${key}` }, health }))
        assert.is(code === grpc.status.PERMISSION_DENIED, !roles[name]!.includes(role), `${name} ${role}: ${code}`)
      }
    }
    stream.close()
  })
})

test('a client of the published definition of the protocol: protos/open_inference_grpc.proto, as KServe has it', async () => {
  const published = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../../test/serve/protos/open_inference_grpc.proto')
  const { inference } = grpc.loadPackageDefinition(loadSync(published, { keepCase: true, longs: String, defaults: true }))
  const Client = (inference as grpc.GrpcObject)['GRPCInferenceService'] as unknown as typeof grpc.Client
  await withServer({ models: { double: scaling(2) } }, async (_, address) => {
    const client = new Client(address, grpc.credentials.createInsecure()) as unknown as Record<
      string,
      (request: object, done: (error: Error | null, reply: Reply) => void) => void
    >
    const ask = (method: string, request: object = {}): Promise<Reply> =>
      new Promise((resolve, reject) => client[method]!(request, (error, reply) => (error ? reject(error) : resolve(reply))))
    assert.equal(await ask('ServerLive'), { live: true })
    assert.equal(await ask('ServerReady'), { ready: true })
    assert.equal(await ask('ModelReady', { name: 'double' }), { ready: true })
    assert.is((await ask('ServerMetadata'))['name'], 'weft')
    const { inputs } = await ask('ModelMetadata', { name: 'double', version: '1' })
    assert.equal(inputs, [{ name: 'x', datatype: 'FP32', shape: ['-1', '2'] }])
    const values = { fp32_contents: [1, 2, 3, 4] }
    const reply = await ask('ModelInfer', {
      model_name: 'double',
      id: 'p',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [2, 2], contents: values }],
    })
    assert.equal([reply['model_name'], reply['model_version'], reply['id']], ['double', '1', 'p'])
    const [raw] = reply['raw_output_contents'] as Buffer[]
    assert.equal([...new Float32Array(new Uint8Array(raw!).buffer)], [2, 4, 6, 8])
    ;(client as unknown as grpc.Client).close()
  })
})

test('field numbers are those that Triton publishes in model_config.proto and grpc_service.proto', () => {
  const published: Record<string, Record<string, number>> = {
    ModelConfig: {
      name: 1,
      platform: 2,
      max_batch_size: 4,
      input: 5,
      output: 6,
      dynamic_batching: 11,
      parameters: 14,
      backend: 17,
      model_transaction_policy: 19,
    },
    ModelInput: { name: 1, data_type: 2, dims: 4 },
    ModelOutput: { name: 1, data_type: 2, dims: 3 },
    ModelDynamicBatching: { max_queue_delay_microseconds: 2 },
    ModelParameter: { string_value: 1 },
    ModelTransactionPolicy: { decoupled: 1 },
    ModelStreamInferResponse: { error_message: 1, infer_response: 2 },
    InferStatistics: { success: 1, fail: 2, queue: 3, compute_input: 4, compute_infer: 5, compute_output: 6, cache_hit: 7, cache_miss: 8 },
    ModelStatistics: { name: 1, version: 2, last_inference: 3, inference_count: 4, execution_count: 5, inference_stats: 6, batch_stats: 7 },
  }
  for (const [name, fields] of Object.entries(published)) {
    const message = file_inference.messages.find((one) => one.name === name)!
    assert.equal(Object.fromEntries(message.fields.map((field) => [field.name, field.number])), fields, name)
  }
  const types = [
    'INVALID',
    'BOOL',
    'UINT8',
    'UINT16',
    'UINT32',
    'UINT64',
    'INT8',
    'INT16',
    'INT32',
    'INT64',
    'FP16',
    'FP32',
    'FP64',
    'STRING',
    'BF16',
  ]
  const { values } = file_inference.enums.find(({ name }) => name === 'DataType')!
  assert.equal(
    values.map(({ name, number }) => [name, number]),
    types.map((name, number) => [`TYPE_${name}`, number]),
  )
})

test.run()
