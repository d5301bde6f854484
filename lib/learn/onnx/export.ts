// exportOnnx of models, transformers, scalers and pipelines.
import { Scaler } from '../../data/scalers.js'
import { WeftError } from '../../core/error.js'
import { checkCall, type OptionTable, show } from '../../core/options.js'
import { pathOf, type Place } from '../../core/place.js'
import { Learner, type State, type Stored } from '../estimator.js'
import { Pipeline } from '../preprocessing/pipeline.js'

export interface LearnOnnxOptions {
  /** Version of the ONNX operators, 17 to 21. Default 17. */
  opset?: number
}
const OPTIONS: OptionTable<LearnOnnxOptions> = { opset: 'integer' }
const [OLDEST, NEWEST] = [17, 21]

interface Exports {
  /**
   * Writes what the fitted model computes to an ONNX file (a path or a file: URL), replaced as a whole. Input: X
   * float32 [batch, features].
   * Outputs: of classifiers `label` [batch] and `probabilities` [batch, classes], or `scores` as
   * decisionFunction() gives them where there are no probabilities; of regressors `prediction` [batch, 1]; of kMeans
   * `label` and `distances`; of steps that change X `features`. Trees are TreeEnsembleRegressor of ai.onnx.ml, all else
   * plain operators in float64. Pipelines are exported whole.
   * ERR_STATE before fit(); ERR_ARGUMENT for what ONNX cannot say: models of neighbors and of texts, own kernels.
   */
  exportOnnx(file: Place, options?: LearnOnnxOptions): Promise<void>
}
declare module '../estimator.js' {
  interface Learner<O extends object, S extends State> extends Exports {}
}
declare module '../preprocessing/pipeline.js' {
  interface Pipeline extends Exports {}
}
declare module '../../data/scalers.js' {
  interface Scaler extends Exports {}
}

interface Exportable {
  readonly kind: string
  readonly isFitted: boolean
  stored(what: string): Stored
}

async function exportOnnx(this: Exportable, place: Place, options: LearnOnnxOptions = {}): Promise<void> {
  checkCall('exportOnnx(file, options)', arguments, OPTIONS)
  const file = pathOf('exportOnnx', place, 'file')
  const { opset = OLDEST } = options
  if (opset < OLDEST || opset > NEWEST)
    throw new WeftError('ERR_ARGUMENT', `exportOnnx: opset must be ${OLDEST} to ${NEWEST}, got ${show(opset)}`)
  if (!this.isFitted)
    throw new WeftError('ERR_STATE', `${this.kind}: exportOnnx before it was fitted`, { hint: 'Write await model.fit(X, y) first' })
  // protobuf is loaded by those alone who export
  const { writeModel } = await import('./write.js')
  await writeModel(file, this.stored('exportOnnx'), opset)
}

for (const made of [Learner, Pipeline, Scaler]) Object.defineProperty(made.prototype, 'exportOnnx', { value: exportOnnx })
