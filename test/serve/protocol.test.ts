// The protocol without a server: requests are read exactly or refused with what is wrong, before memory is taken for
// them.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { WeftError } from '../../lib/index.js'
import { DEFAULT_LIMITS } from '../../lib/serve/protocol/limits.js'
import { depthOf } from '../../lib/serve/protocol/json.js'
import { matchInputs, matchOutputs, rawRequest } from '../../lib/serve/protocol/match.js'
import { headerLength, type InferRequest, parseInferRequest } from '../../lib/serve/protocol/request.js'
import { encodeReply, joined } from '../../lib/serve/protocol/response.js'
import type { Signature, WireTensor } from '../../lib/serve/protocol/tensors.js'
import { GRPC, statusOf } from '../../lib/serve/status.js'
import { codeOf, generator, throws } from '../expect.js'

const text = (value: unknown): Uint8Array => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
const parse = (json: unknown, binary: Uint8Array = new Uint8Array(0), limits = {}): InferRequest => {
  const header = text(json)
  return parseInferRequest(Buffer.concat([header, binary]), header.length, { ...DEFAULT_LIMITS, ...limits })
}
const one = (input: object, more: object = {}) => ({ inputs: [{ name: 'x', ...input }], ...more })
const floats = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer)
const read = ({ bytes }: WireTensor, array: typeof Float32Array = Float32Array): number[] =>
  Array.from(new array(new Uint8Array(bytes).buffer))

test('data in JSON, flat or nested, of every datatype', () => {
  const cases: [string, unknown[], string][] = [
    ['BOOL', [true, false], '0100'],
    ['UINT8', [0, 255], '00ff'],
    ['UINT16', [0, 65535], '0000ffff'],
    ['UINT32', [1, 4294967295], '01000000ffffffff'],
    ['UINT64', [1, 2 ** 53 - 1], '0100000000000000ffffffffffff1f00'],
    ['INT8', [-128, 127], '807f'],
    ['INT16', [-32768, 1], '00800100'],
    ['INT32', [-2147483648, 1], '0000008001000000'],
    ['INT64', [-1, 2 ** 53 - 1], 'ffffffffffffffffffffffffffff1f00'],
    ['FP32', [1, -2], '0000803f000000c0'],
    ['FP64', [1, -2], '000000000000f03f00000000000000c0'],
    ['BYTES', ['é', ''], '02000000c3a900000000'],
  ]
  for (const [datatype, data, hex] of cases) {
    const [input] = parse(one({ datatype, shape: [2], data })).inputs
    assert.is(Buffer.from(input!.bytes).toString('hex'), hex, datatype)
    const [nested] = parse(one({ datatype, shape: [2, 1], data: data.map((value) => [value]) })).inputs
    assert.is(Buffer.from(nested!.bytes).toString('hex'), hex, `${datatype} nested`)
    const [flat] = parse(one({ datatype, shape: [1, 2, 1], data })).inputs
    assert.is(Buffer.from(flat!.bytes).toString('hex'), hex, `${datatype} flat`)
  }
})

test('the sign of -0 is kept', () => {
  const [input] = parse('{"inputs":[{"name":"x","datatype":"FP32","shape":[2],"data":[-0, -0.0]}]}').inputs
  assert.is(Buffer.from(input!.bytes).toString('hex'), '0000008000000080')
})

test('scalars, and shapes without values', () => {
  assert.equal(read(parse(one({ datatype: 'FP32', shape: [], data: [5] })).inputs[0]!), [5])
  for (const [shape, data] of [
    [[0], []],
    [[2, 0], []],
    [
      [2, 0],
      [[], []],
    ],
    [[0, 3], []],
  ] as const) {
    const [input] = parse(one({ datatype: 'FP32', shape, data })).inputs
    assert.equal([input!.shape, input!.bytes.length], [shape, 0])
  }
  const [binary] = parse(one({ datatype: 'FP32', shape: [0], parameters: { binary_data_size: 0 } })).inputs
  assert.is(binary!.bytes.length, 0)
})

