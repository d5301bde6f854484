// Pointwise operations: each value of the result depends on one value of each operand.
import { isFloat } from '../../../core/spec.js'
import type { Emitter } from '../emitter.js'
import type { SymbolicCall } from '../probe.js'
import { Unsupported } from '../unsupported.js'
import { aligned } from './aligned.js'
import { attribute, like, type Operator, type Operators } from './operator.js'

/** Nodes of one operand, in whatever order and shape it is stored. */
type Formula = (x: string, emitter: Emitter, call: SymbolicCall) => string

const unary =
  (formula: Formula): Operator =>
  (call, emitter) => {
    const [x] = call.inputs
    const [out] = call.outputs
    if (emitter.uniform(x!) !== undefined) {
      emitter.define(out!, formula(emitter.natural(x!), emitter, call))
      return
    }
    like(emitter, out!, formula(emitter.stored(x!).name, emitter, call), x!)
  }

const node = (op: string, attributes: (call: SymbolicCall) => Record<string, { float: number }> = () => ({})): Operator =>
  unary((x, { nodes }, call) => nodes.add(op, [x], attributes(call)))

/** Formulas read like arithmetic: operands are names, numbers take the dtype of the operation's operand. */
class Terms {
  private readonly emitter: Emitter
  private readonly call: SymbolicCall
  constructor(emitter: Emitter, call: SymbolicCall) {
    this.emitter = emitter
    this.call = call
  }
  of(op: string, ...operands: (string | number)[]): string {
    const { dtype } = this.call.inputs[0]!
    return this.emitter.nodes.add(
      op,
      operands.map((x) => (typeof x === 'number' ? this.emitter.nodes.scalar(x, dtype) : x)),
    )
  }
  /** The rest of a / b, with the sign of a. */
  remainder(a: string, b: string): string {
    return this.emitter.nodes.add('Mod', [a, b], { fmod: { int: 1 } })
  }
}

const formula = (write: (x: string, t: Terms, call: SymbolicCall) => string): Operator =>
  unary((x, emitter, call) => write(x, new Terms(emitter, call), call))

/** Nodes of two operands that broadcast. */
const binaryFormula =
  (write: (a: string, b: string, t: Terms, call: SymbolicCall, emitter: Emitter) => string): Operator =>
  (call, emitter) => {
    const { names, base, order } = aligned(call.inputs, call.outputs[0]!, emitter)
    emitter.define(call.outputs[0]!, write(names[0]!, names[1]!, new Terms(emitter, call), call, emitter), { base, order })
  }

/** Arithmetic on bytes is done on int32. */
const arithmetic = (op: string): Operator =>
  binaryFormula((a, b, t, { inputs: [x], outputs: [y] }, emitter) => {
    if (x!.dtype !== 'uint8') return t.of(op, a, b)
    return emitter.cast(emitter.nodes.add(op, [emitter.cast(a, 'int32'), emitter.cast(b, 'int32')]), y!.dtype)
  })

/** Comparisons of dtypes that runtimes do not compare are made on int32. */
const comparison = (op: string, negated = false): Operator =>
  binaryFormula((a, b, _, { inputs: [x] }, emitter) => {
    const narrow = x!.dtype === 'uint8' || x!.dtype === 'int8' || (x!.dtype === 'bool' && op !== 'Equal')
    const operands = narrow ? [emitter.cast(a, 'int32'), emitter.cast(b, 'int32')] : [a, b]
    const found = emitter.nodes.add(op, operands)
    return negated ? emitter.nodes.add('Not', [found]) : found
  })

const alpha = (call: SymbolicCall): { alpha: { float: number } } => ({ alpha: { float: attribute<number>(call, 'alpha') } })

/** A divisor without zeros, and where they were: integer division by 0 gives 0. */
function guarded(b: string, t: Terms): { zero: string; divisor: string } {
  const zero = t.of('Equal', b, 0)
  return { zero, divisor: t.of('Where', zero, 1, b) }
}

/** The rest of a float division, exact, with the sign of the divisor. */
function floatRest(a: string, b: string, t: Terms): string {
  const rest = t.remainder(a, b)
  const opposite = t.of('Xor', t.of('Less', rest, 0), t.of('Less', b, 0))
  const corrected = t.of('And', opposite, t.of('Not', t.of('Equal', rest, 0)))
  return t.of('Where', corrected, t.of('Add', rest, b), rest)
}

