// Executor: a model's programs for padded batch sizes. Rows of requests are gathered into one batch, and its results
// scattered to them.
import { WeftError } from '../core/error.js'
import { type JitFunction, jit } from '../core/jit.js'
import type { DType, Shape } from '../core/spec.js'
import { allocate, type Tensor, type Variable } from '../core/tensor.js'
import { mapTree, walk } from '../core/tree.js'
import { gatherInto } from '../core/gather.js'
import type { AnyModel } from '../model/model.js'
import { bytesOfShape, type HostTensor, toHost } from './host_tensor.js'
import type { Timing } from './scheduler.js'

/** The inputs of a request, flat, with the same number of rows each. */
export interface Work {
  readonly inputs: readonly HostTensor[]
  /** The inputs as the model takes them: one, a list or a record. Equal for all requests that share a batch. */
  readonly form: (inputs: readonly Tensor[]) => unknown
}

/** The outputs of a request, flat, and how the model nests them. */
export interface Answer {
  readonly outputs: readonly HostTensor[]
  readonly form: (outputs: readonly Tensor[]) => unknown
}

const rowsOf = ({ inputs }: Work): number => inputs[0]!.shape[0]!

export class Executor {
  private readonly programs = new Map<number, JitFunction<[unknown], unknown>>()
  private version: number | undefined
  /** One of the weights: where it is, all are. The model itself would look for it on every call. */
  private anchor: Variable | undefined
  private disposed = false
  private readonly sizes: readonly number[]
  private readonly memory = new InputMemory()

  constructor(
    private readonly model: AnyModel,
    maxBatchSize: number,
  ) {
    refuseState(model)
    this.sizes = Executor.sizes(maxBatchSize)
  }

  /** The sizes that batches are padded to: powers of two, and the largest. */
  static sizes(maxBatchSize: number): number[] {
    const sizes: number[] = []
    for (let size = 1; size < maxBatchSize; size *= 2) sizes.push(size)
    return [...sizes, maxBatchSize]
  }

  /** Computes a batch; the bytes of its answers lie in one piece of memory, which lives as long as one of them. */
  async run(batch: readonly Work[]): Promise<{ results: Answer[]; timing: Timing }> {
    const begin = performance.now()
    const { device } = this
    const rows = batch.reduce((sum, work) => sum + rowsOf(work), 0)
    const size = rows === 0 ? 0 : (this.sizes.find((candidate) => candidate >= rows) ?? rows)
    const inputs = batch[0]!.inputs.map(({ dtype, shape: [, ...sample] }, i) => {
      const t = this.memory.take(dtype, [size, ...sample], device)
      gatherInto(
        t.held(),
        batch.map((work) => work.inputs[i]!.bytes),
      )
      return t
    })
    const gathered = performance.now()
    const outputs: Tensor[] = []
    try {
      const tree = this.program(size)(batch[0]!.form(inputs))
      walk(tree, (t) => outputs.push(t))
      // batches may overlap, and their faults with them: what failed in this one is marked in its own outputs
      const values = await Promise.all(outputs.map(toHost))
      const computed = performance.now()
      values.forEach(({ shape }) => this.checkRows(shape, size))
      const form = (list: readonly Tensor[]): unknown => {
        let index = 0
        return mapTree(tree, () => list[index++]!)
      }
      let row = 0
      const results = batch.map((work): Answer => {
        const count = rowsOf(work)
        const part = values.map((value) => slice(value, row, count))
        row += count
        return { outputs: part, form }
      })
      const timing = { inputMs: gathered - begin, inferMs: computed - gathered, outputMs: performance.now() - computed }
      return { results, timing }
    } finally {
      for (const t of inputs) this.memory.give(t)
      for (const t of outputs) t.dispose()
    }
  }

  /** Loads the programs of all padded sizes, for samples like this one, by running them on zeros. */
  async warm(sample: Work): Promise<void> {
    for (const size of this.sizes) {
      const inputs = sample.inputs.map(({ dtype, shape }): HostTensor => {
        const whole = [size, ...shape.slice(1)]
        return { dtype, shape: whole, bytes: new Uint8Array(bytesOfShape(dtype, whole)) }
      })
      await this.run([{ inputs, form: sample.form }])
    }
  }

  dispose(): void {
    this.disposed = true
    this.memory.dispose()
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
    }
    return this.anchor?.device ?? model.device
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

/**
 * Tensors for the inputs of batches, used again: memory that comes and goes with every batch is work for the collector.
 */
class InputMemory {
  private readonly spare = new Map<string, Tensor[]>()
  private bytes = 0
  private disposed = false

  take(dtype: DType, shape: Shape, device: string): Tensor {
    const found = this.spare.get(keyOf(dtype, shape, device))?.pop()
    if (found === undefined) return allocate(Object.freeze(shape), dtype, device)
    this.bytes -= found.held().bytes
    return found
  }

  /** Once nothing reads it any more. */
  give(t: Tensor): void {
    const { bytes, fault } = t.held()
    // free extents make ever other shapes: those that come later are not kept
    if (this.disposed || fault !== undefined || this.bytes + bytes > MOST_SPARE_BYTES) {
      t.dispose()
      return
    }
    const key = keyOf(t.dtype, t.shape, t.device)
    const list = this.spare.get(key)
    if (list) list.push(t)
    else this.spare.set(key, [t])
    this.bytes += bytes
  }

  dispose(): void {
    this.disposed = true
    for (const list of this.spare.values()) for (const t of list) t.dispose()
    this.spare.clear()
  }
}
const MOST_SPARE_BYTES = 16 << 20
const keyOf = (dtype: DType, shape: Shape, device: string): string => `${device} ${dtype} ${shape}`

/** Rows of a batch's result, where they lie: memory of the host that nobody writes to again. */
function slice({ dtype, shape, bytes }: HostTensor, row: number, count: number): HostTensor {
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