test('binary data follow the JSON at any alignment, in the order of the inputs', () => {
  for (let pad = 0; pad < 8; pad++) {
    const request = {
      id: 'i'.repeat(pad),
      inputs: [
        { name: 'a', datatype: 'FP32', shape: [2], parameters: { binary_data_size: 8 } },
        { name: 'b', datatype: 'UINT8', shape: [1], data: [7] },
        { name: 'c', datatype: 'BOOL', shape: [3], parameters: { binary_data_size: 3 } },
        { name: 'd', datatype: 'FP32', shape: [1], parameters: { binary_data_size: 4 } },
        { name: 'e', datatype: 'BYTES', shape: [2], parameters: { binary_data_size: 9 } },
      ],
    }
    const { inputs, id } = parse(
      request,
      Buffer.concat([floats(1.5, -2), Uint8Array.of(1, 0, 1), floats(3), Uint8Array.of(1, 0, 0, 0, 65, 0, 0, 0, 0)]),
    )
    assert.is(id, 'i'.repeat(pad))
    assert.equal(read(inputs[0]!), [1.5, -2])
    assert.equal([...inputs[2]!.bytes], [1, 0, 1])
    assert.equal(read(inputs[3]!), [3])
  }
  for (const datatype of ['FP16', 'BF16'])
    assert.is(parse(one({ datatype, shape: [1], parameters: { binary_data_size: 2 } }), Uint8Array.of(0, 60)).inputs[0]!.bytes.length, 2)
})

test('Inference-Header-Content-Length', () => {
  assert.is(headerLength(undefined, 10), 10)
  assert.is(headerLength('0', 10), 0)
  assert.is(headerLength('10', 10), 10)
  for (const wrong of ['-1', 'NaN', '0x10', '11', '99999999999', '1e1', '', ' 5', '5, 5', '1'.repeat(400), ['5', '5']])
    assert.is(
      codeOf(() => headerLength(wrong, 10)),
      'ERR_ARGUMENT',
      String(wrong),
    )
})

