// Kinds of layers that saved models of compress have: their code is loaded when a model names one of them.
import { registerLater } from '../layers/serialize.js'

for (const kind of ['QuantizedDense', 'QuantizedConv2d', 'QuantizedMaxPooling2d']) registerLater(kind, () => import('./int8_layers.js'))
for (const kind of ['QuantizeAwareDense', 'QuantizeAwareConv2d']) registerLater(kind, () => import('./aware_layers.js'))
