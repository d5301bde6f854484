// Executor: a model's programs for padded batch sizes. Rows of requests are gathered into one batch, and its results
// scattered to them.
import { WeftError } from '../core/error.js'
import { type JitFunction, jit } from '../core/jit.js'
import type { DType, Shape } from '../core/spec.js'
import { allocate, type Tensor, type Variable } from '../core/tensor.js'
import { mapTree, walk } from '../core/tree.js'
import { isFinished } from '../core/flights.js'
import { gatherInto } from '../core/gather.js'
import type { AnyModel } from '../model/model.js'
import { bytesOfShape, type HostTensor, toHost } from './host_tensor.js'
import type { Computed } from './scheduler.js'

/** The inputs of a request, flat, with the same number of rows each. */
export interface Work {
  readonly inputs: readonly HostTensor[]
  /** The inputs as the model takes them: one, a list or a record. Equal for all requests that share a batch. */
  readonly form: (inputs: readonly Tensor[]) => unknown
  /** Structure, dtypes and shapes of a sample: equal for requests that may share a batch. */
  readonly key: string
}

/** The outputs of a request, flat, and how the model nests them. */
export interface Answer {
  readonly outputs: readonly HostTensor[]
  readonly form: (outputs: readonly Tensor[]) => unknown
}

const rowsOf = ({ inputs }: Work): number => inputs[0]!.shape[0]!

export class Executor {
  private readonly programs = new Map<number, JitFunction<[unknown], unknown>>()
  /** What batches of one size need, by the key of their requests. */
  private readonly lanes = new Map<string, (Lane | undefined)[]>()
  private version: number | undefined
  /** One of the weights: where it is, all are. The model itself would look for it on every call. */
  private anchor: Variable | undefined
  /** Of a model without weights. */
  private home = 'cpu'
  private disposed = false
  /** When the batch before was done. */
  private lastDone = 0
  private readonly sizes: readonly number[]
  private readonly memory = new SpareBytes()

  constructor(
    private readonly model: AnyModel,
    maxBatchSize: number,
  ) {
    refuseState(model)
    this.sizes = Executor.sizes(maxBatchSize)
  }

  /** The sizes that batches are padded to: powers of two, from 8 on those in the middle as well, and the largest. */
  static sizes(maxBatchSize: number): number[] {
    const sizes: number[] = []
    for (let size = 1; size < maxBatchSize; size *= 2) sizes.push(...(size < 8 ? [size] : [size, 1.5 * size]))
    return [...sizes.filter((size) => size < maxBatchSize), maxBatchSize]
  }

  /**
   * Computes a batch; the bytes of its answers lie in one piece of memory, which lives as long as one of them. What is
   * computed in no time is not waited for.
   */
  run(batch: readonly Work[]): Computed<Answer> | Promise<Computed<Answer>> {
    const begin = performance.now()
    const { device } = this
    let rows = 0
    for (const work of batch) rows += rowsOf(work)
    const size = rows === 0 ? 0 : (this.sizes.find((candidate) => candidate >= rows) ?? rows)
    const [first] = batch
    const lane = this.laneOf(first!, size)
    const inputs = lane.take(device)
    for (let i = 0; i < inputs.length; i++)
      gatherInto(
        inputs[i]!.held(),
        batch.map((work) => work.inputs[i]!.bytes),
      )
    const gathered = performance.now()
    const outputs: Tensor[] = []
    const release = (): void => {
      lane.give(inputs)
      for (const t of outputs) t.dispose()
    }
    const scatter = (tree: unknown, values: readonly HostTensor[]): Computed<Answer> => {
      const now = performance.now()
      // a device computes one after the other: the time behind the batch before is none of this one
      const inferMs = now - Math.max(gathered, this.lastDone)
      this.lastDone = now
      return { results: this.scatter(batch, size, tree, values), timing: { inputMs: gathered - begin, inferMs, outputMs: 0 } }
    }
    let waits = false
    try {
      const tree = this.program(size)(first!.form(inputs))
      walk(tree, (t) => outputs.push(t))
      const there = valuesNow(outputs)
      if (there !== undefined) return scatter(tree, there)
      waits = true
      // batches may overlap, and their faults with them: what failed in this one is marked in its own outputs
      return Promise.all(outputs.map(toHost))
        .then((values) => scatter(tree, values))
        .finally(release)
    } finally {
      if (!waits) release()
    }
  }

  /** The answers of a batch, as parts of its outputs. */
  private scatter(batch: readonly Work[], size: number, tree: unknown, values: readonly HostTensor[]): Answer[] {
    for (const { shape } of values) this.checkRows(shape, size)
    const form = (list: readonly Tensor[]): unknown => {
      let index = 0
      return mapTree(tree, () => list[index++]!)
    }
    let row = 0
    return batch.map((work): Answer => {
      const from = row
      row += rowsOf(work)
      return { outputs: values.map((value) => slice(value, from, row - from)), form }
    })
  }

  /** Loads the programs of all padded sizes, for samples like this one, by running them on zeros. */
  async warm(sample: Work): Promise<void> {
    for (const size of this.sizes) {
      const inputs = sample.inputs.map(({ dtype, shape }): HostTensor => {
        const whole = [size, ...shape.slice(1)]
        return { dtype, shape: whole, bytes: new Uint8Array(bytesOfShape(dtype, whole)) }
      })
      await this.run([{ ...sample, inputs }])
    }
  }