test('requests that are refused', () => {
  const good = { datatype: 'FP32', shape: [1], data: [1] }
  const cases: [unknown, RegExp, Uint8Array?][] = [
    ['', /not JSON/],
    ['{', /not JSON/],
    ['[]', /JSON object, got a list/],
    ['null', /got null/],
    ['1', /got number/],
    ['\ufeff{"inputs":[]}', /not JSON/],
    ['{"inputs":[]} x', /not JSON/],
    [{}, /inputs is a list/],
    [{ inputs: [] }, /inputs is a list/],
    [{ inputs: {} }, /inputs is a list/],
    ['{"__proto__":{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}]}}', /inputs is a list/],
    [{ inputs: [1] }, /input 0 is an object/],
    [{ inputs: [null] }, /input 0 is an object/],
    [{ inputs: [{ ...good }] }, /a name is a text/],
    [{ inputs: [{ ...good, name: '' }] }, /a name is a text/],
    [{ inputs: [{ ...good, name: 1 }] }, /a name is a text/],
    [{ inputs: [{ ...good, name: 'n'.repeat(257) }] }, /1 to 256/],
    [one({ ...good, datatype: 'FLOAT' }), /unknown datatype 'FLOAT'/],
    [one({ ...good, datatype: 'toString' }), /unknown datatype/],
    [one({ ...good, datatype: 1 }), /unknown datatype 1/],
    [one({ datatype: 'FP32', data: [1] }), /shape is a list/],
    [one({ ...good, shape: 1 }), /shape is a list/],
    [one({ ...good, shape: [-1] }), /extent is an integer/],
    [one({ ...good, shape: [1.5] }), /extent is an integer/],
    [one({ ...good, shape: ['1'] }), /extent is an integer/],
    [one({ ...good, shape: [null] }), /extent is an integer/],
    ['{"inputs":[{"name":"x","datatype":"FP32","shape":[9223372036854775807],"data":[1]}]}', /extent is an integer/],
    [one({ ...good, shape: [2] }), /has 2 values, data has 1/],
    [one({ ...good, data: [1, 2] }), /has 1 values, data has 2/],
    [one({ ...good, shape: [2, 2], data: [[1, 2], [3]] }), /2 along axis 1, data has a list of 1/],
    [one({ ...good, shape: [2, 2], data: [[1, 2], 3] }), /along axis 1, data has 3/],
    [one({ ...good, shape: [2], data: [[1], [2]] }), /nested deeper/],
    [
      one({
        ...good,
        shape: [2, 2],
        data: [
          [
            [1, 2],
            [3, 4],
          ],
        ],
      }),
      /along axis 0/,
    ],
    [one({ ...good, data: 1 }), /data is a list/],
    [one({ ...good, data: { 0: 1, length: 1 } }), /data is a list/],
    [one({ datatype: 'FP32', shape: [1] }), /neither data nor/],
    [one({ ...good, parameters: { binary_data_size: 4 } }), /both data and/, floats(1)],
    [one({ datatype: 'FP32', shape: [1], parameters: { binary_data_size: 4 } }), /0 bytes are left/],
    [one({ datatype: 'FP32', shape: [1], parameters: { binary_data_size: -4 } }), /integer of at least 0/, floats(1)],
    [one({ datatype: 'FP32', shape: [1], parameters: { binary_data_size: '4' } }), /integer of at least 0/, floats(1)],
    [one({ datatype: 'FP32', shape: [1], parameters: { binary_data_size: 8 } }), /has 4 bytes, got 8/, floats(1, 2)],
    [one({ datatype: 'FP32', shape: [1], parameters: { binary_data_size: 4 } }), /8 bytes of binary data, its inputs name 4/, floats(1, 2)],
    [one(good), /4 bytes of binary data, its inputs name 0/, floats(1)],
    [one({ datatype: 'BOOL', shape: [1], parameters: { binary_data_size: 1 } }), /0 or 1/, Uint8Array.of(2)],
    [
      one({ datatype: 'BYTES', shape: [1], parameters: { binary_data_size: 4 } }),
      /ends beyond the data/,
      Uint8Array.of(255, 255, 255, 255),
    ],
    [one({ datatype: 'BYTES', shape: [1], parameters: { binary_data_size: 3 } }), /ends beyond the data/, Uint8Array.of(1, 0, 0)],
    [one({ datatype: 'BYTES', shape: [2], parameters: { binary_data_size: 4 } }), /has 2 elements, got 1/, new Uint8Array(4)],
    [one({ ...good, data: ['1'] }), /value 0 is '1', FP32 takes finite numbers/],
    [one({ ...good, data: [true] }), /value 0 is true/],
    [one({ ...good, data: [null] }), /value 0 is null/],
    ['{"inputs":[{"name":"x","datatype":"FP64","shape":[1],"data":[1e400]}]}', /value 0 is Infinity/],
    [one({ ...good, data: [1e39] }), /within its range/],
    [one({ ...good, datatype: 'INT32', data: [1.5] }), /integers from -2147483648 to 2147483647/],
    [one({ ...good, datatype: 'INT32', data: [2147483648] }), /integers from/],
    [one({ ...good, datatype: 'UINT8', data: [-1] }), /integers from 0 to 255/],
    [one({ ...good, datatype: 'UINT8', data: [256] }), /integers from 0 to 255/],
    [one({ ...good, datatype: 'INT8', data: [128] }), /integers from/],
    [one({ ...good, datatype: 'BOOL', data: [1] }), /true and false/],
    // JSON.parse makes 2^53 of 2^53 + 1: neither can be told from the other
    ['{"inputs":[{"name":"x","datatype":"INT64","shape":[1],"data":[9007199254740993]}]}', /up to 2\^53 - 1 in JSON/],
    ['{"inputs":[{"name":"x","datatype":"INT64","shape":[1],"data":[-9223372036854775808]}]}', /up to 2\^53 - 1/],
    ['{"inputs":[{"name":"x","datatype":"UINT64","shape":[1],"data":[18446744073709551615]}]}', /up to 2\^53 - 1/],
    [one({ ...good, datatype: 'UINT64', data: [-1] }), /from 0/],
    [one({ ...good, datatype: 'BYTES', data: [1] }), /takes texts/],
    ['{"inputs":[{"name":"x","datatype":"BYTES","shape":[1],"data":["\\ud800"]}]}', /half of a surrogate pair/],
    [one({ ...good, datatype: 'FP16' }), /FP16 has no form in JSON/],
    [one({ ...good, datatype: 'BF16' }), /BF16 has no form in JSON/],
    [one(good, { id: 1 }), /id is a text/],
    [one(good, { parameters: [] }), /parameters is an object/],
    [one(good, { parameters: { a: {} } }), /parameter 'a' is a boolean, number or text/],
    [one(good, { parameters: { a: null } }), /parameter 'a'/],
    [one(good, { parameters: { priority: -1 } }), /parameter 'priority'/],
    [one(good, { parameters: { priority: 'high' } }), /parameter 'priority'/],
    [one(good, { parameters: { timeout: 1.5 } }), /parameter 'timeout'/],
    [one(good, { parameters: { binary_data_output: 1 } }), /parameter 'binary_data_output'/],
    [one(good, { parameters: { triton_final_response: true } }), /is reserved/],
    [one(good, { outputs: {} }), /outputs is a list/],
    [one(good, { outputs: [1] }), /output 0 is an object/],
    [one(good, { outputs: [{}] }), /output 0: a name/],
    [one(good, { outputs: [{ name: 'y', parameters: { binary_data: 'yes' } }] }), /parameter 'binary_data'/],
  ]
  for (const [json, message, binary] of cases) throws('ERR_ARGUMENT', message, () => parse(json, binary))
  throws('ERR_ARGUMENT', /not UTF-8/, () => parseInferRequest(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]), 5, DEFAULT_LIMITS))
})

