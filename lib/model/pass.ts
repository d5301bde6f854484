// Pass: one forward pass of a model and its targets, as recorded into a step: predictions, losses, and what the
// metrics may know.
import { asTensor, tensor } from '../core/create.js'
import { sameShape } from '../core/spec.js'
import { WeftError } from '../core/error.js'
import { collectLosses } from '../layers/context.js'
import type { Loss } from '../losses/index.js'
import type { Tensor } from '../core/tensor.js'
import { gather, sigmoid, softmax } from '../ops/index.js'
import { seeingToMasks } from '../ops/masks.js'
import { isRecord } from '../core/tree.js'
import { warnOnce } from '../core/warnings.js'
import { leaves, type Tree } from './feed.js'
import type { AnyModel } from './model.js'
import type { ClassWeight } from './class_weight.js'
import type { Objective, OutputPlace } from './objective.js'

/** Tensors of one batch. */
export interface Batch {
  x: Tree
  y: Tree | undefined
  sampleWeight: Tensor | undefined
}

export interface Output {
  readonly place: OutputPlace
  readonly target: Tensor | undefined
  readonly prediction: Tensor
  /** The prediction is what this activation would be given. */
  readonly logitsOf: 'softmax' | 'sigmoid' | undefined
  /** What the activation at the model's end was given, where the loss is computed from that. */
  readonly logits: { readonly activation: string; readonly values: Tensor } | undefined
  readonly loss: Tensor | undefined
}

export interface Pass {
  readonly outputs: readonly Output[]
  /** Losses of the outputs, penalties and what layers add: a scalar. */
  readonly loss: Tensor
  readonly sampleWeight: Tensor | undefined
  /** What layers passed to addMetric. */
  readonly metrics: ReadonlyMap<string, Tensor>
}

/** Runs the model on a batch. A softmax or sigmoid at its end is left out where the loss can take the logits. */
export function forward(model: AnyModel, objective: Objective, batch: Batch, training: boolean, classWeight?: ClassWeight): Pass {
  const activations = model.outputActivations
  const count = activations.length
  const names = model.outputNames
  objective.checkOutputs(names)
  const losses = activations.map((_, index) => objective.lossOf({ index, count, name: names[index]! }))
  const direct = activations.map((activation, i) => activation !== undefined && losses[i]?.logits?.activation === activation)
  const leaveOut = direct.some(Boolean) ? { withoutActivation: count === 1 ? true : direct } : {}
  const { result, losses: added, metrics } = collectLosses(() => model.apply(batch.x, { training, ...leaveOut }) as Tree)
  const results = leaves('output', result).map(([, t]) => t)
  const targets = targetsOf(batch.y, names, losses)
  if (classWeight && count > 1) throw new WeftError('ERR_ARGUMENT', `classWeight: the model has ${count} outputs; use sampleWeight`)

  let { sampleWeight } = batch
  const outputs = results.map((raw, index): Output => {
    const place = { index, count, name: names[index]! }
    const loss = losses[index]
    const target = targets[index]
    if (activations[index] === 'softmax' && raw.shape.at(-1) === 1) warnOfOneUnit(model.name)
    const end = model.outputEnds[index]
    if (end && loss?.logits && !loss.logits.given) warnOfNoProbabilities(model.name, end, loss)
    const prediction = direct[index] ? activate(raw, activations[index]!) : raw
    if (classWeight && target) sampleWeight = classWeights(target, prediction, classWeight, sampleWeight)
    const value = loss && target ? lossOf(loss, direct[index]!, target, raw, sampleWeight, model.name) : undefined
    const logitsOf = !direct[index] && loss?.logits?.given ? loss.logits.activation : undefined
    const logits = direct[index] ? { activation: activations[index]!, values: raw } : undefined
    return { place, target, prediction, logitsOf, logits, loss: value }
  })
  const parts = [
    ...outputs.flatMap(({ loss, place }) => (loss ? [weighted(loss, objective.weightOf(place))] : [])),
    ...added.map((t) => t.cast('float32')),
  ]
  if (parts.length === 0)
    throw new WeftError('ERR_ARGUMENT', `${model.name}: there is no loss to compute`, {
      hint: 'Give compile() a loss and pass targets, or call addLoss() in a layer',
    })
  return { outputs, loss: parts.reduce((sum, part) => sum.add(part)), sampleWeight, metrics }
}

