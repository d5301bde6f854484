// distill: a small model learns what a large one says (Hinton et al. 2015).
import { activations } from '../activations.js'
import { WeftError } from '../core/error.js'
import { checkCall, checkOptions, type OptionTable, show } from '../core/options.js'
import type { DynamicShape } from '../core/spec.js'
import type { Tensor } from '../core/tensor.js'
import type { AnyLayer, CallOptions } from '../layers/layer.js'
import { inferSpecs, placeholder } from '../layers/symbolic.js'
import { ComposedModel } from '../model/composed.js'
import { isStream, type ModelData, type StreamSource } from '../model/feed.js'
import type { History } from '../model/history.js'
import type { AnyModel } from '../model/model.js'
import type { SummaryRow } from '../model/summary.js'
import { FIT_OPTIONS, type FitOptions } from '../model/training.js'
import { add, div, logSoftmax, mean, mul, sigmoid, softmax, softplus, stopGradient, sub, sum } from '../ops/index.js'
import { type CompressData, partsOf } from './data.js'
import { checkModel } from './rebuild.js'

export interface DistillOptions extends FitOptions {
  /** { x, y }, x alone, or a source of batches { x, y }. */
  data: CompressData
  /** Logits of both models are divided by it before they are compared. Default 3. */
  temperature?: number
  /**
   * Weight of the student's own loss against labels; what the teacher says weighs 1 - alpha. Default 0.1; 0 without y.
   */
  alpha?: number
}
const OPTIONS: OptionTable<DistillOptions> = { ...FIT_OPTIONS, data: 'any', temperature: 'number', alpha: 'number' }

/** Student and teacher on the same inputs; its outputs and weights are the student's. */
class Distillation extends ComposedModel<object, Tensor, Tensor> {
  static override readonly className: string = 'Distillation'
  readonly layers: readonly AnyLayer[]

  constructor(
    private readonly student: AnyModel,
    private readonly teacher: AnyModel,
    private readonly settings: { readonly temperature: number; readonly weight: number },
  ) {
    super({})
    this.layers = [student, teacher]
    this.activationName = student.activationName
    this.build([null])
  }

  override build(_inputShape: DynamicShape): void {}
  // the parts keep the names of their weights
  protected override afterBuild(): void {}

  override get trainableWeights(): AnyModel['trainableWeights'] {
    return this.student.trainableWeights
  }
  override get outputNames(): readonly string[] {
    return this.student.outputNames
  }
  override get outputActivations(): readonly (string | undefined)[] {
    return this.student.outputActivations
  }
  override get forms(): AnyModel['forms'] {
    return this.student.forms
  }

  call(x: Tensor, options: CallOptions): Tensor {
    const logits = this.callWithoutActivation(x, options)
    const name = this.student.activationName as keyof typeof activations | undefined
    return name === undefined ? logits : activations[name](logits)
  }

  override callWithoutActivation(x: Tensor, { training }: CallOptions): Tensor {
    const own = this.student.apply(x, { training, withoutActivation: true }) as Tensor
    const taught = stopGradient(this.teacher.apply(x, { training: false, withoutActivation: true }) as Tensor)
    const { temperature, weight } = this.settings
    const binary = this.student.activationName === 'sigmoid'
    // gradients of softened logits are smaller by the square of the temperature
    this.addLoss(mul(divergence(taught, own, temperature, binary), weight * temperature ** 2))
    return own
  }

  protected summaryRows(): SummaryRow[] {
    return this.layers.map((layer) => ({ label: layer.name, shape: undefined, parameters: layer.countParams() }))
  }
}

/** The mean over samples of KL(teacher ‖ student), of logits divided by the temperature. */
function divergence(taught: Tensor, own: Tensor, temperature: number, binary: boolean): Tensor {
  const [t, s] = [div(taught, temperature), div(own, temperature)]
  if (binary) {
    // p·log(p/q) + (1-p)·log((1-p)/(1-q)) with p = sigmoid(t), q = sigmoid(s)
    const p = sigmoid(t)
    return mean(add(mul(p, sub(t, s)), sub(softplus(s), softplus(t))))
  }
  return mean(sum(mul(softmax(t), sub(logSoftmax(t), logSoftmax(s))), -1))
}

