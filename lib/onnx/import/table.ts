// The operators that can be computed, by their domain and name.
import { activationOperators } from './activation.js'
import { arithmeticOperators } from './arithmetic.js'
import { bitwiseOperators } from './bitwise.js'
import { controlOperators } from './control.js'
import { convOperators } from './conv.js'
import { creationOperators } from './creation.js'
import { dataDependentOperators } from './data_dependent.js'
import { linearOperators } from './linear.js'
import { lossOperators } from './loss.js'
import { mathOperators } from './math.js'
import { normalizationOperators } from './normalization.js'
import type { Operator, OperatorTable } from './operator.js'
import { poolOperators } from './pool.js'
import { quantizeOperators } from './quantize.js'
import { randomOperators } from './random.js'
import { recurrentOperators } from './recurrent.js'
import { reduceOperators } from './reduce.js'
import { resizeOperators } from './resize.js'
import { samplingOperators } from './sampling.js'
import { selectionOperators } from './selection.js'
import { sequenceOperators } from './sequence.js'
import { shapeOperators } from './shape.js'
import { signalOperators } from './signal.js'
import { trainingOperators } from './training.js'

/** Families of operators, each with the heading it has in docs/onnx-import.md. */
export const FAMILIES: readonly { readonly title: string; readonly domain: string; readonly operators: OperatorTable }[] = [
  { title: 'Arithmetic, comparison, logic', domain: '', operators: arithmeticOperators },
  { title: 'Logic of bits', domain: '', operators: bitwiseOperators },
  { title: 'Functions of single values', domain: '', operators: mathOperators },
  { title: 'Activations', domain: '', operators: activationOperators },
  { title: 'Reductions', domain: '', operators: reduceOperators },
  { title: 'Linear algebra', domain: '', operators: linearOperators },
  { title: 'Convolutions', domain: '', operators: convOperators },
  { title: 'Pools', domain: '', operators: poolOperators },
  { title: 'Normalization and dropout', domain: '', operators: normalizationOperators },
  { title: 'Recurrent layers', domain: '', operators: recurrentOperators },
  { title: 'Shapes', domain: '', operators: shapeOperators },
  { title: 'Constants and casts', domain: '', operators: creationOperators },
  { title: 'Selection', domain: '', operators: selectionOperators },
  { title: 'Shapes that depend on values', domain: '', operators: dataDependentOperators },
  { title: 'Resizing', domain: '', operators: resizeOperators },
  { title: 'Sampling of images', domain: '', operators: samplingOperators },
  { title: 'Signals', domain: '', operators: signalOperators },
  { title: 'Quantization', domain: '', operators: quantizeOperators },
  { title: 'Control flow', domain: '', operators: controlOperators },
  { title: 'Sequences and optional values', domain: '', operators: sequenceOperators },
  { title: 'Losses', domain: '', operators: lossOperators },
  { title: 'Random numbers', domain: '', operators: randomOperators },
  { title: 'Optimizers (ai.onnx.preview.training)', domain: 'ai.onnx.preview.training', operators: trainingOperators },
]

const table = new Map<string, Operator>(
  FAMILIES.flatMap(({ domain, operators }) =>
    Object.entries(operators).map(([name, operator]): [string, Operator] => [`${domain}:${name}`, operator]),
  ),
)

export const findOperator = (domain: string, name: string): Operator | undefined => table.get(`${domain}:${name}`)
