// Service: what the server can be asked, without HTTP or gRPC.
import { WeftError } from '../core/error.js'
import { packageVersion } from '../core/version.js'
import type { AuditLog } from './audit.js'
import type { Principal } from './auth/principal.js'
import type { Cancellation } from './cancellation.js'
import type { Datatype } from './protocol/datatypes.js'
import type { ExplainLimits } from './explanation.js'
import type { Finish, Generated, GenerateRequest } from './generation.js'
import type { Limits } from './protocol/limits.js'
import type { InferRequest } from './protocol/request.js'
import type { InferReply } from './protocol/response.js'
import { named, type TensorSpec } from './protocol/tensors.js'
import type { IndexEntry, Repository } from './repository/repository.js'
import type { Answering } from './repository/rollout.js'
import type { ServedModel } from './served_model.js'
import type { ModelStatistics } from './statistics.js'
import type { RequestTrace } from './tracing.js'

/**
 * none: models stay as they were at the start. explicit: clients load and unload them. watch: the server follows the
 * folder.
 */
export type Control = 'none' | 'explicit' | 'watch'

/** Extensions of the protocol, exactly those that there are. */
const EXTENSIONS = ['binary_tensor_data', 'statistics', 'model_configuration', 'model_repository', 'schedule_policy', 'generate']

export interface ServerMetadata {
  readonly name: string
  readonly version: string
  readonly extensions: readonly string[]
}

export interface ModelMetadata {
  readonly name: string
  readonly versions: readonly string[]
  readonly platform: string
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
}

export interface ConfigTensor {
  readonly name: string
  readonly data_type: `TYPE_${Exclude<Datatype, 'BYTES'> | 'STRING'}`
  /** Without the batch axis. */
  readonly dims: readonly number[]
}

/** In the words of Triton's model_config.proto. */
export interface ModelConfiguration {
  readonly name: string
  readonly platform: string
  readonly backend: string
  readonly max_batch_size: number
  readonly input: readonly ConfigTensor[]
  readonly output: readonly ConfigTensor[]
  readonly dynamic_batching: { readonly max_queue_delay_microseconds: number }
  /** text_input: the input that takes texts as BYTES. */
  readonly parameters: Readonly<Record<string, { readonly string_value: string }>>
  /** Several answers to one request: texts are generated. */
  readonly model_transaction_policy: { readonly decoupled: boolean }
}

export class Service {
  private leaving = false
  private draining = false
  private heldBytes = 0

  constructor(
    readonly repository: Repository,
    readonly control: Control,
    readonly limits: Required<Limits>,
    private readonly audit?: AuditLog,
    /** Undefined: explanations are not offered. */
    readonly explaining?: Required<ExplainLimits>,
  ) {}

  /** It is being closed, or says that it will be: connections are not kept. */
  get isDraining(): boolean {
    return this.leaving || this.draining
  }
  /** It takes requests, and batches of at least one of the models are computed. */
  get isReady(): boolean {
    if (this.leaving || this.draining) return false
    const served = this.repository.ready()
    return served.length === 0 || served.some(({ isSound }) => isSound)
  }

  /** False where the device of a model failed for good: only a new process can compute on it. */
  get isLive(): boolean {
    return !this.repository.ready().some(({ isLost }) => isLost)
  }

  metadata(): ServerMetadata {
    return { name: 'weft', version: packageVersion(), extensions: this.explaining ? [...EXTENSIONS, 'explain'] : EXTENSIONS }
  }

  modelMetadata(name: string, version?: string): ModelMetadata {
    const { signature } = this.repository.resolve(name, version)
    const versions = this.repository.ready(name).map((served) => served.version)
    return { name, versions, platform: 'weft', inputs: signature.inputs, outputs: signature.outputs }
  }

  /** Versions that are ready; ERR_UNAVAILABLE where there is none. */
  versions(name: string): string[] {
    this.target(name)
    return this.repository.ready(name).map((served) => served.version)
  }

  /** ERR_NOT_FOUND for a model or version that is unknown. */
  modelReady(name: string, version?: string): boolean {
    try {
      const { isSound } = this.repository.resolve(name, version)
      return isSound && !this.draining
    } catch (error) {
      if ((error as WeftError).code === 'ERR_UNAVAILABLE') return false
      throw error
    }
  }

  /** The version that a request is for; ERR_UNAVAILABLE when the server is being closed. */
  target(name: string, version?: string): Answering {
    if (this.draining) throw new WeftError('ERR_UNAVAILABLE', 'the server is being closed')
    return this.repository.answering(name, version)
  }

  infer(served: Answering, request: InferRequest, signal?: Cancellation, principal?: Principal, trace?: RequestTrace): Promise<InferReply> {
    const reply = served.infer(request, signal, trace)
    return this.audit?.inference ? this.recorded(reply, served, principal) : reply
  }

  generate(
    served: Answering,
    request: GenerateRequest,
    part: (generated: Generated) => void,
    signal?: AbortSignal,
    principal?: Principal,
  ): Promise<Finish> {
    const finish = served.generate(request, part, signal)
    return this.audit?.inference ? this.recorded(finish, served, principal) : finish
  }

