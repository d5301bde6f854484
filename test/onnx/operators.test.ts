// The operators that importOnnx computes, the page that lists them, and those that ONNX 1.12 does not have.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { importOnnx, type Tensor, tensor } from '../../lib/index.js'
import { ElementType } from '../../lib/onnx/element_types.js'
import { operatorCount, operatorTable, withTable } from '../../lib/onnx/import/operator_docs.js'
import { FAMILIES } from '../../lib/onnx/import/table.js'
import { close, values } from '../expect.js'
import { floats, inFolder, integers, model, node, type Parts, port, write } from './build.js'

test('docs/onnx-import.md lists the operators', () => {
  const page = readFileSync(path.join(import.meta.dirname, '../../../docs/onnx-import.md'), 'utf8')
  assert.is(page, withTable(page, operatorTable()), 'run node scripts/onnx-operators.mjs')
})

test('there are at least 150 operators, each in one family', () => {
  const names = FAMILIES.flatMap(({ domain, operators }) => Object.keys(operators).map((name) => `${domain}:${name}`))
  assert.is(new Set(names).size, names.length)
  assert.ok(operatorCount >= 150, String(operatorCount))
})

/** The values that a node makes of data. */
const computed = (made: Parts, x: Record<string, Tensor>): Promise<number[]> =>
  inFolder(async (folder) => {
    const net = await importOnnx(write(folder, model(made)))
    const [only] = Object.values(x)
    return values((await net.predict(Object.keys(x).length === 1 ? only! : x)) as Tensor)
  })

for (const [op, fn] of [
  ['BitwiseAnd', (a: number, b: number) => a & b],
  ['BitwiseOr', (a: number, b: number) => a | b],
  ['BitwiseXor', (a: number, b: number) => a ^ b],
] as const) {
  test(`${op} of numbers below and above 0`, async () => {
    const [a, b] = [
      [5, -7, 2 ** 31 - 1, -(2 ** 31), 0, 123456],
      [3, 12, -1, 2 ** 30 + 1, -5, -654321],
    ]
    const made = {
      nodes: [node(op, ['a', 'b'], ['y'])],
      inputs: [port('a', ['n', 6], ElementType.INT32), port('b', ['n', 6], ElementType.INT32)],
      outputs: [port('y', ['n', 6], ElementType.INT32)],
      opset: 18,
    }
    const found = await computed(made, { a: tensor(Int32Array.from(a!), [1, 6]), b: tensor(Int32Array.from(b!), [1, 6]) })
    assert.equal(
      found,
      a!.map((value, i) => fn(value, b![i]!)),
    )
  })
}

test('BitwiseNot of bytes and of int32', async () => {
  const made = (type: ElementType): Parts => ({
    nodes: [node('BitwiseNot', ['a'], ['y'])],
    inputs: [port('a', ['n'], type)],
    outputs: [port('y', ['n'], type)],
    opset: 18,
  })
  assert.equal(await computed(made(ElementType.INT32), { a: tensor(Int32Array.of(5, -1, 0)) }), [-6, 0, -1])
  assert.equal(await computed(made(ElementType.UINT8), { a: tensor(Uint8Array.of(5, 255, 0)) }), [250, 0, 255])
})

test('CenterCropPad cuts one axis and widens the other', async () => {
  const made = {
    nodes: [node('CenterCropPad', ['x', 'shape'], ['y'], { axes: [1, 2] })],
    inputs: [port('x', ['n', 4, 2])],
    outputs: [port('y', ['n', 3, 5])],
    tensors: [integers('shape', [2], [3, 5])],
    opset: 18,
  }
  const x = tensor(Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8), [1, 4, 2])
  assert.equal(await computed(made, { x }), [0, 1, 2, 0, 0, 0, 3, 4, 0, 0, 0, 5, 6, 0, 0])
})

test('AffineGrid of the identity, and of a shift, is read by GridSample', async () => {
  const made = (theta: number[]): Parts => ({
    nodes: [node('AffineGrid', ['theta', 'size'], ['grid']), node('GridSample', ['x', 'grid'], ['y'])],
    inputs: [port('x', [1, 1, 2, 3])],
    outputs: [port('y', [1, 1, 2, 3])],
    tensors: [floats('theta', [1, 2, 3], theta), integers('size', [4], [1, 1, 2, 3])],
    opset: 20,
  })
  const x = tensor(Float32Array.of(1, 2, 3, 4, 5, 6), [1, 1, 2, 3])
  close(await computed(made([1, 0, 0, 0, 1, 0]), { x }), [1, 2, 3, 4, 5, 6], 1e-5)
  // a whole place to the right is 2 / 3 of the width from -1 to 1
  close(await computed(made([1, 0, 2 / 3, 0, 1, 0]), { x }), [2, 3, 0, 5, 6, 0], 1e-5)
})

test.run()
