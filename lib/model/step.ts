// Steps: the traced functions behind fit, evaluate and predict. One step is one native call: rows are gathered, the
// model run and updated, figures added up.
import { withDevice } from '../core/device.js'
import { WeftError } from '../core/error.js'
import { outsideTrace } from '../core/graph.js'
import { gradients } from '../core/grad.js'
import { jit, type JitFunction } from '../core/jit.js'
import { Tensor, type Variable } from '../core/tensor.js'
import { isTensor, leavesOf, mapTree } from '../core/tree.js'
import { variable } from '../core/variable.js'
import { warnOnce } from '../core/warnings.js'
import { type Part, type Share, withShare } from '../core/share.js'
import { world } from '../distributed/world.js'
import { concat, slice, takeBatch, zerosLike } from '../ops/index.js'
import { seeingToMasks } from '../ops/masks.js'
import type { MetricName } from '../metrics/index.js'
import { MeanMetric, type Metric } from '../metrics/metric.js'
import type { Tree } from './feed.js'
import type { AnyModel } from './model.js'
import type { NamedMetric, Objective } from './objective.js'
import type { ClassWeight } from './class_weight.js'
import { type Batch, forward, type Pass } from './pass.js'
import { type FigureJson, restoreFigure } from './run.js'
import { ownShare, sharedStep } from './shared_step.js'
import { shardedStep } from './sharded_step.js'

export type Logs = Record<string, number>
/** Figures under the names there are; those of metrics that were not compiled are absent. */
export type Figures = Logs & Record<'loss' | MetricName, number>

/** Running means of loss and metrics over an epoch, on the device. */
export class Tracker {
  /** int32 [1]: the first row of the next batch. */
  readonly cursor: Variable
  keys: string[] = []
  /** In the order of the keys. */
  private figures: readonly Metric[] = []
  private readonly sums = new Map<string, MeanMetric>()
  private metrics: (readonly NamedMetric[])[] | undefined
  /** Values of states, in order, which those states get that are not there yet. */
  private pending: readonly FigureJson[] | undefined
  private readonly objective: Objective

  constructor(objective: Objective) {
    this.objective = objective
    this.cursor = outsideTrace(() => variable([0], { name: 'cursor', dtype: 'int32', trainable: false }))
  }

  /** Takes a batch in; returns the figures so far: float32 [keys]. */
  update(pass: Pass, rows: number): Tensor {
    this.take(pass, rows)
    return this.values()
  }

  /** Takes a batch in. */
  take(pass: Pass, rows: number): void {
    this.metrics ??= outsideTrace(() => this.metricsOf(pass))
    const figures: [string, Metric][] = []
    const average = (key: string, value: Tensor): void => {
      let mean = this.sums.get(key)
      // a figure of a batch counts for each of its rows
      if (!mean) this.sums.set(key, (mean = new MeanMetric(key, {}, (_, figure) => figure)))
      mean.take(value.cast('float32').mul(rows), rows)
      figures.push([key, mean])
    }
    average('loss', pass.loss)
    if (pass.outputs.length > 1) for (const { place, loss } of pass.outputs) if (loss) average(`${place.name}_loss`, loss)
    pass.outputs.forEach(({ target, prediction, logitsOf, logits }, i) => {
      for (const { key, metric, weighted } of this.metrics![i]!) {
        if (!target) continue
        const sampleWeight = weighted ? pass.sampleWeight : undefined
        seeingToMasks(() => metric.update(target, prediction, { sampleWeight, mask: prediction.mask, logitsOf, logits }))
        figures.push([key, metric])
      }
    })
    for (const [key, value] of pass.metrics) average(key, value)
    this.keys = figures.map(([key]) => key)
    this.figures = figures.map(([, metric]) => metric)
    this.restorePending()
  }

  /** The figures of what was taken in: float32 [keys]. */
  values(): Tensor {
    return concat(
      this.figures.map((metric) => metric.result().cast('float32').reshape([1])),
      0,
    )
  }

  /** The metrics of the outputs. One of the user's own is the same object in fit and evaluate: it begins anew here. */
  private metricsOf(pass: Pass): (readonly NamedMetric[])[] {
    const found = pass.outputs.map(({ place }) => this.objective.metricsOf(place))
    for (const { metric } of found.flat()) if (!metric.clone) setBack(metric)
    return found
  }

  /** Warns, once, of figures that are NaN by design of their metric. */
  explain(values: Float32Array): void {
    if (!values.some(Number.isNaN)) return
    const listed = (this.metrics ?? []).flat()
    this.keys.forEach((key, i) => {
      const reason = Number.isNaN(values[i]) ? listed.find((one) => one.key === key)?.metric.ifNan : undefined
      if (reason !== undefined) warnOnce('WEFT_METRIC', reason, key)
    })
  }

