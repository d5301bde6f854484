// Rows of layerCheck: recurrent layers, their cells and wrappers, embedding and masking.
import { add, matMul, type Shape, tanh, type Tensor, type Variable } from '../../lib/index.js'
import * as layers from '../../lib/layers/index.js'
import type { AnyLayer, LayerOptions } from '../../lib/layers/layer.js'
import type { CellLike } from '../../lib/layers/recurrent/cell.js'
import type { LayerRow } from './check.js'

/** A cell of the user: h = tanh(x · kernel + h · recurrent). */
export class MinimalCell extends layers.RecurrentCell<{ units: number }> {
  kernel!: Variable
  recurrent!: Variable

  get stateSize(): number {
    return this.config.units
  }
  override build(inputShape: Shape): void {
    const { units } = this.config
    this.kernel = this.addWeight({ name: 'kernel', shape: [inputShape.at(-1)!, units] })
    this.recurrent = this.addWeight({ name: 'recurrent', shape: [units, units], initializer: 'orthogonal' })
  }
  call(x: Tensor, [h]: readonly [Tensor]): layers.Step {
    const next = tanh(add(matMul(x, this.kernel), matMul(h, this.recurrent)))
    return [next, [next]]
  }
}

/** Looks up layerCheck's values, which are floats in ±2, as the ids 0 to 3. */
class Ids extends layers.Layer<{ maskZero: boolean }> {
  protected override readonly castsInputs: boolean = false
  readonly embedding = layers.embedding({
    inputDim: 4,
    outputDim: 3,
    maskZero: this.config.maskZero,
    name: `${this.name}_ids`,
    dtype: this.dtype,
  })

  override build(inputShape: Shape): void {
    this.embedding.build(inputShape)
  }
  call(x: Tensor): Tensor {
    return this.embedding.apply(x.add(2).floor())
  }
}

const units = 3
const input = [2, 4, 2] as const

/** A layer of a cell of the same dtype. */
const rnnOf =
  (cell: (options: LayerOptions) => CellLike) =>
  (options: LayerOptions): AnyLayer =>
    layers.rnn({ cell: cell(dtypeOf(options)), returnSequences: true, ...options })

export const recurrentRows: readonly LayerRow[] = [
  { factory: 'lstm', make: (o) => layers.lstm({ units, ...o }), input, mask: 'uses' },
  {
    factory: 'lstm',
    name: 'sequences, dropout',
    make: (o) => layers.lstm({ units, returnSequences: true, dropout: 0.3, recurrentDropout: 0.4, ...o }),
    input,
    mask: 'passes',
    stochastic: true,
  },
  {
    factory: 'lstm',
    name: 'backwards, sigmoid and hardSigmoid',
    make: (o) =>
      layers.lstm({
        units,
        goBackwards: true,
        returnSequences: true,
        activation: 'sigmoid',
        recurrentActivation: 'hardSigmoid',
        ...o,
      }),
    input,
    mask: 'none',
  },
  {
    factory: 'lstm',
    name: 'step by step, no bias',
    make: (o) => layers.lstm({ units, activation: 'softsign', useBias: false, ...o }),
    input,
    mask: 'uses',
  },
  {
    factory: 'lstm',
    name: 'initial states',
    make: (o) => layers.lstm({ units, ...o }),
    input: [
      [2, 4, 2],
      [2, 3],
      [2, 3],
    ],
    mask: 'none',
  },
  { factory: 'gru', make: (o) => layers.gru({ units, ...o }), input, mask: 'uses' },
  {
    factory: 'gru',
    name: 'reset before, dropout',
    make: (o) => layers.gru({ units, resetAfter: false, returnSequences: true, dropout: 0.3, recurrentDropout: 0.4, ...o }),
    input,
    mask: 'passes',
    stochastic: true,
  },
  { factory: 'gru', name: 'step by step', make: (o) => layers.gru({ units, activation: 'softsign', ...o }), input, mask: 'uses' },
  { factory: 'simpleRnn', make: (o) => layers.simpleRnn({ units, ...o }), input, mask: 'uses' },
  {
    factory: 'simpleRnn',
    name: 'sequences, linear, dropout',
    make: (o) => layers.simpleRnn({ units, activation: 'linear', returnSequences: true, recurrentDropout: 0.4, ...o }),
    input,
    mask: 'passes',
    stochastic: true,
  },
  { factory: 'lstmCell', make: rnnOf((o) => layers.lstmCell({ units, ...o })), input, mask: 'passes' },
  {
    factory: 'gruCell',
    make: rnnOf((o) => layers.gruCell({ units, dropout: 0.3, recurrentDropout: 0.3, ...o })),
    input,
    mask: 'passes',
    stochastic: true,
  },
  {
    factory: 'gruCell',
    name: 'reset before',
    make: rnnOf((o) => layers.gruCell({ units, resetAfter: false, ...o })),
    input,
    mask: 'passes',
  },
  { factory: 'simpleRnnCell', make: rnnOf((o) => layers.simpleRnnCell({ units, ...o })), input, mask: 'passes' },
  {
    factory: 'stackedRnnCells',
    make: rnnOf((o) => layers.stackedRnnCells({ cells: [layers.gruCell({ units, ...o }), layers.lstmCell({ units: 2, ...o })], ...o })),
    input,
    mask: 'passes',
  },
  { factory: 'RecurrentCell', make: rnnOf((o) => new MinimalCell({ units, ...o })), input, mask: 'passes', classes: { MinimalCell } },
  {
    factory: 'rnn',
    name: 'a list of cells, last output',
    make: (o) =>
      layers.rnn({ cell: [layers.simpleRnnCell({ units, ...dtypeOf(o) }), layers.simpleRnnCell({ units: 2, ...dtypeOf(o) })], ...o }),
    input,
    mask: 'uses',
  },
  {
    factory: 'bidirectional',
    make: (o) => layers.bidirectional({ layer: layers.lstm({ units, returnSequences: true, ...dtypeOf(o) }), ...o }),
    input,
    mask: 'passes',
  },
  {
    factory: 'bidirectional',
    name: 'mean of last outputs, a backward layer of its own',
    make: (o) =>
      layers.bidirectional({
        layer: layers.gru({ units, ...dtypeOf(o) }),
        backwardLayer: layers.simpleRnn({ units, goBackwards: true, ...dtypeOf(o) }),
        mergeMode: 'ave',
        ...o,
      }),
    input,
    mask: 'uses',
  },
  {
    factory: 'timeDistributed',
    make: (o) => layers.timeDistributed({ layer: layers.dense({ units: 3, activation: 'tanh', ...dtypeOf(o) }), ...o }),
    input,
    mask: 'passes',
  },
  {
    factory: 'timeDistributed',
    name: 'images',
    make: (o) => layers.timeDistributed({ layer: layers.conv2d({ filters: 2, kernelSize: 2, ...dtypeOf(o) }), ...o }),
    input: [2, 3, 3, 3, 2],
    mask: 'passes',
  },
  { factory: 'embedding', make: (o) => new Ids({ maskZero: false, ...o }), input: [2, 4], mask: 'drops', classes: { Ids } },
  { factory: 'masking', make: (o) => layers.masking({ maskValue: 0.25, ...o }), input, mask: 'none' },
]

function dtypeOf({ dtype }: LayerOptions): LayerOptions {
  return dtype ? { dtype } : {}
}
