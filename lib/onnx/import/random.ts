// Random tensors: they draw from a state of the model, which is saved with it. A seed of the node is the state's.
import * as ops from '../../ops/index.js'
import { dtypeOfElements, ElementType } from '../element_types.js'
import { castTo } from './creation.js'
import type { Call, Operator, OperatorTable } from './operator.js'
import { computedDType, Value } from './values.js'
import type { Shape } from '../../core/spec.js'

function draw(make: (shape: Shape, call: Call) => Value, like: boolean): Operator {
  return {
    draws: true,
    run: (call) => {
      const shape = call.grown(like ? call.value(0).shape : call.attributes.ints('shape')!)
      const own = like ? call.value(0).type : ElementType.FLOAT
      const type = call.attributes.int('dtype', own)
      dtypeOfElements(type, `onnx ${call.node.op}`)
      return castTo(make(shape, call), type)
    },
  }
}

const stateOf = (call: Call): object => (call.state === undefined ? {} : { state: call.state })

const uniform = (shape: Shape, call: Call): Value =>
  new Value(ops.randomUniform(shape, { low: call.attributes.float('low', 0), high: call.attributes.float('high', 1), ...stateOf(call) }))
const normal = (shape: Shape, call: Call): Value =>
  new Value(
    ops.randomNormal(shape, { mean: call.attributes.float('mean', 0), deviation: call.attributes.float('scale', 1), ...stateOf(call) }),
  )

/** True with the probability that each value says. */
function bernoulli(call: Call): Value {
  const value = call.value(0)
  const drawn = ops.randomUniform(value.shape, stateOf(call))
  const type = call.attributes.int('dtype', value.type)
  return castTo(
    new Value(ops.cast(ops.less(drawn, ops.cast(value.plain, 'float32')), computedDType(value.dtype)), { type: value.type }),
    type,
  )
}

/** Classes drawn by their unnormalized log probabilities, by the largest of them plus Gumbel noise. */
function multinomial(call: Call): Value {
  const x = call.tensor(0)
  const [n, c] = x.shape as [number, number]
  const samples = call.attributes.int('sample_size', 1)
  const drawn = ops.clip(ops.randomUniform([n, samples, c], stateOf(call)), 1e-20, 1)
  const noise = ops.neg(ops.log(ops.clip(ops.neg(ops.log(drawn)), 1e-20, Number.MAX_VALUE)))
  return new Value(ops.argMax(ops.add(ops.expandDims(x, 1), noise), -1))
}

export const randomOperators: OperatorTable = {
  RandomUniform: draw(uniform, false),
  RandomNormal: draw(normal, false),
  RandomUniformLike: draw(uniform, true),
  RandomNormalLike: draw(normal, true),
  Bernoulli: { since: 15, draws: true, run: bernoulli },
  Multinomial: { draws: true, run: multinomial },
}