const mod = binaryFormula((a, b, t, { inputs: [x] }) => {
  if (isFloat(x!.dtype)) return floatRest(a, b, t)
  if (x!.dtype === 'uint8') throw new Unsupported('mod of uint8')
  const { zero, divisor } = guarded(b, t)
  return t.of('Where', zero, 0, t.of('Mod', a, divisor))
})

/** The quotient without the rest, so that it is a whole number where a division would be rounded to one. */
const floorDiv = binaryFormula((a, b, t, { inputs: [x] }) => {
  if (isFloat(x!.dtype)) return t.of('Round', t.of('Div', t.of('Sub', a, floatRest(a, b, t)), b))
  if (x!.dtype === 'uint8') throw new Unsupported('floorDiv of uint8')
  const { zero, divisor } = guarded(b, t)
  return t.of('Where', zero, 0, t.of('Div', t.of('Sub', a, t.of('Mod', a, divisor)), divisor))
})

/** The angle of (x, y): that of y / x, half a turn further where x is negative. */
const atan2 = binaryFormula((y, x, t) => {
  const angle = t.of('Atan', t.of('Div', y, x))
  const half = t.of('Where', t.of('Less', y, 0), -Math.PI, Math.PI)
  const found = t.of('Where', t.of('Less', x, 0), t.of('Add', angle, half), angle)
  const both = t.of('And', t.of('Equal', x, 0), t.of('Equal', y, 0))
  return t.of('Where', both, 0, found)
})

const where: Operator = (call, emitter) => {
  const [out] = call.outputs
  const { names, base, order } = aligned(call.inputs, out!, emitter)
  const [condition, a, b] = names as [string, string, string]
  const { nodes } = emitter
  const both = (x: string, y: string): string => nodes.add('And', [x, y])
  const narrow = out!.dtype === 'bool' || out!.dtype === 'int8'
  const made = !narrow
    ? nodes.add('Where', [condition, a, b])
    : out!.dtype === 'bool'
      ? nodes.add('Or', [both(condition, a), both(nodes.add('Not', [condition]), b)])
      : emitter.cast(nodes.add('Where', [condition, emitter.cast(a, 'int32'), emitter.cast(b, 'int32')]), 'int8')
  emitter.define(out!, made, { base, order })
}

const clip: Operator = unary((x, { nodes }, call) => {
  const { dtype } = call.inputs[0]!
  return nodes.add('Clip', [x, nodes.scalar(attribute<number>(call, 'min'), dtype), nodes.scalar(attribute<number>(call, 'max'), dtype)])
})

/** Floats to integers saturate, and NaN becomes 0, as here; ONNX leaves both open. */
const cast: Operator = (call, emitter) => {
  const [x] = call.inputs
  const [out] = call.outputs
  const { nodes } = emitter
  const convert = (name: string): string => {
    const limits = isFloat(x!.dtype) ? LIMITS[out!.dtype as 'int32'] : undefined
    if (limits === undefined) return emitter.cast(name, out!.dtype)
    // float32 has no 2³¹ - 1: what reaches 2³¹ is set by itself
    const wide = emitter.cast(nodes.add('Where', [nodes.add('IsNaN', [name]), nodes.scalar(0, x!.dtype), name]), 'float64')
    const [low, high] = limits
    return emitter.cast(
      nodes.add('Min', [nodes.add('Max', [wide, nodes.scalar(low, 'float64')]), nodes.scalar(high, 'float64')]),
      out!.dtype,
    )
  }
  if (emitter.uniform(x!) !== undefined) emitter.define(out!, convert(emitter.natural(x!)))
  else like(emitter, out!, convert(emitter.stored(x!).name), x!)
}

const LIMITS: Readonly<Record<'int32' | 'uint8' | 'int8', readonly [number, number]>> = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint8: [0, 255],
  int8: [-128, 127],
}

/** The same values: nothing is written. */
const same: Operator = (call, emitter) => {
  call.outputs.forEach((out, i) => {
    const x = call.inputs[(call.op.alias ?? 0) + i]!
    const { name, base, order } = emitter.stored(x)
    emitter.define(out, name, { base, order })
  })
}

const SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI)