function checkPair(student: AnyModel, teacher: AnyModel): void {
  for (const [name, { outputActivations }] of Object.entries({ student, teacher }))
    if (outputActivations.length !== 1)
      throw new WeftError('ERR_ARGUMENT', `distill: the ${name} has ${outputActivations.length} outputs, it must have one`)
  const known = [undefined, 'softmax', 'sigmoid']
  for (const [name, { activationName }] of Object.entries({ student, teacher }))
    if (!known.includes(activationName))
      throw new WeftError('ERR_ARGUMENT', `distill: the ${name} ends in '${activationName}', it must end in logits, softmax or sigmoid`)
  if ((student.activationName === 'sigmoid') !== (teacher.activationName === 'sigmoid'))
    throw new WeftError('ERR_ARGUMENT', "distill: one model ends in 'sigmoid' and the other one does not", {
      hint: 'Both must say the same: probabilities of classes, or of each output by itself',
    })
  const [own, taught] = [student, teacher].map(outputShape) as [DynamicShape | undefined, DynamicShape | undefined]
  if (own && taught && own.at(-1) !== taught.at(-1))
    throw new WeftError('ERR_SHAPE', `distill: the student has ${own.at(-1)} outputs, the teacher ${taught.at(-1)}`, {
      shapes: [own, taught],
    })
  if (own?.at(-1) === 1 && student.activationName !== 'sigmoid')
    throw new WeftError('ERR_ARGUMENT', 'distill: it compares logits of classes, and the models have one output without a sigmoid')
}

function outputShape(model: AnyModel): DynamicShape | undefined {
  const { inputShape } = model as { inputShape?: DynamicShape }
  if (inputShape === undefined) return undefined
  const made = inferSpecs(placeholder({ shape: [null, ...inputShape], dtype: 'float32' }), (x) => model.apply(x)) as {
    shape?: DynamicShape
  }
  return made.shape
}

/**
 * Trains the student to say what the teacher says, as fit() does, whose options it takes:
 * `await distill(student, teacher, { data: { x, y }, temperature: 4, alpha: 0.1, epochs: 5 })`. The loss is
 * alpha · (the student's loss) + (1 - alpha) · temperature² · KL(teacher ‖ student), of logits divided by the
 * temperature (Hinton et al. 2015). The student must be compiled: its optimizer, loss and metrics are used, and the
 * history is returned. The teacher stays as it is.
 * ERR_ARGUMENT for models whose outputs do not say the same; ERR_STATE for a student that is not compiled.
 */
export async function distill(student: AnyModel, teacher: AnyModel, options: DistillOptions): Promise<History> {
  checkCall('distill(student, teacher, options)', arguments)
  checkModel('distill', student)
  checkModel('distill', teacher)
  checkOptions('distill', options ?? null, OPTIONS, 'student, teacher')
  const { data, temperature = 3, alpha: given, ...fitting } = options
  if (data === undefined)
    throw new WeftError('ERR_ARGUMENT', 'distill: data is missing', { hint: 'Write distill(student, teacher, { data: { x, y } })' })
  if (student === teacher) throw new WeftError('ERR_ARGUMENT', 'distill: student and teacher are the same model')
  if (!(temperature > 0 && Number.isFinite(temperature)))
    throw new WeftError('ERR_ARGUMENT', `distill: temperature must be above 0, got ${show(temperature)}`)
  const stream = isStream(data)
  const { x, y } = stream ? { x: data as ModelData, y: undefined } : partsOf(data)
  const alpha = given ?? (stream || y !== undefined ? 0.1 : 0)
  if (!(alpha >= 0 && alpha <= 1)) throw new WeftError('ERR_ARGUMENT', `distill: alpha must be in [0, 1], got ${show(alpha)}`)
  if (!stream && y === undefined && alpha > 0)
    throw new WeftError('ERR_ARGUMENT', `distill: alpha ${alpha} weighs labels, and data has no y`, {
      hint: 'Write data: { x, y }, or alpha: 0',
    })
  checkPair(student, teacher)
  void student.compiled
  const learned = teacher.trainable
  const both = new Distillation(student, teacher, { temperature, weight: 1 - alpha })
  const { optimizer } = student
  both.compileAs(student, alpha === 0 ? { optimizer, loss: undefined } : { optimizer, lossWeights: [alpha] })
  teacher.trainable = false
  try {
    return stream ? await both.fit(data as StreamSource, fitting) : await both.fit(x, y, fitting)
  } finally {
    teacher.trainable = learned
    both.retrace()
    student.epochsTrained += both.epochsTrained
  }
}
