// Random requests and files for the server: each is answered as documented, none is a fault of the server.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { create, toBinary } from '@bufbuild/protobuf'
import * as grpc from '@grpc/grpc-js'
import { pino } from 'pino'
import { gpt, layers, sequential, WeftError } from '../../lib/index.js'
import { open } from '../../lib/serve/auth/principal.js'
import { ModelInferRequestSchema } from '../../lib/serve/grpc/inference_pb.js'
import { serve } from '../../lib/serve/index.js'
import { Metrics } from '../../lib/serve/metrics.js'
import { limitsOf } from '../../lib/serve/protocol/limits.js'
import { Repository } from '../../lib/serve/repository/repository.js'
import { restApp } from '../../lib/serve/rest/app.js'
import { routes } from '../../lib/serve/rest/routes.js'
import { Service } from '../../lib/serve/service.js'
import { generator } from '../expect.js'
import { scaling } from './models.js'

/** Requests that are asked at once. */
const TOGETHER = 20

/** How many answers had each status. */
export type Seen = Map<number | string, number>
const count = (seen: Seen, status: number | string): void => void seen.set(status, (seen.get(status) ?? 0) + 1)

const words = () => sequential([layers.embedding({ inputDim: 4, outputDim: 2, inputShape: [2] }), layers.flatten()])
const writer = () => gpt({ vocabularySize: 20, sequenceLength: 8, numLayers: 1, numHeads: 1, hiddenDim: 4, dropout: 0 })

const PIECES = [
  '{',
  '}',
  '[',
  ']',
  '"',
  ':',
  ',',
  '1e999',
  '-1',
  '0',
  '1.5',
  'null',
  'true',
  '4294967296',
  '9007199254740993',
  '"data"',
  '"shape"',
  '"FP64"',
  '"BYTES"',
  '"__proto__"',
  '{"b64":"YQ=="}',
  '\\ud800',
  '\\u0000',
  '\u0000',
  '\u{feff}',
  '['.repeat(120),
  'x'.repeat(2000),
]
const tensor = (datatype: string, data: unknown[], name = 'x'): object => ({ name, datatype, shape: [1, 2], data })
const BODIES: readonly [string, object][] = [
  ['/v2/models/m/infer', { inputs: [tensor('FP32', [1, 2])], id: 'a' }],
  ['/v2/models/m/versions/1/infer', { inputs: [tensor('INT32', [1, 2])] }],
  ['/v2/models/m/infer', { inputs: [tensor('FP32', [1, 2])], outputs: [{ name: 'y', parameters: { binary_data: true } }] }],
  ['/v2/models/words/infer', { inputs: [tensor('INT32', [0, 3])] }],
  ['/v2/models/words/infer', { inputs: [tensor('INT32', [4, 1])] }],
  ['/v1/models/m:predict', { instances: [[1, 2]] }],
  ['/v1/models/m:predict', { inputs: { x: [[1, 2]] } }],
  ['/v2/models/writer/generate', { ids: [1, 2], parameters: { max_tokens: 2, seed: 1 } }],
  ['/v2/models/writer/generate_stream', { ids: [1], max_tokens: 1, temperature: 0 }],
  ['/v2/models/writer/infer', { inputs: [tensor('INT32', [1, 2], 'ids')] }],
  ['/v2/repository/index', { ready: true }],
  ['/v2/repository/models/m/load', { parameters: { unload_dependents: false } }],
]
const DOCUMENTED: ReadonlySet<number> = new Set([200, 400, 404, 409, 413, 415, 501])

export async function fuzzRest(rounds: number, seed: number): Promise<Seen> {
  const repository = await Repository.open(undefined, { batching: { maxBatchSize: 4 }, load: {} })
  await repository.add('m', scaling(2))
  await repository.add('words', words())
  await repository.add('writer', writer() as never)
  const service = new Service(repository, 'none', limitsOf('test', { bodyBytes: 4096 }))
  const metrics = new Metrics()
  const app = restApp({ service, routes: routes(service, () => metrics.text()), authenticator: open, log: pino({ level: 'silent' }) })
  await app.ready()
  const random = generator(seed)
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!
  const seen: Seen = new Map()
  const ask = async (round: number): Promise<void> => {
    const [url, json] = pick(BODIES)
    let body = Buffer.from(JSON.stringify(json))
    for (let change = Math.floor(random() * 4); change > 0; change--) {
      const at = Math.floor(random() * body.length)
      const piece = random() < 0.1 ? Buffer.from([Math.floor(random() * 256)]) : Buffer.from(pick(PIECES))
      body = Buffer.concat([body.subarray(0, at), piece, body.subarray(at + Math.floor(random() * 4))])
    }
    const headers: Record<string, string> = {}
    if (random() < 0.2)
      headers['inference-header-content-length'] = pick(['0', '-1', `${body.length}`, '10', '1e3', '0x10', '99999999999', ''])
    if (random() < 0.1) headers['content-encoding'] = pick(['gzip', 'deflate', 'br', 'identity', ''])
    if (random() < 0.1) headers['accept-encoding'] = pick(['gzip', 'deflate;q=0', '*', ',,;'])
    if (random() < 0.1) headers['content-type'] = pick(['text/plain', 'application/json; charset=latin1', 'multipart/form-data', ';;', ''])
    const to = random() < 0.05 ? url.replace(/m(?=[:/])/, pick(['none', '%00', '..%2f', '%ff', 'm'.repeat(300), '__proto__'])) : url
    const reply = await app.inject({ method: 'POST', url: to, payload: body, headers })
    count(seen, reply.statusCode)
    const note = `round ${round}: ${reply.statusCode} ${reply.body} for ${to} ${JSON.stringify(headers)} ${body.subarray(0, 300)}`
    if (!DOCUMENTED.has(reply.statusCode)) throw new Error(note)
    if (reply.statusCode !== 200 && !isError(reply.body)) throw new Error(note)
  }
  for (let round = 0; round < rounds; round += TOGETHER)
    await Promise.all(Array.from({ length: Math.min(TOGETHER, rounds - round) }, (_, i) => ask(round + i)))
  await app.close()
  await repository.close()
  return seen
}