test('what is not offered is said to be unsupported', () => {
  const good = { datatype: 'FP32', shape: [1], data: [1] }
  const cases = [
    one({ ...good, parameters: { shared_memory_region: 'r' } }),
    one(good, { outputs: [{ name: 'y', parameters: { shared_memory_region: 'r' } }] }),
    one(good, { outputs: [{ name: 'y', parameters: { classification: 3 } }] }),
    one(good, { parameters: { sequence_id: 3 } }),
    one(good, { parameters: { sequence_start: true } }),
  ]
  for (const json of cases)
    assert.is(
      codeOf(() => parse(json)),
      'ERR_UNSUPPORTED',
      JSON.stringify(json),
    )
  assert.is(parse(one(good, { parameters: { sequence_id: 0, sequence_end: false, mine: 'x' } })).inputs.length, 1)
})

test('limits come before memory', () => {
  const shape = (...extents: number[]) => one({ datatype: 'FP64', shape: extents, data: [1] })
  const large: [unknown, object?][] = [
    [shape(2 ** 33, 2 ** 31)],
    [shape(2 ** 40)],
    [shape(2 ** 26)],
    [shape(0, 2 ** 40)],
    [shape(...Array<number>(17).fill(1))],
    [{ inputs: Array(1025).fill({}) }],
    [{ ...shape(1), outputs: Array(1_000_000).fill(0) }],
    [{ ...shape(1), id: 'i'.repeat(1025) }],
    ['['.repeat(101) + ']'.repeat(101)],
    [`{"a":${'{"a":'.repeat(100)}1${'}'.repeat(100)}}`],
    [{ inputs: [1, 2, 3].map((i) => ({ name: `x${i}`, datatype: 'UINT8', shape: [4], data: [1, 2, 3, 4] })) }, { bodyBytes: 11 }],
  ]
  for (const [json, limits] of large)
    assert.is(
      codeOf(() => parse(json, undefined, limits)),
      'ERR_TOO_LARGE',
      text(json).subarray(0, 80).toString(),
    )
  // brackets inside texts are no nesting
  assert.is(depthOf(text('{"a":"[[[[\\"[[","b":[1]}')), 2)
})

