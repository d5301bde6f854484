// Language models and assets: texts generated over REST and gRPC, encoders, and texts, scaled values and labels on the
// wire.
import { once } from 'node:events'
import * as http from 'node:http'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import * as grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { bert, data, type Gpt, gpt, layers, losses, sequential, setSeed, tensor, text } from '../../lib/index.js'
import { eventsOf } from '../../lib/serve/client/events.js'
import { connect, type GeneratedPart, type ServeOptions, type Server, serve } from '../../lib/serve/index.js'
import { TextStream } from '../../lib/serve/text_codec.js'
import { codeOf, codeOfAsync, until } from '../expect.js'
import { scaling, scratch } from './models.js'

const { folder, remove } = scratch()
test.after(remove)

const TEXTS = ['the cat sat on the mat', 'the dog sat on the log', 'a cat and a dog — née Ω 🐈']
const bytePairs = text.bytePairEncoding.train(TEXTS, { vocabularySize: 300 })
function writer(seed = 1): Gpt {
  setSeed(seed)
  return gpt({ vocabularySize: bytePairs.vocabularySize, sequenceLength: 24, numLayers: 1, numHeads: 2, hiddenDim: 16, dropout: 0 })
}
async function withServer(options: ServeOptions, fn: (url: string, server: Server) => Promise<void>): Promise<void> {
  const server = await serve({ http: { port: 0 }, ...options })
  try {
    await fn(server.address.http!, server)
  } finally {
    await server.close()
  }
}
interface Reply {
  error?: string
  text_output: string
  ids: number[]
  finish_reason?: string
  id?: string
}
const post = async (url: string, body: unknown): Promise<{ status: number; json: Reply }> => {
  const reply = await fetch(url, { method: 'POST', body: JSON.stringify(body) })
  return { status: reply.status, json: (await reply.json()) as Reply }
}
const events = async (url: string, body: unknown): Promise<{ type: string; list: Reply[] }> => {
  const reply = await fetch(url, { method: 'POST', body: JSON.stringify(body) })
  const whole = await reply.text()
  assert.is(reply.status, 200, whole)
  const list = whole.split('\n\n').filter(Boolean)
  assert.ok(list.every((event) => event.startsWith('data: ')))
  return { type: reply.headers.get('content-type')!, list: list.map((event) => JSON.parse(event.slice(6)) as Reply) }
}
const metrics = async (url: string): Promise<string> => (await fetch(`${url}/metrics`)).text()
/** Resolves when a request waits for its turn. */
const waits = (url: string, model: string): Promise<void> => {
  const pending = new RegExp(`^nv_inference_pending_request_count\\{model="${model}".*\\} 1$`, 'm')
  return until(async () => pending.test(await metrics(url)), `a text of ${model} waits`)
}
async function collected(generator: AsyncIterable<number>): Promise<number[]> {
  const ids: number[] = []
  for await (const id of generator) ids.push(id)
  return ids
}

