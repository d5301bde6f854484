// Hostile ONNX files: typed errors and bounded memory, whatever the bytes say.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { create } from '@bufbuild/protobuf'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { importOnnx, type Tensor, WeftError } from '../../lib/index.js'
import { ElementType } from '../../lib/onnx/element_types.js'
import {
  FunctionProtoSchema,
  type ModelProto,
  TensorProto_DataLocation as Location,
  TensorProtoSchema,
} from '../../lib/onnx/proto/onnx_pb.js'
import { generator, rejection, values } from '../expect.js'
import { bytesOf, floats, graph, inFolder, integers, model, node, type Parts, port, write } from './build.js'

const one = (tensors: Parts['tensors'] = [floats('w', [2], [1, 2])]): Parts => ({
  nodes: [node('Mul', ['x', 'w'], ['y'])],
  inputs: [port('x', ['n', 2])],
  outputs: [port('y', ['n', 2])],
  ...(tensors ? { tensors } : {}),
})

const refused = (name: string, make: () => ModelProto | Uint8Array, message: RegExp): void => {
  test(name, () =>
    inFolder(async (folder) => {
      const error = await rejection(importOnnx(write(folder, make())))
      assert.instance(error, WeftError)
      assert.is(error.code, 'ERR_FORMAT', String(error))
      assert.match(error.message, message)
    }),
  )
}

const stored = (dims: readonly bigint[], raw: number, dataType = ElementType.FLOAT): ReturnType<typeof floats> =>
  create(TensorProtoSchema, { name: 'w', dims: [...dims], dataType, rawData: new Uint8Array(raw) })

refused('an empty file', () => new Uint8Array(0), /not an ONNX model/)
refused('text', () => Buffer.from('{"model": 1}\n'), /not an ONNX model/)
refused('a file that ends early', () => bytesOf(model(one())).subarray(0, 60), /not an ONNX model|nothing makes/)
refused('huge extents', () => model(one([stored([2n ** 40n, 2n ** 40n], 8)])), /too large/)
refused('huge extents beside an empty one', () => model(one([stored([2n ** 60n, 0n, 2n ** 60n], 0)])), /too large/)
refused('negative extents', () => model(one([stored([-2n], 8)])), /negative/)
refused('more values than the file has', () => model(one([stored([1_000_000_000n], 8)])), /8 bytes for the shape/)
refused('an unknown element type', () => model(one([stored([2n], 8, 99 as ElementType)])), /w/)
refused('two initializers of one name', () => model(one([floats('w', [2], [1, 2]), floats('w', [2], [1, 2])])), /same name/)
refused(
  'two values of one name',
  () => model({ ...one(), nodes: [node('Mul', ['x', 'w'], ['y']), node('Relu', ['x'], ['y'])] }),
  /two values are named 'y'/,
)
refused(
  'nodes in a circle',
  () => model({ ...one(), nodes: [node('Add', ['x', 'b'], ['a']), node('Relu', ['a'], ['b']), node('Relu', ['b'], ['y'])] }),
  /circle/,
)
refused('a node that needs its own result', () => model({ ...one(), nodes: [node('Add', ['x', 'y'], ['y'])] }), /circle/)
refused('a name that nothing makes', () => model({ ...one(), nodes: [node('Add', ['x', 'nowhere'], ['y'])] }), /nothing makes 'nowhere'/)
refused('an output that nothing makes', () => model({ ...one(), outputs: [port('z', ['n'])] }), /nothing makes the output 'z'/)
refused('no output', () => model({ ...one(), outputs: [] }), /no output/)
refused('a version to come', () => model({ ...one(), opset: 1000 }), /version 1000/)

/** Functions that each call the next one twice: 2^40 nodes. */
function multiplying(): ModelProto {
  const made = model({ ...one(), nodes: [{ ...node('F0', ['x'], ['y']), domain: 'own' }] })
  made.opsetImport.push({ ...made.opsetImport[0]!, domain: 'own', version: 1n })
  for (let i = 0; i < 40; i++) {
    const calls = [node(`F${i + 1}`, ['a'], ['b']), node(`F${i + 1}`, ['b'], ['c'])].map((call) => ({
      ...call,
      domain: i === 39 ? '' : 'own',
    }))
    if (i === 39) for (const call of calls) call.opType = 'Relu'
    made.functions.push(
      create(FunctionProtoSchema, {
        name: `F${i}`,
        domain: 'own',
        input: ['a'],
        output: ['c'],
        node: calls,
        opsetImport: made.opsetImport,
      }),
    )
  }
  return made
}
refused('functions that multiply', multiplying, /more than \d+ nodes/)
refused(
  'a function that calls itself',
  () => {
    const made = model({ ...one(), nodes: [{ ...node('F', ['x'], ['y']), domain: 'own' }] })
    made.opsetImport.push({ ...made.opsetImport[0]!, domain: 'own', version: 1n })
    const call = { ...node('F', ['a'], ['b']), domain: 'own' }
    made.functions.push(
      create(FunctionProtoSchema, { name: 'F', domain: 'own', input: ['a'], output: ['b'], node: [call], opsetImport: made.opsetImport }),
    )
    return made
  },
  /calls itself/,
)
refused(
  'graphs nested without end',
  () => {
    let inner = graph({ nodes: [node('Relu', ['x'], ['z'])], inputs: [], outputs: [port('z', ['n'])] })
    for (let i = 0; i < 200; i++)
      inner = graph({
        nodes: [
          node('If', ['flag'], ['z'], {
            then_branch: inner,
            else_branch:
              inner.node.length > 5 ? inner : graph({ nodes: [node('Relu', ['x'], ['z'])], inputs: [], outputs: [port('z', ['n'])] }),
          }),
        ],
        inputs: [],
        outputs: [port('z', ['n'])],
      })
    return model({ ...one([integers('flag', [], [1])]), nodes: [...inner.node, node('Relu', ['z'], ['y'])] })
  },
  /recursion/,
)