function isError(body: string): boolean {
  const json = JSON.parse(body) as Record<string, unknown>
  return Object.keys(json).join() === 'error' && typeof json['error'] === 'string' && json['error'] !== ''
}

const STATUSES: ReadonlySet<number> = new Set([
  grpc.status.OK,
  grpc.status.INVALID_ARGUMENT,
  grpc.status.NOT_FOUND,
  grpc.status.UNIMPLEMENTED,
])
const METHODS = ['ModelInfer', 'ModelMetadata', 'ModelReady', 'ModelConfig', 'ModelStatistics', 'RepositoryIndex', 'ServerMetadata']

export async function fuzzGrpc(rounds: number, seed: number): Promise<Seen> {
  const server = await serve({ http: false, grpc: { port: 0 }, models: { m: scaling(2), words: words() } })
  const client = new grpc.Client(server.address.grpc!.replace('grpc://', ''), grpc.credentials.createInsecure())
  const random = generator(seed)
  const request = (modelName: string, datatype: string, raw: Uint8Array): Uint8Array =>
    toBinary(
      ModelInferRequestSchema,
      create(ModelInferRequestSchema, {
        modelName,
        inputs: [{ name: 'x', datatype, shape: [1n, 2n], parameters: { a: { parameterChoice: { case: 'boolParam', value: true } } } }],
        rawInputContents: [raw],
      }),
    )
  const bodies = [request('m', 'FP32', new Uint8Array(8)), request('words', 'INT32', new Uint8Array([1, 0, 0, 0, 9, 0, 0, 0]))]
  const same = (value: Buffer): Buffer => value
  const seen: Seen = new Map()
  const ask = async (): Promise<void> => {
    const bytes = Buffer.from(bodies[Math.floor(random() * bodies.length)]!)
    for (let change = Math.floor(random() * 4); change > 0; change--)
      bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256)
    const cut = random() < 0.3 ? bytes.subarray(0, Math.floor(random() * bytes.length)) : bytes
    const method = random() < 0.8 ? 'ModelInfer' : METHODS[Math.floor(random() * METHODS.length)]!
    const status = await new Promise<number>((resolve) =>
      client.makeUnaryRequest(`/inference.GRPCInferenceService/${method}`, same, same, cut, (error) => resolve(error?.code ?? 0)),
    )
    count(seen, grpc.status[status]!)
    if (!STATUSES.has(status)) throw new Error(`${grpc.status[status]} for ${method} ${cut.toString('hex')}`)
  }
  for (let round = 0; round < rounds; round += TOGETHER) await Promise.all(Array.from({ length: Math.min(TOGETHER, rounds - round) }, ask))
  client.close()
  await server.close()
  return seen
}

/**
 * Files of a version, and serve.json, with bytes changed, put in, cut off: loaded, or refused by an error of this
 * package.
 */
export async function fuzzRepository(rounds: number, seed: number): Promise<Seen> {
  const root = mkdtempSync(path.join(tmpdir(), 'weft-fuzz-'))
  const random = generator(seed)
  const seen: Seen = new Map()
  try {
    const net = sequential([layers.embedding({ inputDim: 4, outputDim: 2, inputShape: [2] }), layers.flatten(), layers.dense({ units: 2 })])
    await net.save(path.join(root, 'm', '1'))
    net.dispose()
    const settings = { versionPolicy: { specific: [1] }, labels: { stable: 1 }, batching: { maxBatchSize: 2, maxDelayMs: 1 } }
    writeFileSync(path.join(root, 'm', 'serve.json'), JSON.stringify(settings))
    const folder = path.join(root, 'm', '1')
    const files = [...readdirSync(folder).map((name) => path.join(folder, name)), path.join(root, 'm', 'serve.json')]
    const whole = new Map(files.map((file) => [file, readFileSync(file)]))
    for (let round = 0; round < rounds; round++) {
      const file = files[Math.floor(random() * files.length)]!
      writeFileSync(file, changed(whole.get(file)!, random))
      // without checksums the content is what decides
      const repository = await Repository.open(root, { batching: {}, load: { verify: random() < 0.2 } })
      try {
        await repository.load('m')
        count(seen, 'loaded')
      } catch (error) {
        if (!(error instanceof WeftError) || error.code === 'ERR_INTERNAL')
          throw new Error(`round ${round}: ${path.basename(file)}`, { cause: error })
        count(seen, error.code)
      }
      await repository.close()
      writeFileSync(file, whole.get(file)!)
    }
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
  return seen
}

function changed(bytes: Buffer, random: () => number): Buffer {
  let body = Buffer.from(bytes)
  if (random() < 0.2) return body.subarray(0, Math.floor(random() * body.length))
  for (let change = 1 + Math.floor(random() * 3); change > 0; change--) {
    const at = Math.floor(random() * body.length)
    if (random() < 0.5) body[at] = Math.floor(random() * 256)
    else {
      const piece = Buffer.from(PIECES[Math.floor(random() * PIECES.length)]!)
      body = Buffer.concat([body.subarray(0, at), piece, body.subarray(at + Math.floor(random() * 6))])
    }
  }
  return body
}