test('a text as a whole and as events is what the model generates', async () => {
  const net = writer()
  net.assets = { tokenizer: bytePairs }
  const bare = writer()
  await withServer({ models: { writer: net, bare } }, async (url) => {
    const options = { max_tokens: 12, temperature: 0.8, top_k: 20, top_p: 0.9, seed: 7 }
    const prompt = bytePairs.encode('the cat')
    const expected = await collected(net.generate(prompt, { maxTokens: 12, temperature: 0.8, topK: 20, topP: 0.9, seed: 7 }))
    const whole = await post(`${url}/v2/models/writer/generate`, { id: 'g1', text_input: 'the cat', parameters: options })
    assert.is(whole.status, 200)
    const { text_output: output, ids, finish_reason: reason, id } = whole.json
    assert.equal([ids, output, reason, id], [expected, bytePairs.decode(expected, { skipSpecialTokens: true }), 'length', 'g1'])
    const { type, list } = await events(`${url}/v2/models/writer/versions/1/generate_stream`, { text_input: 'the cat', ...options })
    assert.match(type, /^text\/event-stream/)
    assert.equal(
      list.flatMap((event) => event.ids),
      expected,
    )
    assert.is(list.map((event) => event.text_output).join(''), output)
    assert.is(list.at(-1)!.finish_reason, 'length')
    const byIds = await post(`${url}/v2/models/bare/generate`, { ids: prompt, ...options })
    assert.equal([byIds.json.ids, byIds.json.text_output], [expected, ''])
    const stopped = await post(`${url}/v2/models/bare/generate`, { ids: prompt, ...options, stop_tokens: [expected[3]] })
    assert.equal([stopped.json.ids, stopped.json.finish_reason], [expected.slice(0, expected.indexOf(expected[3]!)), 'stop'])
    const { list: none } = await events(`${url}/v2/models/bare/generate_stream`, { ids: prompt, max_tokens: 0 })
    assert.equal(
      none.map(({ ids: given }) => given),
      [[]],
    )
    const client = await connect(url)
    const { outputs } = await client.infer('writer', { inputs: { ids: [prompt] } })
    assert.equal(outputs['logits']!.shape, [1, prompt.length, bytePairs.vocabularySize])
    const direct = net.predict(tensor([prompt], { dtype: 'int32' }))
    assert.equal(await outputs['logits']!.array(), await ((await direct) as unknown as { array(): Promise<unknown> }).array())
    client.close()
  })
  net.dispose()
  bare.dispose()
})

test('requests for texts that are wrong are refused before they wait', async () => {
  const bare = writer()
  await withServer({ models: { bare, double: scaling(2) } }, async (url) => {
    const wrong: [unknown, number][] = [
      [{}, 400],
      [{ text_input: 'a', ids: [1] }, 400],
      [{ text_input: 'a' }, 400],
      [{ text_input: 5 }, 400],
      [{ ids: [] }, 400],
      [{ ids: ['1'] }, 400],
      [{ ids: [1.5] }, 400],
      [{ ids: [-1] }, 400],
      [{ ids: [1e9] }, 400],
      [{ ids: Array.from({ length: 25 }, () => 1) }, 400],
      [{ ids: [1], parameters: [] }, 400],
      [{ ids: [1], parameters: { max_tokens: -1 } }, 400],
      [{ ids: [1], parameters: { max_tokens: 1e9 } }, 400],
      [{ ids: [1], parameters: { max_tokens: '5' } }, 400],
      [{ ids: [1], parameters: { temperature: -1 } }, 400],
      [{ ids: [1], parameters: { top_p: 0 } }, 400],
      [{ ids: [1], parameters: { top_k: 0 } }, 400],
      [{ ids: [1], parameters: { seed: 0.5 } }, 400],
      [{ ids: [1], parameters: { constructor: 1 } }, 400],
      [{ ids: [1], parameters: { sequence_id: 3 } }, 400],
      [{ ids: [1], unknown: 1 }, 400],
      [{ ids: [1], stop_tokens: 5 }, 400],
      [{ ids: [1], stop_tokens: Array.from({ length: 1025 }, () => 1) }, 400],
      [{ text_input: 'a'.repeat((1 << 20) + 1) }, 413],
      ['[', 400],
    ]
    for (const [body, status] of wrong)
      for (const endpoint of ['generate', 'generate_stream']) {
        const reply = await post(`${url}/v2/models/bare/${endpoint}`, body)
        assert.is(reply.status, status, `${JSON.stringify(body).slice(0, 80)}: ${JSON.stringify(reply.json)}`)
        assert.type(reply.json.error, 'string')
      }
    assert.is((await post(`${url}/v2/models/double/generate`, { ids: [1] })).status, 501)
    assert.is((await post(`${url}/v2/models/none/generate`, { ids: [1] })).status, 404)
  })
  bare.dispose()
})

