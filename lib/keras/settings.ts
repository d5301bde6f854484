// Values of options in Keras' files and in ours: activations, initializers, regularizers, constraints.
import { activations } from '../activations.js'
import { isRecord } from '../core/tree.js'
import { camel, snake } from './names.js'

/** What is wrong with a value that has no counterpart. */
export class Unsupported {
  readonly why: string
  constructor(why: string) {
    this.why = why
  }
}

type Json = Record<string, unknown>
/** A function in Keras' files: { class_name, config }, or its name alone. */
const functionOf = (value: unknown): { name: string; config: Json } | undefined => {
  if (typeof value === 'string') return { name: value, config: {} }
  if (!isRecord(value)) return undefined
  const { class_name: name, config } = value
  if (typeof name !== 'string') return undefined
  // { class_name: 'function', config: 'gelu' }
  if (name === 'function' && typeof config === 'string') return { name: config, config: {} }
  return { name, config: isRecord(config) ? config : {} }
}

/** 'hard_sigmoid' of Keras 2 and TensorFlow.js is not that of Keras 3. */
export function ourActivation(value: unknown, legacy: boolean): string | Unsupported | undefined {
  if (value === null || value === undefined) return undefined
  const name = functionOf(value)?.name
  if (name === undefined) return new Unsupported('is not a name')
  const found = camel(name.replace(/^[A-Z]/, (letter) => letter.toLowerCase()))
  if (found === 'hardSigmoid' && legacy) return 'hardSigmoidKeras2'
  return Object.hasOwn(activations, found) ? found : new Unsupported(`'${name}' is not known`)
}

/** The name in TensorFlow.js' files. */
export function theirActivation(name: string): string | Unsupported {
  if (name === 'hardSigmoidKeras2') return 'hard_sigmoid'
  if (TFJS_ACTIVATIONS.has(name)) return snake(name)
  if (name === 'silu') return 'swish'
  return new Unsupported(`TensorFlow.js has no activation '${name}'`)
}
/** Those of TensorFlow.js 4 that compute the same. */
const TFJS_ACTIVATIONS: ReadonlySet<string> = new Set(
  'elu linear relu relu6 selu sigmoid softmax softplus softsign swish tanh logSoftmax mish gelu'.split(' '),
)

const INITIALIZERS: ReadonlySet<string> = new Set(
  'Zeros Ones Constant RandomUniform RandomNormal TruncatedNormal VarianceScaling Orthogonal Identity GlorotUniform GlorotNormal HeUniform HeNormal LecunUniform LecunNormal'.split(
    ' ',
  ),
)
const SPELT: Readonly<Record<string, string>> = {
  LeCunNormal: 'LecunNormal',
  LeCunUniform: 'LecunUniform',
  OrthogonalInitializer: 'Orthogonal',
}

/** Settings of initializers in Keras' files. */
const SETTINGS: Readonly<Record<string, string>> = {
  value: 'value',
  minval: 'minValue',
  maxval: 'maxValue',
  mean: 'mean',
  stddev: 'stddev',
  gain: 'gain',
  scale: 'scale',
  mode: 'mode',
  distribution: 'distribution',
}

/** What begins a weight; undefined where it is not known, because the file's values take its place. */
export function ourInitializer(value: unknown): unknown {
  const found = functionOf(value)
  if (!found) return undefined
  const name =
    SPELT[found.name] ??
    found.name.replace(/^[a-z]/, (letter) => letter.toUpperCase()).replace(/_([a-z])/g, (_, l: string) => l.toUpperCase())
  if (!INITIALIZERS.has(name)) return undefined
  const config: Json = {}
  for (const [key, part] of Object.entries(found.config)) {
    const ours = SETTINGS[key]
    if (ours !== undefined && (typeof part === 'number' || typeof part === 'string'))
      config[ours] = typeof part === 'string' ? camel(part) : part
  }
  if (config['distribution'] === 'normal') config['distribution'] = 'truncatedNormal'
  return { className: name, config }
}

/** A penalty of weights. */
export function ourRegularizer(value: unknown): unknown {
  if (value === null || value === undefined) return undefined
  const found = functionOf(value)
  const [l1, l2] = [found?.config['l1'], found?.config['l2']].map((part) => (typeof part === 'number' ? part : undefined))
  switch (found?.name.toLowerCase()) {
    case 'l1':
      return { className: 'L1', config: { l1: l1 ?? 0.01 } }
    case 'l2':
      return { className: 'L2', config: { l2: l2 ?? 0.01 } }
    case 'l1l2':
    case 'l1_l2':
      return { className: 'L1l2', config: { l1: l1 ?? 0, l2: l2 ?? 0 } }
    default:
      return new Unsupported(`${found ? `'${found.name}'` : 'it'} is not known`)
  }
}

const CONSTRAINTS: Readonly<Record<string, string>> = {
  maxnorm: 'MaxNorm',
  nonneg: 'NonNeg',
  unitnorm: 'UnitNorm',
  minmaxnorm: 'MinMaxNorm',
}

/** What holds a weight in bounds. */
export function ourConstraint(value: unknown): unknown {
  if (value === null || value === undefined) return undefined
  const found = functionOf(value)
  const className = found && CONSTRAINTS[found.name.replaceAll('_', '').toLowerCase()]
  if (!className) return new Unsupported(`${found ? `'${found.name}'` : 'it'} is not known`)
  const config = Object.fromEntries(Object.entries(found.config).map(([key, part]) => [camel(key), part]))
  return { className, config }
}
