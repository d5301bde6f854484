// dashboard: a page on this machine that shows a training while it runs.
import { integer } from '../core/checks.js'
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import type { ModelData } from '../model/feed.js'
import type { Logs } from '../model/step.js'
import { Callback } from './callback.js'
import type { DashboardServer } from './dashboard_server.js'
import { Curve, type EpochFigures, type LiveFigures, type Snapshot, type WeightHistograms } from './dashboard_state.js'
import { Samples, weightHistograms } from './dashboard_samples.js'

export interface DashboardOptions {
  /** Of 127.0.0.1. Default 0: one that is free. */
  port?: number
  /**
   * Rows, at most 32 of which are shown with what the model makes of them after each epoch; with y their gradients are
   * shown too.
   */
  samples?: { readonly x: ModelData; readonly y?: ModelData }
  /** What the classes are called. */
  classNames?: readonly string[]
  /** Histograms of weights and gradients, and predictions, every so many epochs. Default 1; 0: never. */
  histogramFreq?: number
  /**
   * True: the page stays after the training, and keeps the process running, until close(). Default false: the server
   * ends with the training; pages that are open keep what they show.
   */
  stay?: boolean
}
const OPTIONS: OptionTable<DashboardOptions> = {
  port: 'integer',
  samples: 'object',
  classNames: 'list',
  histogramFreq: 'integer',
  stay: 'boolean',
}

/**
 * Serves a page while fit runs: curves of all figures, learning rate, steps and rows a second, histograms of weights
 * and gradients, predictions of samples. It asks nothing of the network, and only this machine can open it. Its address
 * is written to stderr when training begins, and is `url` of the callback. ERR_STATE where the port is taken.
 */
export function dashboard(options: DashboardOptions = {}): Dashboard {
  checkCall('callbacks.dashboard(options)', arguments, OPTIONS)
  return new Dashboard(options)
}

/** What pages are told of the running epoch. */
const PERIOD_MS = 250

export class Dashboard extends Callback {
  override readonly exact = false
  private readonly port: number
  private readonly every: number
  private readonly stay: boolean
  private readonly given: DashboardOptions['samples']
  private readonly classNames: readonly string[] | undefined
  private server: DashboardServer | undefined
  private samples: Samples | undefined
  private curve = new Curve()
  private epochs: EpochFigures[] = []
  private histograms: WeightHistograms[] = []
  private live: LiveFigures = { epoch: 0, step: 0, logs: {} }
  private status = 'waiting'
  private began = 0
  private epochBegan = 0
  private told = 0
  private steps = 0
  private epoch = 0
  /** Where steps a second are counted from. */
  private counted = { steps: 0, time: 0 }

  constructor(options: DashboardOptions) {
    super()
    const what = 'callbacks.dashboard'
    const { samples, classNames } = options
    this.port = integer(what, 'port', options.port ?? 0, 0, 65535)
    this.every = integer(what, 'histogramFreq', options.histogramFreq ?? 1, 0)
    this.stay = options.stay ?? false
    if (samples !== undefined && samples.x === undefined)
      throw new WeftError('ERR_ARGUMENT', `${what}: samples are { x, y }, got ${show(samples)}`)
    if (classNames !== undefined && !Array.from(classNames).every((name) => typeof name === 'string'))
      throw new WeftError('ERR_ARGUMENT', `${what}: classNames are texts, got ${show(classNames)}`)
    this.given = samples
    this.classNames = classNames
  }

  /** The address of the page; undefined while nothing is served. */
  get url(): string | undefined {
    return this.server?.url
  }

  /** Ends the page that `stay` keeps. */
  async close(): Promise<void> {
    const { server } = this
    this.server = undefined
    await server?.close()
  }