test('a client that goes away ends its text; a full queue is refused; the rest of the texts is drained', async () => {
  const bare = writer()
  const options = { models: { bare }, batching: { instances: 1, maxQueueSize: 1 } }
  await withServer(options, async (url, server) => {
    const begin = async (maxTokens: number): Promise<http.IncomingMessage> => {
      const request = http.request(`${url}/v2/models/bare/generate_stream`, { method: 'POST' })
      request.end(JSON.stringify({ ids: [1], max_tokens: maxTokens }))
      const [reply] = (await once(request, 'response')) as [http.IncomingMessage]
      return reply
    }
    const long = await begin(60_000)
    assert.is(long.statusCode, 200)
    const second = post(`${url}/v2/models/bare/generate`, { ids: [1], max_tokens: 3 })
    await waits(url, 'bare')
    assert.is((await post(`${url}/v2/models/bare/generate`, { ids: [1], max_tokens: 3 })).status, 429)
    long.destroy()
    assert.is((await second).json.ids.length, 3, 'the one that waited has its turn')
    const late = await post(`${url}/v2/models/bare/generate`, { ids: [1], max_tokens: 60_000, timeout: 20_000 })
    assert.is(late.status, 504)
    const last = await begin(200)
    const closing = server.close()
    last.setEncoding('utf8')
    let whole = ''
    for await (const part of last) whole += part as string
    await closing
    assert.match(whole, /"finish_reason":"length"/)
  })
  bare.dispose()
})

test('ModelStreamInfer: an answer to a request, one for each token of a text, errors as answers', async () => {
  const net = writer()
  net.assets = { tokenizer: bytePairs }
  const server = await serve({ http: false, grpc: { port: 0 }, models: { writer: net, double: scaling(2) } })
  const proto = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../../lib/serve/grpc/proto/inference.proto')
  const { inference } = grpc.loadPackageDefinition(loadSync(proto, { keepCase: true, longs: Number, defaults: true }))
  const Client = (inference as grpc.GrpcObject)['GRPCInferenceService'] as unknown as typeof grpc.Client
  const client = new Client(server.address.grpc!.replace('grpc://', ''), grpc.credentials.createInsecure())
  interface Answer {
    error_message: string
    infer_response: {
      id: string
      outputs: { name: string }[]
      raw_output_contents: Buffer[]
      parameters: Record<string, { bool_param: boolean }>
    } | null
  }
  const converse = async (requests: object[]): Promise<Answer[]> => {
    const stream = (client as unknown as { ModelStreamInfer(): grpc.ClientDuplexStream<object, Answer> }).ModelStreamInfer()
    const answers: Answer[] = []
    stream.on('data', (answer: Answer) => answers.push(answer))
    for (const request of requests) stream.write(request)
    stream.end()
    await once(stream, 'end')
    return answers
  }
  const float = (...values: number[]): Buffer => Buffer.from(Float32Array.from(values).buffer)
  const x = (id: string, values: number[]) => ({
    model_name: 'double',
    id,
    inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2] }],
    raw_input_contents: [float(...values)],
  })
  const plain = await converse([x('a', [1, 2]), x('b', [3, 4]), { model_name: 'none', inputs: [] }])
  assert.equal(
    plain
      .filter(({ error_message: message }) => message === '')
      .map(({ infer_response: reply }) => [reply!.id, [...new Float32Array(new Uint8Array(reply!.raw_output_contents[0]!).buffer)]])
      .sort(),
    [
      ['a', [2, 4]],
      ['b', [6, 8]],
    ],
  )
  assert.match(plain.find(({ error_message: message }) => message !== '')!.error_message, /'none' is unknown/)
  const ask = {
    model_name: 'writer',
    inputs: [{ name: 'text_input', datatype: 'BYTES', shape: [1], contents: { bytes_contents: [Buffer.from('the cat')] } }],
    parameters: { max_tokens: { int64_param: 8 }, seed: { int64_param: 3 } },
  }
  const answers = await converse([ask])
  const expected = await collected(net.generate(bytePairs.encode('the cat'), { maxTokens: 8, seed: 3 }))
  const idsIn = ({ infer_response: reply }: Answer): number[] => [...new Int32Array(new Uint8Array(reply!.raw_output_contents[1]!).buffer)]
  const textIn = ({ infer_response: reply }: Answer): string => reply!.raw_output_contents[0]!.subarray(4).toString()
  assert.equal(answers.flatMap(idsIn), expected)
  assert.is(answers.map(textIn).join(''), bytePairs.decode(expected, { skipSpecialTokens: true }))
  assert.equal(
    answers.map(({ infer_response: reply }) => reply!.parameters['triton_final_response']!.bool_param),
    answers.map((_, i) => i === answers.length - 1),
  )
  const [odd] = await converse([{ ...ask, parameters: { max_tokens: { string_param: '8' } } }])
  assert.match(odd!.error_message, /max_tokens|maxTokens/)
  client.close()
  await server.close()
  net.dispose()
})