  dispose(): void {
    this.disposed = true
    this.forgetLanes()
    this.forget()
  }

  /** Where the inputs go. */
  get device(): string {
    const { model } = this
    // layers were added or frozen since
    if (this.version !== model.version) {
      this.forget()
      this.version = model.version
      this.anchor = model.weights[0]
      this.home = model.device
    }
    return this.anchor?.device ?? this.home
  }

  private laneOf({ key, inputs }: Work, size: number): Lane {
    let sizes = this.lanes.get(key)
    if (sizes === undefined) {
      // free extents make ever other keys
      if (this.lanes.size === MOST_KEYS) this.forgetLanes()
      this.lanes.set(key, (sizes = []))
    }
    return (sizes[size] ??= new Lane(inputs, size, this.memory))
  }

  private forgetLanes(): void {
    for (const sizes of this.lanes.values()) sizes.forEach((lane) => lane?.dispose())
    this.lanes.clear()
  }

  private forget(): void {
    for (const program of this.programs.values()) program.dispose()
    this.programs.clear()
  }

  private program(size: number): JitFunction<[unknown], unknown> {
    const { model } = this
    if (this.disposed) throw new WeftError('ERR_UNAVAILABLE', `${model.name}: it is not served any more`)
    let program = this.programs.get(size)
    if (program === undefined) {
      const precision = model.isCompiled ? { precision: model.compiled.precision } : {}
      program = jit((x: unknown) => model.apply(x, { training: false }) as unknown, { name: `${model.name}, batch ${size}`, ...precision })
      this.programs.set(size, program)
    }
    return program
  }

  private checkRows(shape: Shape, size: number): void {
    if (shape[0] === size) return
    throw new WeftError('ERR_SHAPE', `${this.model.name}: an output has shape [${shape}] for a batch of ${size}`, {
      hint: 'Models in batches need the batch axis first in every output',
    })
  }
}

/** Bytes that wait to be used again, of all lanes of a model together. */
class SpareBytes {
  bytes = 0
}
const MOST_SPARE_BYTES = 16 << 20
const MOST_KEYS = 64

/**
 * The inputs of batches of one kind and size. Their tensors are used again: memory that comes and goes with every batch
 * is work for the collector.
 */
class Lane {
  private readonly spare: (readonly Tensor[])[] = []
  private readonly kinds: readonly { readonly dtype: DType; readonly shape: Shape }[]
  private readonly bytes: number
  private disposed = false

  constructor(
    inputs: Work['inputs'],
    size: number,
    private readonly memory: SpareBytes,
  ) {
    this.kinds = inputs.map(({ dtype, shape: [, ...sample] }) => ({ dtype, shape: Object.freeze([size, ...sample]) }))
    this.bytes = this.kinds.reduce((sum, { dtype, shape }) => sum + bytesOfShape(dtype, shape), 0)
  }

  take(device: string): readonly Tensor[] {
    const found = this.spare.pop()
    if (found === undefined) return this.kinds.map(({ dtype, shape }) => allocate(shape, dtype, device))
    this.memory.bytes -= this.bytes
    if (found.every((t) => t.device === device)) return found
    for (const t of found) t.dispose()
    return this.take(device)
  }

  /** Once nothing reads them any more. */
  give(inputs: readonly Tensor[]): void {
    const { memory, bytes } = this
    if (this.disposed || memory.bytes + bytes > MOST_SPARE_BYTES || inputs.some((t) => t.held().fault !== undefined)) {
      for (const t of inputs) t.dispose()
      return
    }
    this.spare.push(inputs)
    memory.bytes += bytes
  }

  dispose(): void {
    this.disposed = true
    for (const inputs of this.spare.splice(0)) {
      this.memory.bytes -= this.bytes
      for (const t of inputs) t.dispose()
    }
  }
}

/** The values where the run is done already; undefined where they are to be waited for. */
function valuesNow(outputs: readonly Tensor[]): HostTensor[] | undefined {
  const values: HostTensor[] = []
  for (const t of outputs) {
    const buffer = t.held()
    if (!buffer.visible || !isFinished(buffer.ticket) || buffer.fault !== undefined) return undefined
    values.push({ dtype: t.dtype, shape: t.shape, bytes: buffer.view() })
  }
  return values
}

/** Rows of a batch's result, where they lie: memory of the host that nobody writes to again. */
function slice({ dtype, shape, bytes }: HostTensor, row: number, count: number): HostTensor {
  if (count === shape[0]) return { dtype, shape, bytes }
  const own = [count, ...shape.slice(1)]
  const stride = bytesOfShape(dtype, [1, ...own.slice(1)])
  return { dtype, shape: own, bytes: bytes.subarray(row * stride, (row + count) * stride) }
}

/** A stateful model answers by what came before: its requests cannot share batches. */
function refuseState(model: AnyModel): void {
  interface Part {
    readonly name: string
    readonly config?: { stateful?: boolean }
    readonly sublayers: readonly Part[]
  }
  const visit = (part: Part): void => {
    if (part.config?.stateful)
      throw new WeftError('ERR_ARGUMENT', `${model.name}: the layer '${part.name}' is stateful, so that requests cannot share batches`, {
        hint: 'Make it with stateful: false',
      })
    part.sublayers.forEach(visit)
  }
  visit(model as unknown as Part)
}
