// ServedModel: one version of a model behind a scheduler, asked in the words of the protocol.
import { readStatistics } from '../data/statistics.js'
import type { AnyModel } from '../model/model.js'
import { DriftMonitor } from './drift/monitor.js'
import { type Answer, Executor, type Work } from './executor.js'
import { sampleKey } from './host_tensor.js'
import { datatypeOf, dtypeOfDatatype } from './protocol/datatypes.js'
import { matchInputs, matchOutputs } from './protocol/match.js'
import type { InferRequest } from './protocol/request.js'
import type { InferReply } from './protocol/response.js'
import type { Signature, WireTensor } from './protocol/tensors.js'
import { type Ended, type Observer, Scheduler, type SchedulerOptions, type Timing } from './scheduler.js'
import { describe } from './signature.js'
import { Statistics } from './statistics.js'
import { BatchTraces, type RequestTrace } from './tracing.js'

/** Who watches all versions of all models. */
export type Watch = (served: ServedModel) => Observer

export class ServedModel {
  readonly signature: Signature
  readonly statistics: Statistics
  /** Undefined for a model that was saved without statistics of its training data. */
  readonly drift: DriftMonitor | undefined
  private readonly traces: BatchTraces
  private readonly executor: Executor
  private readonly scheduler: Scheduler<Work, Answer>
  private readonly form: Work['form']

  constructor(
    readonly name: string,
    readonly version: string,
    readonly model: AnyModel,
    options: SchedulerOptions,
    watch?: Watch,
  ) {
    const { signature, form } = describe(model)
    this.signature = signature
    this.form = form
    const trained = readStatistics(model.assets['statistics'])
    this.drift =
      trained &&
      new DriftMonitor(
        trained,
        signature.inputs.map((input) => input.name),
      )
    this.traces = new BatchTraces({ 'weft.model': name, 'weft.version': version })
    this.statistics = new Statistics(name, version)
    const others = watch?.(this)
    const observer: Observer = {
      ended: (facts: Ended) => {
        this.statistics.ended(facts)
        others?.ended?.(facts)
      },
      computed: (rows: number, timing: Timing) => {
        this.statistics.computed(rows, timing)
        others?.computed?.(rows, timing)
      },
    }
    this.executor = new Executor(model, options.maxBatchSize ?? 32)
    this.scheduler = new Scheduler(
      `model '${name}'`,
      options,
      (batch) => this.traces.compute(batch, () => this.executor.run(batch)),
      observer,
    )
  }

  get waiting(): number {
    return this.scheduler.waiting
  }
  get maxDelayMs(): number {
    return this.scheduler.maxDelayMs
  }
  get maxBatchSize(): number {
    return this.scheduler.maxBatchSize
  }

  /**
   * Loads the programs of all batch sizes. Models with free extents beside the batch load theirs with the first
   * requests.
   */
  async warm(): Promise<void> {
    if (this.signature.inputs.some(({ shape }) => shape.slice(1).includes(-1))) return
    const inputs = this.signature.inputs.map(({ datatype, shape }) => ({
      dtype: dtypeOfDatatype(datatype)!,
      shape: [1, ...shape.slice(1)],
      bytes: new Uint8Array(0),
    }))
    await this.executor.warm({ inputs, form: this.form })
  }

  async infer(request: InferRequest, signal?: AbortSignal, trace?: RequestTrace): Promise<InferReply> {
    const matched = matchInputs(this.signature, request.inputs)
    const inputs = matched.map(({ datatype, shape, bytes }) => ({
      dtype: dtypeOfDatatype(datatype)!,
      shape,
      bytes,
    }))
    const asked = matchOutputs(this.signature, request.outputs)
    const rows = inputs[0]!.shape[0]!
    const key = `${inputs.map(sampleKey).join()}${rows === 0 ? ' empty' : ''}`
    const work: Work = { inputs, form: this.form }
    this.traces.add(work, trace)
    const { outputs } = await this.scheduler.submit(work, rows, key, {
      priority: request.priority,
      ...(request.timeoutMs === undefined ? {} : { timeoutMs: request.timeoutMs }),
      ...(signal ? { signal } : {}),
    })
    this.drift?.observe(matched)
    return {
      model: this.name,
      version: this.version,
      id: request.id,
      outputs: asked.map(({ index, binary }) => {
        const { dtype, shape, bytes } = outputs[index]!
        const tensor: WireTensor = { name: this.signature.outputs[index]!.name, datatype: datatypeOf(dtype), shape, bytes }
        return { tensor, binary: binary ?? request.binaryOutputs }
      }),
    }
  }

  /** Answers what was accepted, takes no more, and frees the programs. The model stays. */
  async close(): Promise<void> {
    await this.scheduler.close()
    this.executor.dispose()
  }
}
