// Explanations: why a served model answers as it does, by the methods of weftjs/explain. One at a time for each model,
// and no longer than the server allows.
import { integer } from '../core/checks.js'
import { WeftError } from '../core/error.js'
import { checkOptions, type OptionTable, show } from '../core/options.js'
import { Tensor } from '../core/tensor.js'
import { tidy } from '../core/tidy.js'
import { type Attributions, integratedGradients, occlusion, saliency, shap } from '../explain/index.js'
import { targetsOf } from '../learn/report/predictor.js'
import type { AnyModel } from '../model/model.js'
import { add, mul, sub } from '../ops/index.js'
import type { Cancellation } from './cancellation.js'
import { type HostTensor, toDevice } from './host_tensor.js'
import type { Parameters } from './protocol/request.js'
import { invalid, tooLarge } from './protocol/tensors.js'
import { Scheduler } from './scheduler.js'

export interface ExplainLimits {
  /** Milliseconds that an explanation may take, its wait included. Default 10,000. */
  timeoutMs?: number
  /** Rows that the model may compute for one request, gradients included. Default 100,000. */
  rows?: number
  /** Requests that wait for the one before them; more are refused. Default 16. */
  queue?: number
}
const LIMITS: OptionTable<ExplainLimits> = { timeoutMs: 'integer', rows: 'integer', queue: 'integer' }

/** What `explain` of serve says: undefined where explanations are not offered. */
export function explainLimits(given: boolean | ExplainLimits | undefined): Required<ExplainLimits> | undefined {
  if (given === undefined || given === false) return undefined
  const limits = given === true ? {} : given
  checkOptions('serve: explain', limits, LIMITS)
  const all = { timeoutMs: 10_000, rows: 100_000, queue: 16, ...limits }
  for (const [name, value] of Object.entries(all)) integer('serve: explain', name, value, 1)
  return all
}

/** A request, with its tensors as the model takes them. */
export interface ExplainRequest {
  readonly x: HostTensor
  /** integratedGradients: where the way begins. */
  readonly baseline: HostTensor | undefined
  /** shap: rows that stand for what is not known. */
  readonly background: HostTensor | undefined
  readonly parameters: Parameters
}

/** Named results, in order. */
export type Explained = readonly (readonly [name: string, value: HostTensor])[]

interface Job {
  readonly request: ExplainRequest
  /** Throws once nobody waits for it any more. */
  readonly check: () => void
}

type Method = (job: Job) => Promise<Explained>

/** Steps of integrated gradients that are handed to the device at a time: more would keep the event loop. */
const PIECE = 8
const STEPS = 32
const PARAMETERS = {
  integratedGradients: ['target', 'steps'],
  saliency: ['target', 'absolute'],
  occlusion: ['target', 'size', 'stride', 'value'],
  shap: ['samples', 'seed'],
} as const
type MethodName = keyof typeof PARAMETERS
const COMMON: readonly string[] = ['method', 'binary_data_output', 'priority', 'timeout']

export class Explanation {
  private readonly scheduler: Scheduler<Job, Explained>
  private readonly methods: Readonly<Record<MethodName, Method>> = {
    integratedGradients: (job) => this.gradients(job),
    saliency: (job) => this.slopes(job),
    occlusion: (job) => this.covers(job),
    shap: (job) => this.shares(job),
  }

  constructor(
    private readonly name: string,
    private readonly model: AnyModel,
    private readonly limits: Required<ExplainLimits>,
  ) {
    const { timeoutMs, queue } = limits
    this.scheduler = new Scheduler(`explanations of model '${name}'`, { maxBatchSize: 1, maxQueueSize: queue, timeoutMs }, ([job]) =>
      this.run(job!),
    )
  }

  explain(request: ExplainRequest, signal?: Cancellation): Promise<Explained> {
    const method = methodOf(request)
    this.checkRows(method, request)
    const until = performance.now() + this.limits.timeoutMs
    const check = (): void => {
      if (signal?.aborted) throw signal.reason
      if (performance.now() > until)
        throw new WeftError('ERR_TIMEOUT', `model '${this.name}': it was not explained within ${this.limits.timeoutMs} ms`, {
          hint: 'Ask for fewer rows, steps or samples',
        })
    }
    return this.scheduler.submit({ request, check }, 1, '', signal ? { signal } : {})
  }

  close(): Promise<void> {
    return this.scheduler.close()
  }