function warnOfOneUnit(model: string): void {
  warnOnce(
    'WEFT_ONE_CLASS',
    `${model}: a softmax over one unit is always 1, so nothing is learned. For two classes and one output use activation 'sigmoid' and loss 'binaryCrossentropy'`,
    model,
  )
}

function warnOfNoProbabilities(model: string, end: string, loss: Loss): void {
  warnOnce(
    'WEFT_NO_PROBABILITIES',
    `${model}: the loss ${loss.lossName} takes probabilities, and the last layer has ${end}. Give that layer the activation '${loss.logits!.activation}', or write losses.${loss.lossName}({ fromLogits: true })`,
    model,
  )
}

const weighted = (loss: Tensor, weight: number): Tensor => (weight === 1 ? loss : loss.mul(weight))

function activate(logits: Tensor, activation: string): Tensor {
  const activated = activation === 'softmax' ? softmax(logits) : sigmoid(logits)
  activated.mask = logits.mask
  return activated
}

function lossOf(loss: Loss, onLogits: boolean, target: Tensor, raw: Tensor, sampleWeight: Tensor | undefined, model: string): Tensor {
  let chosen = loss
  if (onLogits && loss.logits!.given) {
    warnOnce(
      'WEFT_LOGITS',
      `${model}: the last layer has the activation '${loss.logits!.activation}' and the loss ${loss.lossName} says fromLogits: true; it is trained on the layer's logits. Drop one of the two`,
      model,
    )
  } else if (onLogits) chosen = loss.logits!.loss()
  const value = seeingToMasks(() => chosen(target, raw, { sampleWeight, mask: raw.mask })).cast('float32')
  return value.rank === 0 ? value : value.mean()
}

/** The target of each output, by position or name. */
function targetsOf(y: Tree | undefined, names: readonly string[], losses: readonly (Loss | undefined)[]): (Tensor | undefined)[] {
  if (y === undefined) {
    if (losses.some((loss) => loss !== undefined)) throw new WeftError('ERR_ARGUMENT', 'the loss needs targets, but no y was given')
    return names.map(() => undefined)
  }
  if (isRecord(y) && names.some((name) => Object.hasOwn(y, name))) {
    return names.map((name, i) => {
      const target = (y as Record<string, Tensor>)[name]
      if (target === undefined && losses[i])
        throw new WeftError('ERR_ARGUMENT', `y has no target for output '${name}'`, { hint: `It has ${Object.keys(y).join(', ')}` })
      return target
    })
  }
  const targets = leaves('y', y).map(([, t]) => t)
  if (targets.length !== names.length) {
    throw new WeftError('ERR_ARGUMENT', `y has ${targets.length} targets, the model has ${names.length} outputs (${names.join(', ')})`)
  }
  return targets
}

/** Sample weights [n] times the weight of each sample's class. */
function classWeights(target: Tensor, prediction: Tensor, classWeight: ClassWeight, sampleWeight: Tensor | undefined): Tensor {
  const outputs = prediction.shape.at(-1)!
  const oneHot = outputs > 1 && sameShape(target.shape, prediction.shape)
  const labels = (oneHot ? target.argMax(-1) : target.cast('int32')).reshape([-1])
  if (labels.size !== prediction.shape[0]) {
    throw new WeftError('ERR_SHAPE', `classWeight needs one class per sample, the targets have shape [${target.shape}]`, {
      shapes: [target.shape],
      hint: 'Use sampleWeight',
    })
  }
  const known = Object.keys(classWeight).map(Number)
  const strange = outputs > 1 ? known.find((label) => label >= outputs) : undefined
  if (strange !== undefined)
    throw new WeftError('ERR_ARGUMENT', `classWeight: there is no class ${strange}, the model has classes 0 to ${outputs - 1}`)
  const table = new Float32Array(Math.max(outputs, 2, ...known.map((label) => label + 1))).fill(1)
  for (const label of known) table[label] = classWeight[label]!
  const weights = gather(tensor(table), labels, 0)
  return sampleWeight ? weights.mul(asTensor(sampleWeight).cast('float32')) : weights
}