const signature: Signature = {
  inputs: [
    { name: 'a', datatype: 'FP32', shape: [-1, 2] },
    { name: 'b', datatype: 'INT32', shape: [-1, -1] },
  ],
  outputs: [
    { name: 'y', datatype: 'FP32', shape: [-1, 1] },
    { name: 'z', datatype: 'FP32', shape: [-1, 1] },
  ],
}
const wire = (name: string, shape: number[], datatype: WireTensor['datatype'] = 'FP32'): WireTensor => ({
  name,
  datatype,
  shape,
  bytes: new Uint8Array(0),
})

test('inputs against those of the model', () => {
  const [a, b] = [wire('a', [3, 2]), wire('b', [3, 9], 'INT32')]
  assert.equal(
    matchInputs(signature, [b, a]).map(({ name }) => name),
    ['a', 'b'],
  )
  const wrong: [WireTensor[], RegExp][] = [
    [[a], /input 'b' is missing.*takes a, b/],
    [[a, b, wire('c', [3])], /input 'c' is unknown/],
    [[a, b, a], /input 'a' is given twice/],
    [[a, wire('b', [3, 9])], /input 'b' is INT32, got FP32/],
    [[wire('a', [3, 3]), b], /has shape \[-1,2\], got \[3,3\]/],
    [[wire('a', [2]), b], /has shape \[-1,2\], got \[2\]/],
    [[wire('a', [2, 2]), b], /'a' has 2 rows, input 'b' has 3/],
    [[a, b, wire('\u001b[31m\r\n', [1])], /input '\?\[31m\?\?' is unknown/],
  ]
  for (const [inputs, message] of wrong) throws('ERR_ARGUMENT', message, () => matchInputs(signature, inputs))
})

test('outputs against those of the model', () => {
  assert.equal(
    matchOutputs(signature, undefined).map(({ index }) => index),
    [0, 1],
  )
  const asked = (...names: string[]) => names.map((name) => ({ name, binary: undefined }))
  assert.equal(
    matchOutputs(signature, asked('z', 'y')).map(({ index }) => index),
    [1, 0],
  )
  throws('ERR_ARGUMENT', /output 'z' is asked for twice/, () => matchOutputs(signature, asked('z', 'z')))
  throws('ERR_ARGUMENT', /output 'w' is unknown.*gives y, z/, () => matchOutputs(signature, asked('w')))
})

test('a raw body: one input, one row, at most one free extent', () => {
  const raw = (shape: number[], bytes: number, datatype: WireTensor['datatype'] = 'FP32') =>
    rawRequest({ inputs: [{ name: 'x', datatype, shape }], outputs: [] }, new Uint8Array(bytes))
  assert.equal(raw([-1, 3], 12).inputs[0]!.shape, [1, 3])
  assert.equal(raw([-1, -1, 2], 24).inputs[0]!.shape, [1, 3, 2])
  assert.equal(raw([-1], 4).inputs[0]!.shape, [1])
  assert.is(raw([-1, 3], 12).binaryOutputs, true)
  for (const [shape, bytes] of [
    [[-1, 3], 11],
    [[-1, 3], 16],
    [[-1, -1, 2], 12],
    [[-1, -1, -1], 8],
  ] as const)
    assert.is(
      codeOf(() => raw([...shape], bytes)),
      'ERR_ARGUMENT',
      `${shape} ${bytes}`,
    )
  throws('ERR_ARGUMENT', /models of one input/, () => rawRequest(signature, new Uint8Array(8)))
})

test('replies: JSON, binary, or some of each; the id is echoed', () => {
  const tensor = (name: string, ...values: number[]): WireTensor => ({
    name,
    datatype: 'FP32',
    shape: [values.length],
    bytes: floats(...values),
  })
  const reply = {
    model: 'm',
    version: '1',
    id: 'é"',
    outputs: [
      { tensor: tensor('a', 1.5, -0), binary: false },
      { tensor: tensor('b', Number.NaN), binary: true },
    ],
  }
  const { json: text, parts } = encodeReply(reply)
  const json = JSON.parse(text) as { id: string; outputs: { data: number[] }[] }
  assert.equal(json, {
    id: 'é"',
    model_name: 'm',
    model_version: '1',
    outputs: [
      { name: 'a', datatype: 'FP32', shape: [2], data: [1.5, -0] },
      { name: 'b', datatype: 'FP32', shape: [1], parameters: { binary_data_size: 4 } },
    ],
  })
  assert.ok(Object.is(json.outputs[0]!.data[1], -0))
  assert.equal(parts, [floats(Number.NaN)])
  assert.equal(joined({ json: text, parts }), Buffer.concat([Buffer.from(text), floats(Number.NaN)]))
  const plain = encodeReply({ ...reply, id: undefined, outputs: [reply.outputs[0]!] })
  assert.is(plain.parts.length, 0)
  assert.not('id' in (JSON.parse(joined(plain).toString()) as object))
})