  private async run(job: Job) {
    const begin = performance.now()
    job.check()
    const results = [await this.methods[methodOf(job.request)](job)]
    return { results, timing: { inputMs: 0, inferMs: performance.now() - begin, outputMs: 0 } }
  }

  /** Before anything is computed. */
  private checkRows(method: MethodName, { x, background, parameters }: ExplainRequest): void {
    const [rows, ...sample] = x.shape as [number, ...number[]]
    if (rows === 0) throw invalid('there are no rows to explain')
    const places = sample.length > 1 ? sample.slice(0, -1) : sample
    const size = numberOf(parameters, 'size') ?? (places.length > 1 ? 4 : 1)
    const stride = numberOf(parameters, 'stride') ?? (places.length > 1 ? Math.max(1, size >> 1) : size)
    const features = sample.reduce((size, extent) => size * extent, 1)
    const sets = Math.min(numberOf(parameters, 'samples') ?? 2 * features + 2048, 2 ** Math.min(features, 30))
    const asked: Record<MethodName, number> = {
      saliency: 2 * rows,
      integratedGradients: rows * ((numberOf(parameters, 'steps') ?? STEPS) + 2),
      occlusion: rows * (1 + places.reduce((covers, extent) => covers * (Math.ceil(extent / stride) + 1), 1)),
      shap: rows * (1 + sets * (background?.shape[0] ?? 0)),
    }
    if (asked[method] > this.limits.rows)
      throw tooLarge(`${method} of ${rows} rows computes ${asked[method]} rows, ${this.limits.rows} are the most`)
  }

  /** The way in pieces, whose parts add up: the event loop has its turn between them. */
  private async gradients({ request: { x, baseline, parameters }, check }: Job): Promise<Explained> {
    const steps = numberOf(parameters, 'steps') ?? STEPS
    const target = await this.targets(x, numberOf(parameters, 'target'))
    const [end, begin] = [toDevice(x, this.model.device), baseline && toDevice(baseline, this.model.device)]
    const made: Tensor[] = begin ? [end, begin] : [end]
    try {
      // words have no values between them: the way of their vectors is gone in one piece
      if (end.dtype === 'int32') {
        const ids = begin && { baseline: Array.from((await begin.data()) as Int32Array) }
        const found = await integratedGradients(this.model, end, { target, steps, ...ids })
        made.push(found.attributions)
        return [...(await named(found)), ['error', floats([found.error])]]
      }
      let sum: Float32Array | undefined
      let error = 0
      const point = (share: number): Tensor => {
        const t = tidy(() => (begin ? add(begin, mul(sub(end, begin), share)) : mul(end, share)))
        made.push(t)
        return t
      }
      for (let done = 0; done < steps; done += PIECE) {
        check()
        const count = Math.min(PIECE, steps - done)
        const found = await integratedGradients(this.model, point((done + count) / steps), {
          baseline: point(done / steps),
          target,
          steps: count,
        })
        made.push(found.attributions)
        const values = (await found.attributions.data()) as Float32Array
        sum = sum === undefined ? values.slice() : sum.map((value, i) => value + values[i]!)
        error += found.error
      }
      const whole: HostTensor = { dtype: 'float32', shape: x.shape, bytes: bytesOf(sum!) }
      return [
        ['attributions', whole],
        ['targets', integers(target)],
        ['error', floats([error])],
      ]
    } finally {
      for (const t of made) t.dispose()
    }
  }

  private async slopes({ request: { x, parameters } }: Job): Promise<Explained> {
    const absolute = parameters['absolute']
    if (absolute !== undefined && typeof absolute !== 'boolean')
      throw invalid(`parameter 'absolute' is true or false, got ${show(absolute)}`)
    const t = toDevice(x, this.model.device)
    try {
      return await named(
        await saliency(this.model, t, { ...optional('target', parameters), ...(absolute === undefined ? {} : { absolute }) }),
      )
    } finally {
      t.dispose()
    }
  }

  private async covers({ request: { x, parameters }, check }: Job): Promise<Explained> {
    const t = toDevice(x, this.model.device)
    const options = Object.assign({}, ...['target', 'size', 'stride', 'value'].map((name) => optional(name, parameters))) as object
    try {
      return await named(await occlusion(this.asked(check), t, options))
    } finally {
      t.dispose()
    }
  }

