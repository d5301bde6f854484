// What types know of shapes and dtypes. Compiled, never run.
import {
  add,
  concat,
  data,
  defineOp,
  eye,
  input,
  layers,
  linspace,
  matMul,
  model,
  ones,
  oneHot,
  randomNormal,
  stack,
  type Tensor,
  tensor,
  type Variable,
  variable,
  where,
  zeros,
} from '../lib/index.js'
import type { Unknown } from '../lib/core/tensor_types.js'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
/** Compiles where a value has exactly the type. */
const is =
  <Wanted>() =>
  <T>(_: T, ..._wrong: Same<T, Wanted> extends true ? [] : [expected: Wanted, got: T]): void => {}

export async function known(x: Tensor<[number, 784], 'float32'>, plain: Tensor, list: number[], n: number): Promise<void> {
  // creation
  is<Tensor<[2, 3], 'float32'>>()(zeros([2, 3]))
  is<Tensor<[2, 3], 'int32'>>()(ones([2, 3], { dtype: 'int32' }))
  is<Tensor<[number, 3], 'float32'>>()(randomNormal([n, 3]))
  is<Tensor<Unknown, 'float32'>>()(zeros(list))
  is<Tensor<Unknown, 'float32'>>()(zeros(plain.shape))
  is<Tensor<[2, 2], 'float32'>>()(
    tensor([
      [1, 2],
      [3, 4],
    ]),
  )
  is<Tensor<[2], 'bool'>>()(tensor([true, false]))
  is<Tensor<[], 'float32'>>()(tensor(3))
  is<Tensor<[3], 'int32'>>()(tensor([1, 0, 2], { dtype: 'int32' }))
  is<Tensor<[2, 2], 'float32'>>()(tensor(new Float32Array(4), [2, 2]))
  is<Tensor<[number], 'uint8'>>()(tensor(new Uint8Array(4)))
  is<Tensor<[number], 'float32'>>()(tensor(list))
  is<Tensor<[5, 5], 'float32'>>()(eye(5))
  is<Tensor<[50], 'float32'>>()(linspace(0, 1))
  is<Variable<[784, 10], 'float32'>>()(variable(randomNormal([784, 10])))
  is<readonly [number, 784]>()(x.shape)
  is<readonly number[]>()(plain.shape)

  // products
  const w = variable(zeros([784, 10]))
  is<Tensor<[number, 10], 'float32'>>()(x.matMul(w))
  is<Tensor<[number, 10], 'float32'>>()(matMul(x, zeros([10, 784]), { transposeB: true }))
  is<Tensor<[784, 784], 'float32'>>()(x.matMul(x, { transposeA: true }))
  is<Tensor<[10], 'float32'>>()(zeros([784]).matMul(w))
  is<Tensor<[number], 'float32'>>()(x.matMul(ones([784])))
  is<Tensor<[8, 2, 5], 'float32'>>()(zeros([8, 2, 3]).matMul(zeros([3, 5])))
  is<Tensor>()(x.matMul(plain))

  // pointwise
  is<Tensor<[number, 784], 'float32'>>()(
    x
      .add(1)
      .relu()
      .mul(zeros([784])),
  )
  is<Tensor<[2, 3], 'float32'>>()(add(zeros([2, 1]), zeros([1, 3])))
  is<Tensor<[4, 2, 3], 'float32'>>()(zeros([2, 3]).sub(zeros([4, 1, 1])))
  is<Tensor<[number, 784], 'bool'>>()(x.greater(0))
  is<Tensor<[2], 'float32'>>()(tensor([1, 2], { dtype: 'int32' }).exp())
  is<Tensor<[number, 784], 'float32'>>()(where(x.greater(0), x, 0))
  is<Tensor<[2], 'int32'>>()(zeros([2]).cast('int32'))
  is<Tensor<[2, 3], 'float32'>>()(zeros([2, 3]).softmax())
  is<Tensor>()(plain.add(x))

  // shapes
  is<Tensor<[4, 6], 'float32'>>()(zeros([2, 3, 4]).reshape([4, 6]))
  is<Tensor<[number, 784], 'float32'>>()(zeros([32, 28, 28]).reshape([-1, 784]))
  is<Tensor<[3, 2], 'float32'>>()(zeros([2, 3]).transpose())
  is<Tensor<[4, 2, 3], 'float32'>>()(zeros([2, 3, 4]).transpose([-1, 0, 1]))
  is<Tensor<[2, 1, 3], 'float32'>>()(zeros([2, 3]).expandDims(1))
  is<Tensor<[2, 3, 1], 'float32'>>()(zeros([2, 3]).expandDims(-1))
  is<Tensor<[3], 'float32'>>()(zeros([1, 3, 1]).squeeze())
  is<Tensor<[1, 3], 'float32'>>()(zeros([1, 3, 1]).squeeze(-1))
  is<Tensor<[number, 3], 'float32'>>()(concat([zeros([2, 3]), zeros([4, 3])]))
  is<Tensor<[2, 2, 3], 'float32'>>()(stack([zeros([2, 3]), ones([2, 3])]))
  is<Tensor<[2, 10], 'float32'>>()(oneHot(tensor([1, 2]), 10))

  // reductions
  is<Tensor<[], 'float32'>>()(x.sum())
  is<Tensor<[784], 'float32'>>()(x.mean(0))
  is<Tensor<[number, 1], 'float32'>>()(x.max(-1, { keepDims: true }))
  is<Tensor<[3], 'float32'>>()(zeros([2, 3, 4]).sum([0, -1]))
  is<Tensor<[number], 'int32'>>()(x.argMax(-1))
  is<Tensor<Unknown, 'float32'>>()(x.sum(n))

  // values
  is<Float32Array>()(await x.data())
  is<Int32Array>()(await x.argMax(1).data())
  is<number[][]>()(await x.array())
  is<boolean[]>()(await tensor([true]).array())
  is<number>()(zeros([]).arraySync())

  // layers
  is<Tensor<[number, 128]>>()(layers.dense({ units: 128, activation: 'relu' }).apply(x))
  is<Tensor<[number, 784]>>()(layers.dropout({ rate: 0.5 }).apply(x))
  is<Tensor<[number, 784]>>()(layers.batchNormalization().apply(x))
  is<Tensor<[number, 784]>>()(layers.softmax().apply(x))
  is<Tensor<[2, number], 'float32'>>()(layers.flatten().apply(zeros([2, 3, 4])))
  is<Tensor<[8, 20, 16]>>()(layers.embedding({ inputDim: 100, outputDim: 16 }).apply(zeros([8, 20])))
  const image = input({ shape: [28, 28] })
  is<Tensor<[number, 28, 28], 'float32'>>()(image)
  is<Tensor<[number, number, 8], 'int32'>>()(input({ shape: [null, 8], dtype: 'int32' }))
  const net = model({ inputs: image, outputs: layers.dense({ units: 10 }).apply(image.reshape([-1, 784])) })
  is<Tensor<[number, 10]>>()(await net.predict(zeros([2, 28, 28])))

  // what is not known fits everywhere
  const wanted: Tensor<[2, 3], 'int32'> = plain
  const state: Variable = w
  const fixed: Variable<[784, 10]> = state
  const given: Tensor<[784, 10]> = state
  const free: Tensor<[number, number]> = zeros([2, 3])
  for (const one of [wanted, given, free, fixed]) one.add(1).sum(0)
}

