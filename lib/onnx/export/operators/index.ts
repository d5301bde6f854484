// All operators of the export, by the names of operations.
import { attentions } from './attention.js'
import { images } from './images.js'
import type { Operators } from './operator.js'
import { pointwise } from './pointwise.js'
import { products } from './products.js'
import { recurrent } from './recurrent.js'
import { reductions } from './reduce.js'
import { shapes } from './shapes.js'

export const OPERATORS: Operators = { ...pointwise, ...reductions, ...shapes, ...products, ...images, ...recurrent, ...attentions }