export const pointwise: Operators = {
  neg: node('Neg'),
  abs: node('Abs'),
  sign: node('Sign'),
  square: formula((x, t) => t.of('Mul', x, x)),
  exp: node('Exp'),
  expm1: formula((x, t) => t.of('Sub', t.of('Exp', x), 1)),
  log: node('Log'),
  log1p: formula((x, t) => t.of('Log', t.of('Add', x, 1))),
  sqrt: node('Sqrt'),
  rsqrt: formula((x, t) => t.of('Reciprocal', t.of('Sqrt', x))),
  reciprocal: node('Reciprocal'),
  sin: node('Sin'),
  cos: node('Cos'),
  tan: node('Tan'),
  tanh: node('Tanh'),
  sigmoid: node('Sigmoid'),
  softplus: node('Softplus'),
  softsign: node('Softsign'),
  erf: node('Erf'),
  gelu: unary((x, emitter, call) => {
    if (emitter.nodes.opset >= 20) return emitter.nodes.add('Gelu', [x])
    const t = new Terms(emitter, call)
    return t.of('Mul', t.of('Mul', x, t.of('Add', t.of('Erf', t.of('Div', x, Math.SQRT2)), 1)), 0.5)
  }),
  geluTanh: unary((x, emitter, call) => {
    if (emitter.nodes.opset >= 20) return emitter.nodes.add('Gelu', [x], { approximate: { text: 'tanh' } })
    const t = new Terms(emitter, call)
    const cubic = t.of('Add', x, t.of('Mul', t.of('Mul', t.of('Mul', x, x), x), 0.044715))
    return t.of('Mul', t.of('Mul', x, t.of('Add', t.of('Tanh', t.of('Mul', cubic, SQRT_2_OVER_PI)), 1)), 0.5)
  }),
  silu: formula((x, t) => t.of('Mul', x, t.of('Sigmoid', x))),
  selu: node('Selu'),
  mish: formula((x, t) => t.of('Mul', x, t.of('Tanh', t.of('Softplus', x)))),
  hardSigmoid: node('HardSigmoid', () => ({ alpha: { float: 1 / 6 }, beta: { float: 0.5 } })),
  relu: unary((x, emitter, { inputs: [v] }) => (v!.dtype === 'uint8' ? x : emitter.nodes.add('Relu', [x]))),
  elu: node('Elu', alpha),
  leakyRelu: node('LeakyRelu', alpha),
  hardShrink: node('Shrink', (call) => ({ lambd: { float: attribute<number>(call, 'lambda') }, bias: { float: 0 } })),
  floor: wholes('Floor'),
  ceil: wholes('Ceil'),
  round: wholes('Round'),
  clip,
  isNaN: node('IsNaN'),
  isFinite: formula((x, t) => t.of('Not', t.of('Or', t.of('IsNaN', x), t.of('IsInf', x)))),
  logicalNot: node('Not'),
  identity: same,
  reshape: same,
  cast,
  add: arithmetic('Add'),
  sub: arithmetic('Sub'),
  mul: arithmetic('Mul'),
  minimum: arithmetic('Min'),
  maximum: arithmetic('Max'),
  squaredDifference: binaryFormula((a, b, t) => {
    const difference = t.of('Sub', a, b)
    return t.of('Mul', difference, difference)
  }),
  div: arithmetic('Div'),
  pow: binaryFormula((a, b, t) => t.of('Pow', a, b)),
  mod,
  floorDiv,
  atan2,
  equal: comparison('Equal'),
  notEqual: comparison('Equal', true),
  less: comparison('Less'),
  lessEqual: comparison('LessOrEqual'),
  greater: comparison('Greater'),
  greaterEqual: comparison('GreaterOrEqual'),
  logicalAnd: binaryFormula((a, b, t) => t.of('And', a, b)),
  logicalOr: binaryFormula((a, b, t) => t.of('Or', a, b)),
  logicalXor: binaryFormula((a, b, t) => t.of('Xor', a, b)),
  where,
}

/** Rounding leaves integers as they are. */
function wholes(op: string): Operator {
  return unary((x, { nodes }, { inputs: [v] }) => (isFloat(v!.dtype) ? nodes.add(op, [x]) : x))
}

/** The result is the operand, seen with another shape: also of operations of the user's that are made of others. */
export const alias: Operator = same