test('client.generate: the text part by part over REST and gRPC; errors, an early end, and what is wrong', async () => {
  const net = writer()
  net.assets = { tokenizer: bytePairs }
  const batching = { instances: 1, maxQueueSize: 1 }
  const server = await serve({ http: { port: 0 }, grpc: { port: 0 }, models: { writer: net, double: scaling(2) }, batching })
  const expected = await collected(net.generate(bytePairs.encode('the cat'), { maxTokens: 8, seed: 3 }))
  for (const url of [server.address.http!, server.address.grpc!]) {
    const client = await connect(url, { retries: 0 })
    const ask = { prompt: 'the cat', maxTokens: 8, seed: 3 }
    const all = async (model: string, options: Parameters<typeof client.generate>[1]): Promise<GeneratedPart[]> => {
      const parts: GeneratedPart[] = []
      for await (const part of client.generate(model, options)) parts.push(part)
      return parts
    }
    const parts = await all('writer', ask)
    assert.equal(
      parts.flatMap(({ ids }) => [...ids]),
      expected,
      url,
    )
    assert.is(parts.map((part) => part.text).join(''), bytePairs.decode(expected, { skipSpecialTokens: true }))
    assert.equal(
      parts.map(({ finish }) => finish),
      parts.map((_, i) => (i === parts.length - 1 ? 'length' : undefined)),
    )
    const ids = bytePairs.encode('the cat')
    assert.equal(await all('writer', { ...ask, prompt: ids, temperature: 1, topP: 1 }), parts, 'ids in place of the text')
    const stopped = await all('writer', { ...ask, stopTokens: [expected[2]!] })
    assert.equal(
      stopped.flatMap((part) => [...part.ids]),
      expected.slice(0, expected.indexOf(expected[2]!)),
    )
    assert.is(stopped.at(-1)!.finish, 'stop')
    for (const [model, options, code] of [
      ['none', ask, 'ERR_NOT_FOUND'],
      // over gRPC it is a request for inference with an input that the model does not have
      ['double', ask, url.startsWith('grpc') ? 'ERR_ARGUMENT' : 'ERR_UNSUPPORTED'],
      ['writer', { ...ask, topK: -1 }, 'ERR_ARGUMENT'],
      ['writer', { ...ask, maxTokens: 60_000, timeoutMs: 100 }, 'ERR_TIMEOUT'],
    ] as const)
      assert.is(await codeOfAsync(all(model, options)), code, `${model} ${JSON.stringify(options)}`)
    for (const options of [{}, { prompt: 1 }, { prompt: [1.5] }, { prompt: '', max_tokens: 3 }])
      assert.is(
        codeOf(() => client.generate('writer', options as never)),
        'ERR_ARGUMENT',
        JSON.stringify(options),
      )
    // a loop that is left, and a signal, end the text: the one that waits for its turn has it
    for await (const part of client.generate('writer', { ...ask, maxTokens: 60_000 })) if (part.ids.length > 0) break
    assert.is((await all('writer', ask)).length, parts.length)
    const controller = new AbortController()
    const reason = new Error('enough')
    try {
      for await (const part of client.generate('writer', { ...ask, maxTokens: 60_000, signal: controller.signal }))
        if (part.ids.length > 0) controller.abort(reason)
      assert.unreachable()
    } catch (error) {
      assert.is(error, reason)
    }
    assert.is((await all('writer', ask)).length, parts.length)
    // a full queue is tried again until there is room
    const patient = await connect(url, { retries: 10 })
    const long = client.generate('writer', { ...ask, maxTokens: 60_000 })
    await long.next()
    const waiting = all('writer', ask)
    await waits(server.address.http!, 'writer')
    assert.is(await codeOfAsync(all('writer', ask)), 'ERR_OVERLOADED')
    const again = (async () => {
      let text = ''
      for await (const part of patient.generate('writer', ask)) text += part.text
      return text
    })()
    const refusals = /^nv_inference_request_failure\{.*model="writer".*reason="REJECTED"\} (\d+)$/m
    const before = refusals.exec(await metrics(server.address.http!))?.[1]
    await until(async () => refusals.exec(await metrics(server.address.http!))?.[1] !== before, 'it is refused')
    await long.return()
    assert.is((await waiting).length, parts.length)
    assert.is(await again, parts.map((part) => part.text).join(''))
    patient.close()
    client.close()
  }
  await server.close()
  net.dispose()
})