test('replies that differ in anything but their values say so, whatever was said before', () => {
  const say = (model: string, version: string, name: string, shape: number[], datatype: WireTensor['datatype'] = 'FP32') => {
    const bytes = new Uint8Array(4 * shape.reduce((product, extent) => product * extent, 1)).fill(shape.length)
    const { json, parts } = encodeReply({
      model,
      version,
      id: undefined,
      outputs: [{ tensor: { name, datatype, shape, bytes }, binary: true }],
    })
    assert.equal(parts, [bytes])
    const parameters = { binary_data_size: bytes.length }
    assert.equal(JSON.parse(json), { model_name: model, model_version: version, outputs: [{ name, datatype, shape, parameters }] })
  }
  // more of them than are kept, twice
  for (const model of ['m', 'n', 'm'])
    for (const version of ['1', '2'])
      for (const name of ['a', 'b'])
        for (const shape of [[2, 3], [3, 2], [6], [1, 6], [2, 3]]) {
          say(model, version, name, shape)
          say(model, version, name, shape, 'INT32')
          say(model, version, name, shape)
        }
  const tensor: WireTensor = { name: 'a', datatype: 'FP32', shape: [1], bytes: floats(1) }
  const one = { tensor, binary: true }
  const reply = { model: 'k', version: '1', id: undefined, outputs: [one] }
  const listed = (given: Parameters<typeof encodeReply>[0]) =>
    (JSON.parse(encodeReply(given).json) as { id?: string; outputs: object[] }).outputs.length
  assert.equal([listed(reply), listed({ ...reply, outputs: [one, one] }), listed(reply)], [1, 2, 1])
  assert.match(encodeReply({ ...reply, id: 'x' }).json, /"id":"x"/)
  assert.match(encodeReply({ ...reply, outputs: [{ tensor, binary: false }] }).json, /"data":\[1\]/)
})

test('values that JSON cannot hold are an error, not null', () => {
  const encode = (datatype: WireTensor['datatype'], bytes: Uint8Array, shape = [1]) =>
    encodeReply({ model: 'm', version: '1', id: undefined, outputs: [{ tensor: { name: 'y', datatype, shape, bytes }, binary: false }] })
      .json
  throws('ERR_DATA', /output 'y': value 0 is NaN, which JSON cannot hold. Ask for binary_data/, () => encode('FP32', floats(Number.NaN)))
  throws('ERR_DATA', /-Infinity/, () => encode('FP64', new Uint8Array(Float64Array.of(Number.NEGATIVE_INFINITY).buffer)))
  throws('ERR_ARGUMENT', /FP16 has no form in JSON/, () => encode('FP16', new Uint8Array(2)))
  throws('ERR_DATA', /not UTF-8/, () => encode('BYTES', Uint8Array.of(1, 0, 0, 0, 255)))
  // integers keep all their digits
  assert.match(encode('INT64', new Uint8Array(BigInt64Array.of(-(2n ** 63n)).buffer)), /\[-9223372036854775808\]/)
  assert.match(encode('UINT64', new Uint8Array(BigUint64Array.of(2n ** 64n - 1n).buffer)), /\[18446744073709551615\]/)
  assert.match(encode('BOOL', Uint8Array.of(1, 0), [2]), /\[true,false\]/)
  assert.match(encode('BYTES', Uint8Array.of(2, 0, 0, 0, 0xc3, 0xa9)), /\["é"\]/)
})