export async function items(plain: Tensor): Promise<void> {
  for await (const { x, y } of data.from(zeros([4, 2]), zeros([4], { dtype: 'int32' }))) {
    is<Float32Array>()(x)
    is<number>()(y)
  }
  const scaled = data.from([[1, 2]], [0]).map(({ x, y }) => ({ x: Float32Array.from(x), y }))
  for await (const batch of scaled.batch(2)) {
    is<Tensor>()(batch.x)
    is<Tensor | undefined>()(batch.y)
  }
  for await (const batch of data.from({ a: [[1]], b: plain }, plain).batch(2)) is<data.BatchField>()(batch.x)
  for await (const { x } of data.from(plain)) is<Unknown>()(x)
  await layers.normalization().adapt(scaled.batch(2))
}

/** Own operations need no cast: operands are there, and one result is a Tensor. */
export function ownOperations(x: Tensor): void {
  const cube = defineOp({ name: 'types.cube', forward: ([a]) => a.mul(a).mul(a), grad: ([g], { inputs: [a] }) => [g.mul(a.square())] })
  is<Tensor>()(cube([x]))
  const clipped = defineOp<{ limit: number }>({ name: 'types.clipped', forward: ([a], { limit }) => a.clip(-limit, limit) })
  is<Tensor>()(clipped([x], { limit: 1 }))
  const halves = defineOp({ name: 'types.halves', forward: ([a]) => [a.mul(0.5), a.mul(0.5)] })
  is<Tensor[]>()(halves([x]))
  const kernel = defineOp({ name: 'types.kernel', shape: ([a, b]) => ({ shape: [...a.shape, ...b.shape], dtype: a.dtype }) })
  is<Tensor>()(kernel([x, x]))
}