  /** The metrics whose states are kept; more after the first batch was traced. */
  get all(): readonly Metric[] {
    return [...this.sums.values(), ...(this.metrics ?? []).flat().map(({ metric }) => metric)]
  }

  /** In an order that the objective decides. */
  get states(): Variable[] {
    return [this.cursor, ...this.all.flatMap((metric) => [...metric.state])]
  }

  /** Gives the states their values: now, or where the first batch has yet to be traced, then. */
  restore(values: readonly FigureJson[]): void {
    this.pending = values
    restoreFigure(this.cursor, values[0]!)
    if (this.metrics !== undefined) this.restorePending()
  }

  private restorePending(): void {
    const { pending, states } = this
    if (pending === undefined) return
    this.pending = undefined
    if (pending.length !== states.length)
      throw new WeftError('ERR_FORMAT', `the metrics keep ${states.length} states, the backup has ${pending.length}`, {
        hint: 'Compile the model with the metrics it had, or remove the backup',
      })
    // the first is the cursor; rank 0 of a distributed run keeps the figures of all
    outsideTrace(() => {
      for (const [i, state] of states.entries()) {
        if (i > 0 && world().rank === 0) restoreFigure(state, pending[i]!)
        else if (i > 0) state.assign(zerosLike(state))
      }
    })
  }

  /** Number of states: more after the first batch was traced. */
  get size(): number {
    return this.all.reduce((sum, metric) => sum + metric.state.length, 1)
  }

  reset(): void {
    this.cursor.assign(zerosLike(this.cursor))
    for (const metric of this.all) setBack(metric)
  }
}

function setBack(metric: Metric): void {
  if (metric.reset) metric.reset()
  else for (const state of metric.state) state.assign(zerosLike(state))
}

/** The rows of a step: the cursor, and the arrays from which a permutation picks. */
export type RowsStep = JitFunction<[Batch, Tensor, number, ClassWeight | undefined, Part | undefined], Tensor>
export type BatchStep = JitFunction<[Batch, ClassWeight | undefined, boolean, Part | undefined], Tensor>

/** A kind of step: its programs, and the figures they keep. */
export class Steps {
  /** Rows permutation[cursor ...] of arrays; moves the cursor. With a Part the arrays are those of this rank alone. */
  readonly onRows: RowsStep
  /** A batch as it is, or this rank's Part of one; `fresh`: leaves no figures to the next one. */
  readonly onBatch: BatchStep
  private readonly device: string
  private readonly tracker: Tracker
  /** The loss of the batch whose figures were read last, with penalties. */
  batchLoss: number = Number.NaN
  /** How many ranks of a distributed run ask, with the step whose figures were read last, that the training ends. */
  stops = 0
  /** float32 [1]: whether this rank asks for the end. A state: a step that asks is the program of one that does not. */
  private readonly asking: Variable | undefined
  private asked = false
  private readonly resetter: JitFunction<[number], void>

