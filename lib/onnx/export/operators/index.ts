// All operators of the export, by the names of operations.
import { attentions } from './attention.js'
import { endOfNormalization } from './batch_norm.js'
import { images } from './images.js'
import type { Operators } from './operator.js'
import { pointwise } from './pointwise.js'
import { products } from './products.js'
import { quantized } from './quantized.js'
import { random } from './random.js'
import { recurrent } from './recurrent.js'
import { reductions } from './reduce.js'
import { shapes } from './shapes.js'
import { steps } from './steps.js'

export const OPERATORS: Operators = {
  ...pointwise,
  ...reductions,
  ...shapes,
  ...products,
  ...images,
  ...recurrent,
  ...attentions,
  ...quantized,
  ...random,
  ...steps,
  add: endOfNormalization(pointwise['add']!),
  mul: endOfNormalization(pointwise['mul']!),
}