test('server-sent events come in any pieces', async () => {
  const all = 'data: one\r\n\r\n: a remark\n\ndata:two\ndata: three\nid: 7\n\ndata\n\ndata: cut off'
  for (const size of [1, 2, 3, 7, 1000]) {
    const pieces = async function* (): AsyncGenerator<string> {
      for (let at = 0; at < all.length; at += size) yield all.slice(at, at + size)
    }
    const events: string[] = []
    for await (const event of eventsOf(pieces())) events.push(event)
    assert.equal(events, ['one', 'two\nthree', ''], `pieces of ${size}`)
  }
})

test('characters of several tokens are given out whole', () => {
  const stream = new TextStream((ids) => bytePairs.decode(ids))
  const ids = bytePairs.encodeBytes(new TextEncoder().encode('née 🐈 Ω — 𝄞'))
  const parts = ids.map((id) => stream.push(id))
  parts.push(stream.end())
  assert.is(parts.join(''), 'née 🐈 Ω — 𝄞')
  assert.ok(parts.every((part) => !part.includes('\u{fffd}')))
  const broken = new TextStream((list) => bytePairs.decode(list))
  const invalid = bytePairs.encodeBytes(new Uint8Array(40).fill(0x80))
  assert.is(invalid.map((id) => broken.push(id)).join('') + broken.end(), '\u{fffd}'.repeat(40))
})

test('an encoder: ids alone, with segments and mask, in batches and alone', async () => {
  setSeed(3)
  const net = bert({ vocabularySize: 30, sequenceLength: 8, numLayers: 1, numHeads: 2, hiddenDim: 8, dropout: 0 })
  await withServer({ models: { net }, batching: { maxDelayMs: 5 } }, async (url) => {
    const client = await connect(url)
    assert.equal(
      (await client.metadata('net')).inputs.map(({ name }) => name),
      ['tokenIds', 'segmentIds', 'paddingMask'],
    )
    const ids = [
      [2, 5, 9, 0],
      [3, 4, 0, 0],
    ]
    const both = await client.infer('net', { inputs: { tokenIds: ids } })
    const direct = await net.predict(tensor(ids, { dtype: 'int32' }))
    for (const name of ['sequenceOutput', 'pooledOutput'] as const)
      assert.equal(await both.outputs[name]!.array(), await direct[name].array(), name)
    const alone = await Promise.all(ids.map((row) => client.infer('net', { inputs: { tokenIds: [row] } })))
    const rows = await Promise.all(alone.map(async ({ outputs }) => ((await outputs['pooledOutput']!.array()) as number[][])[0]))
    assert.equal(rows, await both.outputs['pooledOutput']!.array())
    const given = {
      tokenIds: ids,
      segmentIds: [
        [0, 0, 1, 1],
        [0, 1, 1, 1],
      ],
      paddingMask: [
        [true, true, true, true],
        [true, true, false, false],
      ],
    }
    const marked = await client.infer('net', { inputs: given })
    assert.not.equal(await marked.outputs['pooledOutput']!.array(), await both.outputs['pooledOutput']!.array())
    assert.is(await codeOfAsync(client.infer('net', { inputs: { segmentIds: ids } })), 'ERR_ARGUMENT')
    assert.is(await codeOfAsync(client.infer('net', { inputs: { tokenIds: [[1, 2, 3, 4, 5, 6, 7, 8, 9]] } })), 'ERR_ARGUMENT')
    assert.is(await codeOfAsync(client.infer('net', { inputs: { tokenIds: [[99]] } })), 'ERR_ARGUMENT')
    client.close()
  })
  net.dispose()
})