  /** @param shards how many parts a batch is cut into, whatever the number of ranks; undefined: one for each rank */
  constructor(kind: 'fit' | 'evaluate', model: AnyModel, objective: Objective, shards?: number) {
    this.device = model.device
    const tracker = withDevice(this.device, () => new Tracker(objective))
    this.tracker = tracker
    const options = { precision: objective.precision, name: `${kind} of ${model.name}` }
    const { size: ranks } = world()
    const asking = ranks > 1 ? withDevice(this.device, () => variable([0], { name: 'asking', trainable: false })) : undefined
    this.asking = asking
    const run = (
      batch: (share: Share | undefined) => Batch,
      rows: number,
      classWeight: ClassWeight | undefined,
      part: Part | undefined,
    ): Tensor => {
      const passOf = (share: Share | undefined): Pass =>
        withShare(share, () => forward(model, objective, batch(share), kind === 'fit', classWeight))
      // after a forward pass: the first one may make the weights
      const weightsNow = (): readonly Variable[] => (kind === 'fit' ? model.trainableWeights : [])
      if (shards !== undefined && part !== undefined)
        throw new WeftError('ERR_ARGUMENT', `${kind}: shards and sharded data do not go together: all ranks need the whole batch`, {
          hint: 'Leave out one of the two options',
        })
      if (shards !== undefined) return shardedStep(passOf, { rows, shards, weightsNow, objective, asking, tracker })
      const share = ranks > 1 ? ownShare(rows, part) : undefined
      const pass = passOf(share)
      const weights = weightsNow()
      if (share !== undefined) return sharedStep(pass, share, weights, objective, asking!, tracker)
      if (kind === 'fit' && objective.optimizer.partition.cut)
        throw new WeftError('ERR_STATE', `fit: a rank cannot train ${model.name} alone: it has a part of the optimizer's state`, {
          hint: 'Compile the model again, in distributed.alone()',
        })
      if (kind === 'fit') objective.optimizer.apply(gradients(pass.loss, weights), weights)
      // the loss of this batch alone stands last, without a key
      return concat([tracker.update(pass, rows), pass.loss.cast('float32').reshape([1])], 0)
    }
    this.onRows = jit((data: Batch, permutation: Tensor, size: number, classWeight: ClassWeight | undefined, part?: Part) => {
      const batch = (share: Share | undefined): Batch => {
        let from: Tensor = tracker.cursor
        if (part === undefined) from = share === undefined ? from : from.add(share.begin)
        // a rank that has given all of its rows computes its first one for nothing
        else if (part.rows === 0) from = from.mul(0)
        return mapTree(data, (t) => takeBatch(t, permutation, from, share?.rows ?? size)) as Batch
      }
      const figures = run(batch, size, classWeight, part)
      tracker.cursor.assign(tracker.cursor.add(part?.rows ?? size))
      return figures
    }, options)
    this.onBatch = jit((given: Batch, classWeight: ClassWeight | undefined, fresh: boolean, part?: Part) => {
      const batch = (share: Share | undefined): Batch =>
        share === undefined || part !== undefined ? given : (mapTree(given, (t) => slice(t, [share.begin], [share.rows])) as Batch)
      const figures = run(batch, part?.total ?? rowsOf(given.x), classWeight, part)
      // after, and not before: the first trace makes the states
      if (fresh) tracker.reset()
      return figures
    }, options)
    this.resetter = jit((_: number) => tracker.reset(), options)
  }

  /** Before a step: whether this rank of a distributed run asks with it, and with the next ones, for the end. */
  ask(stop: boolean): void {
    if (this.asking === undefined || stop === this.asked) return
    this.asked = stop
    this.asking.assign([stop ? 1 : 0])
  }

  /** Starts an epoch: figures and cursor back to zero. */
  reset(): void {
    withDevice(this.device, () => this.resetter(this.tracker.size))
  }

  /** What the figures of an epoch are kept in, and the place in the data. */
  get states(): readonly Variable[] {
    return this.tracker.states
  }
  /** After reset(): goes on with figures that were kept. */
  restore(figures: readonly FigureJson[]): void {
    withDevice(this.device, () => this.tracker.restore(figures))
  }

  /** After restore(): the epoch goes on from this row of the order. */
  seek(row: number): void {
    withDevice(this.device, () => this.tracker.cursor.assign(this.tracker.cursor.mul(0).add(row)))
  }

  /** The figures of a finished step by name. */
  logs(figures: Tensor): Figures {
    const bytes = figures.held().viewNow()
    const values = new Float32Array(bytes.buffer, bytes.byteOffset, figures.size)
    this.tracker.explain(values)
    this.batchLoss = values[this.tracker.keys.length]!
    // of a distributed run: how many ranks ask for the end
    this.stops = values[this.tracker.keys.length + 1] ?? 0
    return Object.fromEntries(this.tracker.keys.map((key, i) => [key, values[i]!])) as Figures
  }

  dispose(): void {
    this.onRows.dispose()
    this.onBatch.dispose()
    this.resetter.dispose()
    this.asking?.dispose()
  }
}

export function rowsOf(tree: Tree): number {
  return leavesOf(tree, isTensor)[0]?.shape[0] ?? 0
}

/** The traced functions of predict. */
export class Inference {
  readonly onRows: JitFunction<[Tree, Tensor, Tensor, number], Tree>
  readonly onBatch: JitFunction<[Tree], Tree>

  constructor(model: AnyModel, options: { precision?: Objective['precision'] }) {
    const named = { ...options, name: `predict of ${model.name}` }
    const run = (x: Tree): Tree => model.apply(x, { training: false }) as Tree
    this.onRows = jit(
      (x: Tree, permutation: Tensor, cursor: Tensor, size: number) =>
        run(mapTree(x, (t) => takeBatch(t, permutation, cursor, size)) as Tree),
      named,
    )
    this.onBatch = jit(run, named)
  }

  dispose(): void {
    this.onRows.dispose()
    this.onBatch.dispose()
  }
}
