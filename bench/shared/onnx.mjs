// The MNIST CNN as an ONNX file (opset 17), written field by field: protocol buffers are numbered fields, see
// onnx.proto of the ONNX project.
import { size } from './networks.mjs'

const varint = (value) => {
  const bytes = []
  let rest = BigInt.asUintN(64, BigInt(value))
  do {
    const low = Number(rest & 0x7fn)
    rest >>= 7n
    bytes.push(rest > 0n ? low | 0x80 : low)
  } while (rest > 0n)
  return Buffer.from(bytes)
}

const number = (field, value) => Buffer.concat([varint(field << 3), varint(value)])
const bytes = (field, content) => Buffer.concat([varint((field << 3) | 2), varint(content.length), content])
const text = (field, value) => bytes(field, Buffer.from(value))
const message = (field, ...parts) => bytes(field, Buffer.concat(parts))

const FLOAT = 1
const INTS = 7

// AttributeProto: name 1, ints 8, type 20.
const ints = (name, values) => message(5, text(1, name), ...values.map((value) => number(8, value)), number(20, INTS))

// NodeProto: input 1, output 2, op_type 4, attribute 5.
const node = (type, inputs, output, ...attributes) =>
  message(1, ...inputs.map((input) => text(1, input)), text(2, output), text(4, type), ...attributes)

// TensorProto: dims 1, data_type 2, name 8, raw_data 9.
const initializer = (name, shape, values) =>
  message(
    5,
    ...shape.map((extent) => number(1, extent)),
    number(2, FLOAT),
    text(8, name),
    bytes(9, Buffer.from(values.buffer, values.byteOffset, values.byteLength)),
  )

// ValueInfoProto: name 1, type 2 > tensor_type 1 > elem_type 1, shape 2 > dim 1 > dim_value 1 or dim_param 2.
const value = (field, name, shape) => {
  const dimensions = shape.map((extent) => message(1, typeof extent === 'string' ? text(2, extent) : number(1, extent)))
  return message(field, text(1, name), message(2, message(1, number(1, FLOAT), message(2, ...dimensions))))
}

const HWIO = [3, 2, 0, 1]

const permute = (values, shape, permutation) => {
  const strides = shape.map((_, axis) => size(shape.slice(axis + 1)))
  const result = new Float32Array(values.length)
  const extents = permutation.map((axis) => shape[axis])
  const index = extents.map(() => 0)
  for (let i = 0; i < result.length; i++) {
    result[i] = values[index.reduce((sum, position, axis) => sum + position * strides[permutation[axis]], 0)]
    for (let axis = index.length - 1; axis >= 0 && ++index[axis] === extents[axis]; axis--) index[axis] = 0
  }
  return result
}

// ModelProto: ir_version 1, graph 7, opset_import 8 > version 2.
const modelOf = (graph) => Buffer.concat([number(1, 8), graph, message(8, number(2, 17))])

/** conv 32 3x3 relu, max pooling 2x2, flatten, dense 10 softmax on 28x28x1; weights in Keras' order and layout. */
export const mnistOnnx = ([kernel, bias, matrix, offset]) => {
  const graph = message(
    7,
    node('Conv', ['x', 'kernel', 'bias'], 'convolved', ints('kernel_shape', [3, 3])),
    node('Relu', ['convolved'], 'activated'),
    node('MaxPool', ['activated'], 'pooled', ints('kernel_shape', [2, 2]), ints('strides', [2, 2])),
    node('Flatten', ['pooled'], 'flat'),
    node('Gemm', ['flat', 'matrix', 'offset'], 'logits'),
    node('Softmax', ['logits'], 'y'),
    text(2, 'mnist'),
    initializer('kernel', [32, 1, 3, 3], permute(kernel, [3, 3, 1, 32], HWIO)),
    initializer('bias', [32], bias),
    // Flatten sees channels first: rows move from height, width, channel to channel, height, width.
    initializer('matrix', [5408, 10], permute(matrix, [13, 13, 32, 10], [2, 0, 1, 3])),
    initializer('offset', [10], offset),
    value(11, 'x', ['batch', 1, 28, 28]),
    value(12, 'y', ['batch', 10]),
  )
  return modelOf(graph)
}

/** dense relu ... dense softmax; weights in Keras' order: matrix, offset, matrix, offset, ... */
export const perceptronOnnx = (weights) => {
  const layers = weights.length / 2
  const nodes = []
  let from = 'x'
  for (let i = 0; i < layers; i++) {
    const [sum, to] = [`sum${i}`, i === layers - 1 ? 'y' : `h${i}`]
    nodes.push(node('Gemm', [from, `matrix${i}`, `offset${i}`], sum), node(i === layers - 1 ? 'Softmax' : 'Relu', [sum], to))
    from = to
  }
  const graph = message(
    7,
    ...nodes,
    text(2, 'perceptron'),
    ...weights.map(({ shape, data }, i) => initializer(`${i % 2 === 0 ? 'matrix' : 'offset'}${i >> 1}`, shape, data)),
    value(11, 'x', ['batch', weights[0].shape[0]]),
    value(12, 'y', ['batch', weights.at(-1).shape[0]]),
  )
  return modelOf(graph)
}

export const identityOnnx = (size) =>
  modelOf(message(7, node('Identity', ['x'], 'y'), text(2, 'identity'), value(11, 'x', ['batch', size]), value(12, 'y', ['batch', size])))
