// einsumDense: a dense layer over any axes, which an equation names.
import { WeftError } from '../core/error.js'
import { type OptionTable, show } from '../core/options.js'
import type { DynamicShape, Shape } from '../core/spec.js'
import type { Tensor, Variable } from '../core/tensor.js'
import { add, einsum } from '../ops/index.js'
import { ActivatedLayer, KERNEL_OPTIONS, type KernelOptions } from './activated.js'
import { type LayerFactory, layer } from './declare.js'
import type { LayerOptions } from './layer.js'

export interface EinsumDenseOptions extends Omit<KernelOptions, 'useBias'> {
  /** Input, kernel and result: 'ab,bc->ac'. '...' stands for axes that stay, at the begin or at the end. */
  equation: string
  /** The extents of the result without the batch and the axes of '...'; null: as the input has it. */
  outputShape: number | DynamicShape
  /** Letters of the result that the bias has extents for. Default: no bias. */
  biasAxes?: string | null
}

const { useBias: _, ...OPTIONS } = KERNEL_OPTIONS
const EQUATION = /^(\.\.\.)?([A-Za-z]+)(\.\.\.)?,([A-Za-z]+)->(\.\.\.)?([A-Za-z]+)(\.\.\.)?$/

export class EinsumDense extends ActivatedLayer<EinsumDenseOptions> {
  static override readonly className: string = 'EinsumDense'
  static override readonly options: OptionTable<EinsumDenseOptions> = {
    equation: 'string',
    outputShape: 'any',
    biasAxes: 'any',
    ...OPTIONS,
  }

  kernel!: Variable
  bias: Variable | undefined
  protected override readonly supportsMasking: boolean = true
  /**
   * Letters of the input, the kernel and the result, and whether '...' stands before or after the first and the last.
   */
  private readonly parts: { input: string; kernel: string; output: string; before: boolean; after: boolean }

  constructor(config: EinsumDenseOptions & LayerOptions) {
    super(config)
    const fail = (why: string): WeftError => new WeftError('ERR_ARGUMENT', `layers.einsumDense: ${why}`)
    const { equation, biasAxes, outputShape } = config
    const found = typeof equation === 'string' ? EQUATION.exec(equation.replaceAll(' ', '')) : null
    if (!found) throw fail(`equation must be like 'ab,bc->ac' or '...x,xy->...y', got ${show(equation)}`)
    const [, before, input, after, kernel, outBefore, output, outAfter] = found
    if (before !== outBefore || after !== outAfter || (before && after))
      throw fail(`equation ${show(equation)}: '...' stands at the begin or at the end of input and result, and once in each`)
    this.parts = { input: input!, kernel: kernel!, output: output!, before: before !== undefined, after: after !== undefined }
    for (const letters of [input!, kernel!, output!])
      if (new Set(letters).size < letters.length) throw fail(`equation ${show(equation)}: a letter stands twice in '${letters}'`)
    const extents: unknown[] = typeof outputShape === 'number' ? [outputShape] : Array.isArray(outputShape) ? outputShape : []
    if (
      outputShape === undefined ||
      !extents.every((n) => n === null || (Number.isInteger(n) && (n as number) >= 1)) ||
      extents.length === 0
    )
      throw fail(`outputShape must be an integer, or a list of integers and null, got ${show(outputShape)}`)
    const named = output!.length - (before ? 0 : 1)
    if (extents.length !== named)
      throw fail(`outputShape ${show(outputShape)} has ${extents.length} extents for the ${named} of '${output}'`)
    const stranger = [...(biasAxes ?? '')].find((letter) => !output!.includes(letter))
    if (stranger !== undefined) throw fail(`biasAxes: '${stranger}' is no axis of the result '${output}'`)
    if (!before && input![0] !== output![0]) throw fail(`equation ${show(equation)}: the batch must be first in the result, too`)
  }

  override build(inputShape: DynamicShape): void {
    const { input, kernel, output, before, after } = this.parts
    const fits = before || after ? inputShape.length >= input.length : inputShape.length === input.length
    if (!fits) throw this.error('ERR_SHAPE', `inputs of rank ${inputShape.length} do not fit '${this.config.equation}'`, [inputShape])
    const shift = before ? inputShape.length - input.length : 0
    const { outputShape, biasAxes, ...o } = this.config
    const given = typeof outputShape === 'number' ? [outputShape] : outputShape
    const extents = new Map<string, number | null>()
    ;[...input].forEach((letter, i) => extents.set(letter, inputShape[i + shift] ?? null))
    const own = before ? output : output.slice(1)
    ;[...own].forEach((letter, i) => {
      const [known, wanted] = [extents.get(letter), given[i]!]
      if (known !== undefined && known !== null && wanted !== null && known !== wanted)
        throw this.error('ERR_SHAPE', `outputShape has ${wanted} for '${letter}', and the input has ${known}`, [inputShape])
      extents.set(letter, known ?? wanted)
    })
    const extent = (letter: string): number => {
      const known = extents.get(letter)
      if (typeof known === 'number') return known
      throw this.error('ERR_SHAPE', `the extent of '${letter}' is not known`, [inputShape], 'Give it in outputShape or inputShape')
    }
    this.kernel = this.addWeight({
      name: 'kernel',
      shape: [...kernel].map(extent),
      initializer: o.kernelInitializer ?? 'glorotUniform',
      regularizer: o.kernelRegularizer,
      constraint: o.kernelConstraint,
    })
    if (biasAxes) {
      const first = Math.min(...[...biasAxes].map((letter) => output.indexOf(letter)))
      const shape: Shape = [...output.slice(first)].map((letter) => (biasAxes.includes(letter) ? extent(letter) : 1))
      this.bias = this.addWeight({
        name: 'bias',
        shape: after ? [...shape, ...new Array<number>(inputShape.length - input.length).fill(1)] : shape,
        initializer: o.biasInitializer ?? 'zeros',
        regularizer: o.biasRegularizer,
        constraint: o.biasConstraint,
      })
    }
    const axes = [...input].flatMap((letter, i) => (kernel.includes(letter) ? [[before ? i - input.length : i, extent(letter)]] : []))
    this.inputSpec = { rank: inputShape.length, axes: Object.fromEntries(axes) as Record<number, number> }
  }

  protected override linear(x: Tensor): Tensor {
    const y = einsum(this.config.equation, x, this.kernel)
    return this.bias ? add(y, this.bias) : y
  }
}

/**
 * activation(einsum(equation, x, kernel) + bias). With 'abc,cd->abd' and outputShape [null, 64] it is dense over the
 * last axis of sequences; with 'abc,cde->abde' the result has two axes for one, as heads of attention.
 */
export const einsumDense: LayerFactory<typeof EinsumDense> = layer(EinsumDense)