  override async onTrainBegin(): Promise<void> {
    const now = performance.now()
    this.curve = new Curve()
    this.epochs = []
    this.histograms = []
    this.steps = 0
    this.began = now
    this.counted = { steps: 0, time: now }
    this.live = { epoch: 0, step: 0, logs: {} }
    this.status = 'training'
    this.samples = this.given && new Samples(this.model, this.given, this.classNames)
    if (this.server === undefined) {
      // node:http is loaded by those who want a page
      const { DashboardServer } = await import('./dashboard_server.js')
      this.server = await DashboardServer.open(this.port, () => this.snapshot())
      process.stderr.write(`dashboard: ${this.server.url}\n`)
    }
    this.server.send('state', this.snapshot())
  }

  override onEpochBegin(epoch: number): void {
    this.epoch = epoch
    this.epochBegan = performance.now()
  }

  override onBatchEnd(batch: number, logs: Logs): void {
    this.steps++
    const { batchLoss, ...running } = logs
    this.curve.add(this.steps, batchLoss ?? logs['loss'] ?? Number.NaN)
    const now = performance.now()
    if (now - this.told < PERIOD_MS) return
    this.told = now
    this.live = { ...this.current(batch + 1, running), ...this.rate(now) }
    this.server?.send('live', { ...this.live, curve: this.curve.last })
  }

  override async onEpochEnd(epoch: number, logs: Logs): Promise<void> {
    const now = performance.now()
    const rate = this.learningRate
    this.epochs.push({ epoch, logs: { ...logs }, seconds: (now - this.epochBegan) / 1000, ...(rate === undefined ? {} : { rate }) })
    if (this.every > 0 && epoch % this.every === 0) {
      this.histograms = await weightHistograms(this.model)
      await this.samples?.look()
    }
    // what was looked at meanwhile is no part of the training's time
    this.live = { ...this.current(this.model.trainingRun?.stepsPerEpoch ?? this.live.step, logs), ...this.rate(now) }
    this.counted = { steps: this.steps, time: performance.now() }
    this.server?.send('state', this.snapshot())
  }

  override onTrainError(error: unknown): void {
    this.status = `ended by an error: ${error instanceof Error ? error.message : show(error)}`
  }

  override async onTrainEnd(): Promise<void> {
    if (this.status === 'training') this.status = 'done'
    // what they showed last stays
    this.samples?.dispose()
    this.server?.send('state', this.snapshot())
    if (!this.stay) await this.close()
  }

  private get learningRate(): number | undefined {
    const { learningRate } = this.model.optimizer
    return typeof learningRate === 'number' ? learningRate : undefined
  }

  private current(step: number, logs: Logs): LiveFigures {
    const { stepsPerEpoch } = this.model.trainingRun ?? {}
    const rate = this.learningRate
    return {
      epoch: this.epoch,
      step,
      logs: { ...logs },
      ...(stepsPerEpoch === undefined ? {} : { steps: stepsPerEpoch }),
      ...(rate === undefined ? {} : { rate }),
    }
  }

  /** Steps, and rows where batches are of arrays, a second since it was last counted. */
  private rate(now: number): Pick<LiveFigures, 'stepsPerSecond' | 'rowsPerSecond'> {
    const [steps, seconds] = [this.steps - this.counted.steps, (now - this.counted.time) / 1000]
    if (steps === 0 || seconds <= 0) return {}
    if (seconds > 2) this.counted = { steps: this.steps, time: now }
    const { batchSize } = this.model.trainingRun?.data ?? {}
    return { stepsPerSecond: steps / seconds, ...(batchSize === undefined ? {} : { rowsPerSecond: (steps * batchSize) / seconds }) }
  }

  private snapshot(): Snapshot {
    return {
      model: this.model?.name ?? '',
      status: this.status,
      seconds: (performance.now() - this.began) / 1000,
      lastEpoch: this.model?.trainingRun?.epochs ?? this.epochs.length,
      live: this.live,
      curve: this.curve.points,
      epochs: this.epochs,
      weights: this.histograms,
      gradients: this.samples?.gradients ?? [],
      samples: this.samples?.shown ?? [],
    }
  }
}