  /** Of the version that is named, else of the stable one: a canary is not asked. */
  explain(
    name: string,
    version: string | undefined,
    request: InferRequest,
    signal: Cancellation,
    principal: Principal,
  ): Promise<InferReply> {
    if (this.explaining === undefined) throw new WeftError('ERR_UNSUPPORTED', 'this server gives no explanations')
    this.target(name, version)
    const served = this.repository.resolve(name, version)
    const reply = served.explain(request, this.explaining, signal)
    return this.audit?.inference ? this.recorded(reply, served, principal, 'explain') : reply
  }

  statistics(principal: Principal, name?: string, version?: string): ModelStatistics[] {
    const all = name === undefined ? this.repository.ready() : version ? [this.repository.resolve(name, version)] : this.known(name)
    return all.filter((served) => principal.sees(served.name)).map((served) => served.statistics.totals)
  }

  configuration(name: string, version?: string): ModelConfiguration {
    const { signature, maxBatchSize, maxDelayMs, generates, textInput } = this.repository.resolve(name, version)
    const tensor = ({ name: of, datatype, shape }: TensorSpec): ConfigTensor => ({
      name: of,
      data_type: datatype === 'BYTES' ? 'TYPE_STRING' : `TYPE_${datatype}`,
      dims: shape.slice(1),
    })
    return {
      name,
      platform: 'weft',
      backend: 'weft',
      max_batch_size: maxBatchSize,
      input: signature.inputs.map(tensor),
      output: signature.outputs.map(tensor),
      dynamic_batching: { max_queue_delay_microseconds: Math.round(maxDelayMs * 1000) },
      parameters: textInput === undefined ? {} : { text_input: { string_value: textInput } },
      model_transaction_policy: { decoupled: generates },
    }
  }

  async index(principal: Principal, readyOnly: boolean): Promise<IndexEntry[]> {
    const entries = await this.repository.index()
    return entries.filter(({ name, state }) => principal.sees(name) && (!readyOnly || state === 'READY'))
  }

  load(name: string, principal: Principal): Promise<void> {
    return this.change('load', name, principal, () => this.repository.load(name))
  }

  unload(name: string, principal: Principal): Promise<void> {
    return this.change('unload', name, principal, () => this.repository.unload(name))
  }

  /** Counts bytes that are held for requests, until the returned function is called. */
  hold(bytes: number): () => void {
    if (this.heldBytes + bytes > this.limits.inFlightBytes)
      throw new WeftError('ERR_OVERLOADED', `the requests that are being answered hold ${this.heldBytes} bytes, and no more are taken`, {
        hint: 'Try again later',
      })
    this.heldBytes += bytes
    return () => {
      this.heldBytes -= bytes
    }
  }

  /** Says that it will be closed, so that others are asked from now on; requests are still answered. */
  leave(): void {
    this.leaving = true
  }

  /** No more requests; resolves when those there are were answered. */
  async close(): Promise<void> {
    this.draining = true
    await this.repository.close()
  }

  /** What cannot be recorded is not done. */
  private async change(event: 'load' | 'unload', name: string, { id: actor }: Principal, fn: () => Promise<void>): Promise<void> {
    this.checkControl()
    const model = name.slice(0, 128)
    this.audit?.record({ event, actor, model })
    await fn().catch((error: unknown) => {
      this.audit?.note({ event, actor, model, code: (error as { code?: string }).code ?? 'ERR_INTERNAL' })
      throw error
    })
  }

  private async recorded<T>(
    answer: Promise<T>,
    { name: model, version }: Pick<Answering, 'name' | 'version'>,
    principal: Principal | undefined,
    event: 'infer' | 'explain' = 'infer',
  ): Promise<T> {
    const note = (code?: string): void => this.audit?.note({ event, actor: principal?.id, model, version, code })
    try {
      const value = await answer
      note()
      return value
    } catch (error) {
      note((error as { code?: string }).code ?? 'ERR_INTERNAL')
      throw error
    }
  }

  private known(name: string): ServedModel[] {
    const found = this.repository.ready(name)
    if (found.length === 0) this.repository.resolve(name)
    return found
  }

  private checkControl(): void {
    if (this.control !== 'explicit')
      throw new WeftError('ERR_STATE', 'models are not loaded and unloaded by clients of this server', {
        hint: "Start it with control: 'explicit'",
      })
    if (this.draining) throw new WeftError('ERR_UNAVAILABLE', 'the server is being closed')
  }
}

/** Unknown parameters of a load are refused: a client that sends some relies on them. */
export function checkLoadParameters(parameters: Readonly<Record<string, unknown>>): void {
  const key = Object.keys(parameters).find((name) => name !== 'unload_dependents')
  if (key !== undefined)
    throw new WeftError('ERR_UNSUPPORTED', `${named('parameter', key)} is not offered`, {
      hint: 'Write serve.json and the files into the repository',
    })
}

/** A server has one repository, without a name: a client that names one means another. */
export function checkRepositoryName(name: string): void {
  if (name !== '') throw new WeftError('ERR_UNSUPPORTED', `${named('repository', name)}: repositories have no names here`)
}
