// Adapter: low-rank matrices beside a weight (Hu et al. 2022), as PEFT stores them.
import { WeftError } from '../core/error.js'
import { randomState } from '../core/random.js'
import type { Tensor, Variable } from '../core/tensor.js'
import type { InitializerLike } from '../initializers/index.js'
import { type CallOptions, Layer } from '../layers/layer.js'
import { storedAs } from '../layers/stored_weights.js'
import { dropout, matMul, mul } from '../ops/index.js'

interface AdapterConfig {
  readonly name: string
  readonly inputs: number
  readonly outputs: number
  readonly rank: number
  /** Of the product. */
  readonly scale: number
  /** Share of the inputs that training drops. */
  readonly dropout: number
  readonly seed?: number
}

/** x · aᵀ · bᵀ · scale, which is added to x · weightᵀ. b is zeros at first. */
export class Adapter extends Layer<AdapterConfig> {
  static override readonly className: string = 'LoraAdapter'
  protected override readonly castsInputs: boolean = false
  /** [rank, inputs] */
  readonly a: Variable
  /** [outputs, rank] */
  readonly b: Variable
  private readonly state: Variable | undefined

  constructor(config: AdapterConfig) {
    super(config)
    const { inputs, outputs, rank, seed } = config
    // Kaiming's uniform with slope √5, as PEFT draws it: ±1/√inputs (He et al. 2015)
    const bound = 1 / Math.sqrt(inputs)
    const uniform: InitializerLike = {
      className: 'RandomUniform',
      config: { minValue: -bound, maxValue: bound, ...(seed === undefined ? {} : { seed }) },
    }
    this.a = this.addWeight({ name: 'lora_A.weight', shape: [rank, inputs], initializer: uniform })
    this.b = this.addWeight({ name: 'lora_B.weight', shape: [outputs, rank], initializer: 'zeros' })
    this.state = config.dropout > 0 ? this.addState('randomState', randomState(seed)) : undefined
    this.build([null, inputs])
  }

  /** x [rows, inputs] → [rows, outputs] */
  call(x: Tensor, { training }: CallOptions): Tensor {
    const { dropout: rate, scale } = this.config
    const kept = training && this.state ? dropout(x, rate, { state: this.state }) : x
    return mul(matMul(matMul(kept, this.a, { transposeB: true }), this.b, { transposeB: true }), scale)
  }

  /** What it adds to a weight [outputs, inputs], or [inputs, outputs]. */
  product(inputsFirst: boolean): Tensor {
    const { scale } = this.config
    return mul(inputsFirst ? matMul(this.a, this.b, { transposeA: true, transposeB: true }) : matMul(this.b, this.a), scale)
  }
}

/** ERR_STATE for a matrix of few bits, to which nothing can be added. */
export function checkMergeable(path: string, weight: Tensor): void {
  if (storedAs(weight)?.scale === undefined) return
  throw new WeftError('ERR_STATE', `merge: the weights of '${path}' are stored in few bits, to which nothing can be added`, {
    hint: 'Keep the adapter beside them, or load it beside the model that was quantized: lora.load(model, folder)',
  })
}