test('what JSON holds comes back with the same bits', () => {
  const random = generator(11)
  for (let round = 0; round < 300; round++) {
    const values = Float32Array.from(
      { length: 1 + Math.floor(random() * 9) },
      () => (random() - 0.5) * 10 ** Math.floor(random() * 60 - 30),
    )
    const tensor: WireTensor = { name: 'x', datatype: 'FP32', shape: [values.length], bytes: new Uint8Array(values.buffer) }
    const { json } = encodeReply({ model: 'm', version: '1', id: undefined, outputs: [{ tensor, binary: false }] })
    const [output] = (JSON.parse(json) as { outputs: object[] }).outputs
    assert.equal(parse({ inputs: [output] }).inputs[0]!.bytes, tensor.bytes)
  }
})

test("every request that is not understood fails with a code that is the client's: 20,000 random changes", () => {
  const random = generator(5)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
  const seeds = [
    text(one({ datatype: 'FP32', shape: [2, 1], data: [[1], [2]] }, { id: 'a', parameters: { priority: 1 }, outputs: [{ name: 'y' }] })),
    text(one({ datatype: 'FP32', shape: [2], parameters: { binary_data_size: 8 } })),
    text(one({ datatype: 'BYTES', shape: [1], data: ['a'] })),
  ]
  const tokens = [
    '{',
    '}',
    '[',
    ']',
    '"',
    ',',
    ':',
    '-',
    '1e999',
    'null',
    'true',
    '9007199254740993',
    '"shape"',
    '"data"',
    '\\u0000',
    'ÿ',
    '0',
  ]
  for (let round = 0; round < 20_000; round++) {
    let bytes = Buffer.from(pick(seeds))
    for (let change = 0; change < 1 + random() * 3; change++) {
      const at = Math.floor(random() * bytes.length)
      const cut = Math.floor(random() * 4)
      bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(pick(tokens)), bytes.subarray(Math.min(bytes.length, at + cut))])
    }
    const length = random() < 0.8 ? bytes.length : Math.floor(random() * bytes.length)
    try {
      const { inputs } = parseInferRequest(bytes, length, DEFAULT_LIMITS)
      assert.ok(inputs.length > 0)
    } catch (error) {
      assert.instance(error, WeftError, `${bytes}: ${error}`)
      const { http, grpc } = statusOf(error)
      assert.ok([400, 413, 501].includes(http) && grpc !== GRPC.INTERNAL, `${bytes}: ${error}`)
    }
  }
})

test('one table from errors to statuses; faults inside the server show nothing of it', () => {
  const status = (code: string): unknown[] => {
    const { http, grpc, message } = statusOf(new WeftError(code as 'ERR_DATA', 'secret /path'))
    return [http, grpc, message.includes('secret')]
  }
  assert.equal(status('ERR_DATA'), [400, 3, true])
  assert.equal(status('ERR_UNAUTHENTICATED'), [401, 16, true])
  assert.equal(status('ERR_FORBIDDEN'), [403, 7, true])
  assert.equal(status('ERR_NOT_FOUND'), [404, 5, true])
  assert.equal(status('ERR_STATE'), [409, 9, true])
  assert.equal(status('ERR_TOO_LARGE'), [413, 3, true])
  assert.equal(status('ERR_OVERLOADED'), [429, 8, true])
  assert.equal(status('ERR_CANCELLED'), [499, 1, true])
  assert.equal(status('ERR_UNSUPPORTED'), [501, 12, true])
  assert.equal(status('ERR_UNAVAILABLE'), [503, 14, true])
  assert.equal(status('ERR_TIMEOUT'), [504, 4, true])
  for (const code of ['ERR_CUDA', 'ERR_TRACE', 'ERR_NO_DEVICE', 'ERR_LATER']) assert.equal(status(code), [500, 13, false], code)
  assert.equal(status('ERR_FORMAT'), [409, 9, false])
  assert.equal(statusOf(new TypeError('secret')), { http: 500, grpc: 13, message: 'the server failed' })
  assert.is(statusOf(AbortSignal.abort().reason).http, 499)
  assert.is(statusOf(new WeftError('ERR_OVERLOADED', '')).retryAfter, 1)
})

test.run()
