// ServedModel: one version of a model behind a scheduler, asked in the words of the protocol.
import { WeftError } from '../core/error.js'
import { settleFinished } from '../core/flights.js'
import { readStatistics } from '../data/statistics.js'
import type { AnyModel } from '../model/model.js'
import { PretrainedDecoder } from '../pretrained/decoder_model.js'
import { Gpt } from '../transformers/gpt.js'
import { DriftMonitor } from './drift/monitor.js'
import type { Cancellation } from './cancellation.js'
import { systemClock } from './clock.js'
import { type Answer, Executor, type Work } from './executor.js'
import { type ExplainLimits, Explanation } from './explanation.js'
import { type Finish, type Generated, Generation, type GenerateRequest } from './generation.js'
import { bytesOfShape, type HostTensor, sampleKey } from './host_tensor.js'
import { datatypeOf, dtypeOfDatatype, elementBytes } from './protocol/datatypes.js'
import { matchInputs, matchOutputs } from './protocol/match.js'
import type { InferRequest } from './protocol/request.js'
import type { InferReply } from './protocol/response.js'
import { invalid, named, type Signature, tooLarge, type WireTensor } from './protocol/tensors.js'
import type { Ended, Observer, Timing } from './ended.js'
import { Scheduler, type SchedulerOptions } from './scheduler.js'
import { Preprocessing } from './preprocessing.js'
import { type Described, describe } from './signature.js'
import { Soundness } from './soundness.js'
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
  private readonly described: Described
  private readonly soundness = new Soundness(() => this.executor.run([this.sample(1)]))
  private readonly preprocessing: Preprocessing
  private readonly generation: Generation | undefined
  private explanation: Explanation | undefined
  private readonly others: Observer | undefined
  /** Of every request; undefined where extents of the inputs are free. */
  private readonly key: string | undefined
  /** Bytes of a row of the outputs; undefined where extents are free. */
  private readonly rowBytes: number | undefined

  constructor(
    readonly name: string,
    readonly version: string,
    readonly model: AnyModel,
    options: SchedulerOptions,
    watch?: Watch,
  ) {
    this.described = describe(model)
    const { signature } = this.described
    this.preprocessing = new Preprocessing(model, signature)
    this.signature = { ...signature, outputs: [...signature.outputs, ...this.preprocessing.outputs] }
    const trained = readStatistics(model.assets['statistics'])
    this.drift =
      trained &&
      new DriftMonitor(
        trained,
        signature.inputs.map((input) => input.name),
      )
    this.rowBytes = signature.outputs.some(({ shape }) => shape.slice(1).some((extent) => extent < 0))
      ? undefined
      : bytesOfOutputs(signature, 1, 1)
    this.key = this.hasFreeInputs ? undefined : this.sample(1).key
    this.traces = new BatchTraces({ 'weft.model': name, 'weft.version': version })
    this.statistics = new Statistics(name, version)
    const observer: Observer = {
      ended: (facts: Ended) => {
        this.statistics.ended(facts)
        this.others?.ended?.(facts)
      },
      computed: (rows: number, timing: Timing) => {
        this.statistics.computed(rows, timing)
        this.others?.computed?.(rows, timing)
      },
    }
    this.executor = new Executor(model, options.maxBatchSize ?? 32)
    const compute = (batch: readonly Work[]): ReturnType<Executor['run']> => this.soundness.watch(() => this.executor.run(batch))
    this.scheduler = new Scheduler(
      `model '${name}'`,
      options,
      (batch) => this.traces.compute(batch, () => compute(batch)),
      observer,
      systemClock,
      settleFinished,
    )
    this.generation =
      (model as unknown) instanceof Gpt || (model as unknown) instanceof PretrainedDecoder
        ? new Generation(name, model as unknown as Gpt, this.preprocessing.text, options, observer)
        : undefined
    // last: whoever watches hears of the end, which what was not made whole never comes to
    this.others = watch?.(this)
  }

  get waiting(): number {
    return this.scheduler.waiting + (this.generation?.waiting ?? 0)
  }
  /** Whether texts are generated. */
  get generates(): boolean {
    return this.generation !== undefined
  }
  /** The input that takes texts. */
  get textInput(): string | undefined {
    return this.preprocessing.textInput?.name
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
    if (this.hasFreeInputs) return
    await this.executor.warm(this.sample(0))
  }

  private get hasFreeInputs(): boolean {
    return this.signature.inputs.some(({ shape }) => shape.slice(1).includes(-1))
  }

  /** Whether its batches are computed. */
  get isSound(): boolean {
    return this.soundness.isSound
  }
  /** Whether its device failed for good. */
  get isLost(): boolean {
    return this.soundness.isLost
  }

  /** ERR_OVERLOADED where another request would not be taken. */
  noRoom(): WeftError | undefined {
    return this.scheduler.noRoom()
  }

  async infer(request: InferRequest, signal?: Cancellation, trace?: RequestTrace): Promise<InferReply> {
    const { complete, form, signature } = this.described
    const given = this.preprocessing.inputs(request.inputs)
    const matched = matchInputs(signature, complete?.(given) ?? given)
    const inputs = matched.map(({ datatype, shape, bytes }) => ({
      dtype: dtypeOfDatatype(datatype)!,
      shape,
      bytes,
    }))
    const asked = matchOutputs(this.signature, request.outputs)
    const rows = inputs[0]!.shape[0]!
    if (this.rowBytes === undefined) checkOutputs(signature, inputs)
    else checkOutputBytes(rows * this.rowBytes)
    const samples = this.key ?? inputs.map(sampleKey).join()
    const key = rows === 0 ? `${samples} empty` : samples
    const work: Work = { inputs, form, key }
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
      outputs: asked.map(({ index, binary }) => ({ tensor: this.output(index, outputs), binary: binary ?? request.binaryOutputs })),
    }
  }

  /**
   * Calls `part` for each token of a text; resolves with why it ended. ERR_UNSUPPORTED for a model that has no texts.
   */
  generate(request: GenerateRequest, part: (generated: Generated) => void, signal?: AbortSignal): Promise<Finish> {
    if (this.generation !== undefined) return this.generation.generate(request, part, signal)
    throw new WeftError('ERR_UNSUPPORTED', `model '${this.name}' does not generate texts`, { hint: 'Ask its infer endpoint' })
  }

  /**
   * Why it answers as it does. ERR_UNSUPPORTED for models that have several inputs or outputs, or write texts.
   */
  async explain(request: InferRequest, limits: Required<ExplainLimits>, signal?: Cancellation): Promise<InferReply> {
    const { signature } = this.described
    const [input] = signature.inputs
    if (signature.inputs.length !== 1 || signature.outputs.length !== 1 || this.generates || input === undefined)
      throw new WeftError('ERR_UNSUPPORTED', `model '${this.name}' is not explained: it has not one input and one output of scores`)
    const prepared = (given: readonly WireTensor[]): HostTensor => {
      const [{ datatype, shape, bytes }] = matchInputs(signature, this.preprocessing.inputs(given)) as readonly [WireTensor]
      if (datatype !== 'FP32' && datatype !== 'INT32')
        throw new WeftError('ERR_UNSUPPORTED', `model '${this.name}' is not explained: its input is ${datatype}, not FP32 or ids`)
      return { dtype: dtypeOfDatatype(datatype)!, shape, bytes }
    }
    const beside = new Map<string, HostTensor>()
    for (const given of request.inputs)
      if (given.name !== input.name && EXPLAIN_INPUTS.includes(given.name)) {
        if (beside.has(given.name)) throw invalid(`${named('input', given.name)} is given twice`)
        beside.set(given.name, prepared([{ ...given, name: input.name }]))
      }
    const x = prepared(request.inputs.filter(({ name }) => name === input.name || !EXPLAIN_INPUTS.includes(name)))
    this.explanation ??= new Explanation(this.name, this.model, limits)
    const { parameters = {} } = request
    const found = await this.explanation.explain(
      { x, baseline: beside.get('baseline'), background: beside.get('background'), parameters },
      signal,
    )
    const outputs = found.map(([name, { dtype, shape, bytes }]) => ({ name, datatype: datatypeOf(dtype), shape, bytes }))
    const asked = matchOutputs({ inputs: [], outputs }, request.outputs)
    return {
      model: this.name,
      version: this.version,
      id: request.id,
      outputs: asked.map(({ index, binary }) => ({ tensor: outputs[index]!, binary: binary ?? request.binaryOutputs })),
    }
  }

  /** Inputs of so many rows of zeros; free extents are 1. */
  private sample(rows: number): Work {
    const { signature, form } = this.described
    const inputs = signature.inputs.map(({ datatype, shape }) => {
      const whole = [rows, ...shape.slice(1).map(Math.abs)]
      const dtype = dtypeOfDatatype(datatype)!
      return { dtype, shape: whole, bytes: new Uint8Array(bytesOfShape(dtype, whole)) }
    })
    return { inputs, form, key: inputs.map(sampleKey).join() }
  }

  private output(index: number, outputs: Answer['outputs']): WireTensor {
    if (index >= outputs.length) return this.preprocessing.label(outputs)
    const { dtype, shape, bytes } = outputs[index]!
    return this.preprocessing.output({ name: this.signature.outputs[index]!.name, datatype: datatypeOf(dtype), shape, bytes })
  }

  /** Answers what was accepted, takes no more, and frees the programs. The model stays. */
  async close(): Promise<void> {
    this.soundness.close()
    await Promise.all([this.scheduler.close(), this.generation?.close(), this.explanation?.close()])
    this.executor.dispose()
    this.others?.closed?.()
  }
}

/** Inputs of an explanation beside what is explained. */
const EXPLAIN_INPUTS: readonly string[] = ['baseline', 'background']

/** Bytes that the outputs of a request may have. */
const MOST_OUTPUT = 2 ** 30

/** Before anything is computed: free extents of an output are not larger than the largest of the inputs. */
function checkOutputs(signature: Signature, inputs: readonly { readonly shape: readonly number[] }[]): void {
  const most = Math.max(1, ...inputs.flatMap(({ shape }) => shape.slice(1)))
  checkOutputBytes(bytesOfOutputs(signature, inputs[0]!.shape[0]!, most))
}

/** Bytes of the outputs for so many rows, with free extents of `free`. */
function bytesOfOutputs({ outputs }: Signature, rows: number, free: number): number {
  let bytes = 0
  for (const { shape, datatype } of outputs)
    bytes += rows * shape.slice(1).reduce((size, extent) => size * (extent < 0 ? free : extent), Math.max(1, elementBytes(datatype)))
  return bytes
}

function checkOutputBytes(bytes: number): void {
  if (bytes > MOST_OUTPUT) throw tooLarge(`the outputs would have ${bytes} bytes, ${MOST_OUTPUT} are the most`)
}
