// Requests whose JSON came before are read as they would be alone.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { DEFAULT_LIMITS } from '../../lib/serve/protocol/limits.js'
import { type InferRequest, parseInferRequest } from '../../lib/serve/protocol/request.js'
import { RequestReader } from '../../lib/serve/protocol/request_reader.js'
import { codeOf, generator } from '../expect.js'

const values = (...numbers: number[]): Uint8Array => new Uint8Array(Float32Array.from(numbers).buffer)
const bodyOf = (json: unknown, binary: Uint8Array): { body: Uint8Array; length: number } => {
  const header = Buffer.from(JSON.stringify(json))
  return { body: Buffer.concat([header, binary]), length: header.length }
}
const input = (datatype: string, shape: number[], size: number, name = 'x'): object => ({
  name,
  datatype,
  shape,
  parameters: { binary_data_size: size },
})
/** What a reader gives, beside what is read without one: a request, or the code of the error. */
const bothOf = (reader: RequestReader, { body, length }: { body: Uint8Array; length: number }): void => {
  const outcome = (read: () => InferRequest): unknown => {
    let request: InferRequest | undefined
    const code = codeOf(() => {
      request = read()
    })
    return request ?? code
  }
  assert.equal(
    outcome(() => reader.read(body, length)),
    outcome(() => parseInferRequest(body, length, DEFAULT_LIMITS)),
  )
}

test('the same JSON with other values: id, priority and outputs as the JSON says, values of its own', () => {
  const reader = new RequestReader(DEFAULT_LIMITS)
  const json = {
    id: 'a',
    inputs: [input('FP32', [1, 2], 8, 'x'), input('FP32', [1, 1], 4, 'y')],
    outputs: [{ name: 'z', parameters: { binary_data: true } }],
    parameters: { priority: 3, timeout: 5000 },
  }
  for (let i = 0; i < 3; i++) bothOf(reader, bodyOf(json, values(i, i + 1, i + 2)))
  const { body, length } = bodyOf(json, values(7, 8, 9))
  const { inputs } = reader.read(body, length)
  assert.equal(
    inputs.map(({ bytes }) => [...new Float32Array(new Uint8Array(bytes).buffer)]),
    [[7, 8], [9]],
  )
})

test('what depends on the values is looked at each time: BOOL, BYTES, a body of another length', () => {
  const reader = new RequestReader(DEFAULT_LIMITS)
  for (const bytes of [
    [0, 1],
    [0, 2],
    [1, 1],
  ])
    bothOf(reader, bodyOf({ inputs: [input('BOOL', [2], 2)] }, Uint8Array.from(bytes)))
  for (const bytes of [
    [1, 0, 0, 0, 65],
    [9, 0, 0, 0, 65],
    [1, 0, 0, 0, 66],
  ])
    bothOf(reader, bodyOf({ inputs: [input('BYTES', [1], 5)] }, Uint8Array.from(bytes)))
  const json = { inputs: [input('FP32', [1, 2], 8)] }
  for (const binary of [values(1, 2), values(1), values(1, 2, 3), values(3, 4)]) bothOf(reader, bodyOf(json, binary))
  for (const data of [
    [1, 2],
    [3, 4],
  ])
    bothOf(reader, bodyOf({ inputs: [{ name: 'x', datatype: 'FP32', shape: [2], data }] }, values()))
})

test('some of many requests, in any order, broken ones among them', () => {
  const reader = new RequestReader(DEFAULT_LIMITS)
  const random = generator(5)
  const requests = Array.from({ length: 20 }, (_, i) => {
    const json = { id: `${i % 12}`, inputs: [input('FP32', [i % 5, 2], 8 * (i % 3 === 0 ? 1 : i % 5))] }
    return bodyOf(json, values(...Array.from({ length: 2 * (i % 5) }, random)))
  })
  for (let round = 0; round < 500; round++) bothOf(reader, requests[Math.floor(random() * requests.length)]!)
})

test.run()
