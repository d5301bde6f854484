// Functional models to export: an image network, operations between layers, layers and operations of the user's.
import {
  atan2,
  batchNorm,
  concat,
  defineOp,
  input,
  model,
  oneHot,
  pad,
  scatterAdd,
  sequential,
  type Shape,
  sort,
  type Tensor,
  tensor,
  topK,
  updateSlice,
  type Variable,
  where,
} from '../../lib/index.js'
import * as layers from '../../lib/layers/index.js'
import type { AnyModel } from '../../lib/model/model.js'

/** Residual blocks with squeeze and excitation, enlargement, and two outputs. */
export function residual(): AnyModel {
  const x = input({ shape: [null, null, 3], name: 'image' })
  const normal = (h: Tensor): Tensor => layers.batchNormalization({ movingMeanInitializer: 'randomUniform' }).apply(h)
  const conv = (h: Tensor, filters: number, strides = 1): Tensor =>
    layers.relu().apply(normal(layers.conv2d({ filters, kernelSize: 3, strides, padding: 'same', useBias: false }).apply(h)))
  let h = conv(x, 8)
  for (const strides of [1, 2]) {
    const filters = 8 * strides
    let y = normal(layers.conv2d({ filters, kernelSize: 3, padding: 'same' }).apply(conv(h, filters, strides)))
    const short = strides === 1 ? h : layers.conv2d({ filters, kernelSize: 1, strides, padding: 'same' }).apply(h)
    const gate = layers.dense({ units: filters, activation: 'sigmoid' }).apply(layers.globalAveragePooling2d().apply(y))
    y = layers.multiply().apply([y, layers.reshape({ targetShape: [1, 1, filters] }).apply(gate)])
    h = layers.relu().apply(layers.add().apply([y, short]))
  }
  const pools = [layers.maxPooling2d({ padding: 'same' }), layers.averagePooling2d({ padding: 'same' })]
  h = layers.concatenate().apply(pools.map((pool) => layers.upSampling2d().apply(pool.apply(h))))
  h = layers.depthwiseConv2d({ kernelSize: 3, padding: 'same' }).apply(h)
  return model({
    inputs: x,
    outputs: {
      logits: layers.dense({ units: 4 }).apply(layers.globalAveragePooling2d().apply(h)),
      map: layers.conv2dTranspose({ filters: 2, kernelSize: 3, strides: 2, padding: 'same' }).apply(h),
    },
  })
}

export function operations(): AnyModel {
  const [a, b] = [input({ shape: [null, 6], name: 'a' }), input({ shape: [null, 6], name: 'b' })]
  const outputs = {
    sums: a.sin().add(b.mean(1, { keepDims: true })),
    places: a.argMax(-1),
    running: a.sub(a.mean()).cumSum(1, { exclusive: true, reverse: true }),
    chosen: where(a.greater(0), a, b.sum(1, { keepDims: true })),
    part: a.slice([0, 1, 2], [-1, -1, 3]),
    backwards: a.slice([0, 0, 5], [-1, -1, 3], [1, 1, -2]),
    rests: a.floorDiv(0.3).mod(2),
    joined: concat([a, b], 1),
    whole: a.mul(10).cast('int32').floorDiv(3).add(a.mul(10).cast('int32').mod(-3)),
    bordered: pad(
      a,
      [
        [0, 0],
        [2, 1],
        [0, 0],
      ],
      3,
    ),
    products: a.transpose([0, 2, 1]).matMul(a),
    largest: a.max([1, 2]),
    shaped: a.reshape([-1, 3]).sum(1),
    angles: atan2(a, a.add(0.1)),
    log: a.logSoftmax(),
    inside: a.clip(-0.5, 0.5),
    smooth: a.softplus().add(a.erf()).add(a.mish()).add(a.selu()).add(a.hardSigmoid()),
    flags: a.less(0).logicalXor(a.greater(1)).cast('float32'),
    classes: oneHot(a.mul(2).cast('int32'), 3),
    best: topK(a, 2).values,
    all: a.greater(-1).all([1, 2]),
    copy: a,
    added: scatterAdd(a.mul(0), [1, 0, 1], a.slice([0, 0, 0], [-1, 3, -1]), 1),
    replaced: updateSlice(a, b.slice([0, 0, 0], [-1, 2, -1]), a.argMax(1).max().mul(0).add(1), { axis: 1 }),
    normal: batchNorm(a, [1, 2, 3, 4, 5, 6], [0, 0, 1, 1, 0, 0]).y,
    ranked: sort(a, { descending: true, axis: 1 }),
  }
  return model({ inputs: [a, b], outputs })
}

const cube = defineOp({
  name: 'test.cube',
  forward: ([x]) => x!.mul(x!).mul(x!),
  grad: ([g], { inputs: [x] }) => [g!.mul(x!.square()).mul(3)],
})

class Gate extends layers.Layer<{ by: number }> {
  gate!: Variable
  override build(shape: Shape): void {
    this.gate = this.addWeight({ name: 'gate', shape: [shape.at(-1)!], initializer: 'randomUniform' })
  }
  call(x: Tensor): Tensor {
    return (cube([x], {}) as Tensor)
      .mul(this.gate.sigmoid())
      .add(tensor([1, 2, 3, 4]))
      .div(this.config.by)
  }
}

export function own(): AnyModel {
  return sequential([
    new Gate({ by: 2, inputShape: [4] }),
    layers.lambda((x: Tensor) => x.tanh().sub(x.shape[0]!)),
    layers.dense({ units: 2 }),
  ])
}