test('a client sends texts and gets labels; scaled values and targets by assets.serving', async () => {
  const words = text.tokenizer({ numWords: 20, oovToken: '<oov>' })
  words.fitOnTexts(TEXTS)
  const net = sequential([
    layers.embedding({ inputDim: 20, outputDim: 4, inputShape: [6] }),
    layers.flatten(),
    layers.dense({ units: 1, activation: 'sigmoid', name: 'y' }),
  ])
  net.compile({ loss: losses.binaryCrossentropy() })
  await net.save(path.join(folder, 'spam', '1'), { assets: { tokenizer: words, names: ['ham', 'spam'] } })
  const line = scaling(1, 2)
  const scaler = await data.standardScaler().fit([
    [0, 10],
    [10, 30],
  ])
  const targets = await data.standardScaler().fit([[100], [300]])
  await line.save(path.join(folder, 'line', '1'), { assets: { scaler, targets, serving: { scaler: 'scaler', targetScaler: 'targets' } } })
  await scaling(1, 2).save(path.join(folder, 'wrong', '1'), { assets: { serving: { scaler: 'none' } } })
  const server = await serve({ repository: folder, http: { port: 0 } })
  const url = server.address.http!
  const infer = async (model: string, body: object): Promise<{ status: number; outputs: { name: string; data: unknown[] }[] }> => {
    const reply = await fetch(`${url}/v2/models/${model}/infer`, { method: 'POST', body: JSON.stringify(body) })
    return { status: reply.status, ...((await reply.json()) as { outputs: { name: string; data: unknown[] }[] }) }
  }
  const texts = ['the cat sat', 'a dog and a log and a mat and a hat']
  const asText = await infer('spam', { inputs: [{ name: 'x', datatype: 'BYTES', shape: [2], data: texts }] })
  const ids = text.padSequences(words.textsToSequences(texts), { maxLen: 6 })
  const asIds = await infer('spam', {
    inputs: [{ name: 'x', datatype: 'INT32', shape: [2, 6], data: ((await ids.array()) as number[][]).flat() }],
  })
  assert.equal(asText, asIds)
  const scores = asText.outputs[0]!.data as number[]
  assert.equal(asText.outputs[1], {
    name: 'label',
    datatype: 'BYTES',
    shape: [2],
    data: scores.map((score) => (score > 0.5 ? 'spam' : 'ham')),
  } as never)
  const only = await infer('spam', {
    inputs: [{ name: 'x', datatype: 'BYTES', shape: [1, 1], data: ['cat'] }],
    outputs: [{ name: 'label' }],
  })
  assert.equal(
    only.outputs.map(({ name }) => name),
    ['label'],
  )
  const meta = (await (await fetch(`${url}/v2/models/spam`)).json()) as { outputs: object[] }
  assert.equal(meta.outputs[1], { name: 'label', datatype: 'BYTES', shape: [-1] })
  const config = (await (await fetch(`${url}/v2/models/spam/config`)).json()) as { parameters: object }
  assert.equal(config.parameters, { text_input: { string_value: 'x' } })
  for (const [shape, list] of [
    [
      [1, 2],
      ['a', 'b'],
    ],
    [[2], ['a']],
    [[], ['a']],
    [[1], [5]],
  ])
    assert.is((await infer('spam', { inputs: [{ name: 'x', datatype: 'BYTES', shape, data: list }] })).status, 400, JSON.stringify(shape))
  const scaled = await infer('line', { inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [10, 10] }] })
  assert.equal(scaled.outputs[0]!.data, [300, 100])
  const index = (await (await fetch(`${url}/v2/repository/index`, { method: 'POST' })).json()) as {
    name: string
    state: string
    reason: string
  }[]
  const { state, reason } = index.find(({ name }) => name === 'wrong')!
  assert.equal([state, /no such asset/.test(reason)], ['UNAVAILABLE', true])
  await server.close()
})

test.run()