  private async shares({ request: { x, background, parameters }, check }: Job): Promise<Explained> {
    if (background === undefined) throw invalid("shap needs rows that stand for what is not known: send them as the input 'background'")
    if (x.dtype !== 'float32') throw invalid(`shap explains rows of FP32, the model takes ${x.dtype}`)
    if (x.shape.length !== 2) throw invalid(`shap explains rows of features, got shape [${x.shape}]`)
    const rows = (t: HostTensor) => ({ data: floatsIn(t), shape: t.shape })
    const options = { ...optional('samples', parameters), ...optional('seed', parameters) }
    const { values, baseValues } = await shap(this.asked(check), rows(x) as never, {
      background: rows(background) as never,
      method: 'kernel',
      ...options,
    })
    const flat = Float32Array.from((values as number[][][]).flat(2))
    const shape = baseValues.length === 1 ? x.shape : [...x.shape, baseValues.length]
    return [
      ['attributions', { dtype: 'float32', shape, bytes: bytesOf(flat) }],
      ['base_values', floats(baseValues)],
    ]
  }

  /** The model as a function that ends when nobody waits for its values, and gives the event loop its turns. */
  private asked(check: () => void): (x: Tensor) => Promise<Tensor> {
    return async (x) => {
      check()
      await new Promise((resolve) => setImmediate(resolve))
      return (await (this.model as unknown as { predict(x: Tensor): Promise<Tensor> }).predict(x)) as Tensor
    }
  }

  /** The outputs to explain: the same along the way, where another may become the largest. */
  private async targets(x: HostTensor, target: number | undefined): Promise<number[]> {
    if (target !== undefined) return new Array<number>(x.shape[0]!).fill(target)
    const t = toDevice(x, this.model.device)
    try {
      const scores = await this.asked(() => undefined)(t)
      const [rows, columns = 1] = scores.shape as [number, number?]
      const data = Float64Array.from((await scores.data()) as Float32Array)
      scores.dispose()
      return [...targetsOf('explain', { data, rows, columns }, undefined)]
    } finally {
      t.dispose()
    }
  }
}

function methodOf({ parameters, baseline, background }: ExplainRequest): MethodName {
  const method = parameters['method'] ?? 'integratedGradients'
  if (typeof method !== 'string' || !Object.hasOwn(PARAMETERS, method))
    throw invalid(`parameter 'method' is one of ${Object.keys(PARAMETERS).join(', ')}, got ${show(method)}`)
  const known: readonly string[] = [...COMMON, ...PARAMETERS[method as MethodName]]
  if (baseline !== undefined && method !== 'integratedGradients') throw invalid(`the input 'baseline' is not one of ${method}`)
  if (background !== undefined && method !== 'shap') throw invalid(`the input 'background' is not one of ${method}`)
  const other = Object.keys(parameters).find((name) => !known.includes(name))
  if (other !== undefined) throw invalid(`parameter ${show(other)} is not one of ${method}`, `Known: ${known.join(', ')}`)
  return method as MethodName
}

function numberOf(parameters: Parameters, name: string): number | undefined {
  const value = parameters[name]
  if (value === undefined) return undefined
  const least = name === 'target' || name === 'seed' ? 0 : 1
  if (Number.isSafeInteger(value) && (value as number) >= least) return value as number
  throw invalid(`parameter '${name}' is an integer of at least ${least}, got ${show(value)}`)
}

function optional(name: string, parameters: Parameters): Record<string, number> {
  if (name === 'value' && parameters[name] !== undefined) {
    if (typeof parameters[name] !== 'number') throw invalid(`parameter 'value' is a number, got ${show(parameters[name])}`)
    return { value: parameters[name] }
  }
  const value = numberOf(parameters, name)
  return value === undefined ? {} : { [name]: value }
}

const bytesOf = (values: Float32Array | Int32Array): Uint8Array => new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
const floats = (values: readonly number[]): HostTensor => ({
  dtype: 'float32',
  shape: [values.length],
  bytes: bytesOf(Float32Array.from(values)),
})
const integers = (values: readonly number[]): HostTensor => ({
  dtype: 'int32',
  shape: [values.length],
  bytes: bytesOf(Int32Array.from(values)),
})

const floatsIn = ({ bytes }: HostTensor): Float32Array => new Float32Array(new Uint8Array(bytes).buffer)

/** The results of a method; its tensor is let go. */
async function named({ attributions, targets }: Attributions): Promise<Explained> {
  const values = (await attributions.data()) as Float32Array
  const { shape } = attributions
  attributions.dispose()
  return [
    ['attributions', { dtype: 'float32', shape, bytes: bytesOf(values) }],
    ['targets', integers(targets)],
  ]
}