const beside = (location: string, entries: Readonly<Record<string, string>> = {}): ModelProto =>
  model(
    one([
      create(TensorProtoSchema, {
        name: 'w',
        dims: [2n],
        dataType: ElementType.FLOAT,
        dataLocation: Location.EXTERNAL,
        externalData: Object.entries({ location, ...entries }).map(([key, value]) => ({ key, value })),
      }),
    ]),
  )

for (const location of ['../secret.bin', '/etc/passwd', 'a/../../secret.bin', 'C:\\secret.bin', '..\\secret.bin', '', 'a\0b'])
  refused(`external data at '${location.replace('\0', '0')}'`, () => beside(location), /outside the model's folder|does not name/)
refused('external data that are not there', () => beside('nowhere.bin'), /does not exist/)

test('external data beside the model are read, and nothing behind a link or in a pipe', () =>
  inFolder(async (folder) => {
    const inside = path.join(folder, 'inside')
    mkdirSync(inside)
    const bytes = new Uint8Array(Float32Array.of(9, 3, 5).buffer)
    writeFileSync(path.join(inside, 'w.bin'), bytes)
    writeFileSync(path.join(folder, 'secret.bin'), bytes)
    symlinkSync(path.join(folder, 'secret.bin'), path.join(inside, 'link.bin'))
    symlinkSync(folder, path.join(inside, 'up'))
    const net = await importOnnx(write(inside, beside('w.bin', { offset: '4', length: '8' })))
    assert.equal(await values((await net.predict([[1, 1]])) as Tensor), [3, 5])
    for (const location of ['link.bin', 'up/secret.bin']) {
      const error = await rejection(importOnnx(write(inside, beside(location))))
      assert.match(error.message, /outside|link/)
    }
    const wrong: [Readonly<Record<string, string>>, RegExp][] = [
      [{ offset: '8' }, /beyond the end/],
      [{ offset: '-4' }, /no offset/],
      [{ offset: '1e300' }, /no offset/],
      [{ length: '4' }, /4 bytes/],
    ]
    for (const [entries, message] of wrong) {
      const error = await rejection(importOnnx(write(inside, beside('w.bin', entries))))
      assert.is(error.code, 'ERR_FORMAT')
      assert.match(error.message, message)
    }
  }))

test('a folder and a missing file are typed errors', () =>
  inFolder(async (folder) => {
    assert.is((await rejection(importOnnx(folder))).code, 'ERR_FORMAT')
    assert.is((await rejection(importOnnx(path.join(folder, 'nowhere')))).code, 'ERR_FORMAT')
  }))

test('a result that would take all memory is refused where it is computed', () =>
  inFolder(async (folder) => {
    const parts: Parts = {
      nodes: [node('ConstantOfShape', ['huge'], ['c']), node('Add', ['x', 'c'], ['y'])],
      inputs: [port('x', ['n'])],
      outputs: [port('y', ['n', 'm'])],
      tensors: [integers('huge', [3], [1 << 20, 1 << 20, 1 << 20])],
    }
    const error = await rejection((async () => (await importOnnx(write(folder, model(parts)))).predict([1]))())
    assert.instance(error, WeftError, String(error))
  }))

/** Each byte string differs from a valid file in a few places. Others test more of them: bench/onnx-fuzz.mjs. */
test('files with wrong bytes give a model or a typed error', () =>
  inFolder(async (folder) => {
    const random = generator(7)
    const whole = bytesOf(
      model({
        nodes: [
          node('Conv', ['x', 'w'], ['c'], { pads: [1, 1, 1, 1] }, 'conv'),
          node('Relu', ['c'], ['r']),
          node('Reshape', ['r', 'shape'], ['f']),
          node('Softmax', ['f'], ['y'], { axis: 1 }),
        ],
        inputs: [port('x', ['n', 1, 4, 4])],
        outputs: [port('y', ['n', 32])],
        tensors: [floats('w', [2, 1, 3, 3], new Array(18).fill(0.5)), integers('shape', [2], [0, -1])],
      }),
    )
    let models = 0
    for (let i = 0; i < 300; i++) {
      const bytes = Uint8Array.from(whole)
      for (let j = 0; j <= i % 4; j++) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256)
      const part = i % 10 === 0 ? bytes.subarray(0, Math.floor(random() * bytes.length)) : bytes
      try {
        const net = await importOnnx(write(folder, part))
        models++
        net.dispose()
      } catch (error) {
        assert.instance(error, WeftError, `${i}: ${(error as Error).stack}`)
      }
    }
    assert.ok(models > 30 && models < 299, `${models} of 300 are models`)
  }))

test.run()
