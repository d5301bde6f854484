// batcher: dynamic batching of a model in the user's own server.
import { WeftError } from '../core/error.js'
import { checkCall, checkOptions, type OptionTable } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import { mapTree } from '../core/tree.js'
import { type Forms, freeOwned, type ModelData, toColumns } from '../model/feed.js'
import { type AnyModel, Model } from '../model/model.js'
import { type Answer, Executor, type Work } from './executor.js'
import { sampleKey, toDevice, toHost } from './host_tensor.js'
import { Scheduler, type SchedulerOptions, type SubmitOptions } from './scheduler.js'

export interface BatcherOptions extends SchedulerOptions {}

export const SCHEDULER_OPTIONS: OptionTable<SchedulerOptions> = {
  maxBatchSize: 'integer',
  maxDelayMs: 'number',
  maxQueueSize: 'integer',
  timeoutMs: 'number',
  instances: 'integer',
  priorityLevels: 'integer',
  defaultPriority: 'integer',
}
const SUBMIT_OPTIONS: OptionTable<SubmitOptions> = { signal: 'object', priority: 'integer', timeoutMs: 'number' }

/** A model behind a batcher: called like predict, in batches with the other calls under way. */
export interface Batched<O> {
  (x: ModelData, options?: SubmitOptions): Promise<O>
  /** Calls that wait for a batch. */
  readonly waiting: number
  /** Takes no more calls; resolves when those there are were answered, and frees the programs. The model stays. */
  close(): Promise<void>
}

/**
 * The model as a function whose calls share batches. Each call gets the outputs for its own rows, with the bits that it
 * would get alone. A call that cannot be taken rejects with ERR_OVERLOADED, one that takes too long with ERR_TIMEOUT.
 * Rows with bad data (ERR_DATA) fail their own call alone.
 */
export function batcher<O>(net: Model<object, never, O>, options: BatcherOptions = {}): Batched<O> {
  checkCall('batcher(net, options)', arguments, SCHEDULER_OPTIONS)
  if (!(net instanceof Model)) throw new WeftError('ERR_ARGUMENT', 'batcher: the first argument is a model', { hint: 'Write batcher(net)' })
  const model = net as AnyModel
  const executor = new Executor(model, options.maxBatchSize ?? 32)
  const scheduler = new Scheduler<Work, Answer>(`batcher of ${model.name}`, options, (batch) => executor.run(batch))

  const forms = model.forms

  const infer = async (x: ModelData, given: SubmitOptions = {}): Promise<O> => {
    checkOptions('infer', given, SUBMIT_OPTIONS, 'x')
    const { work, rows } = await workOf({ ...forms, device: executor.device }, x)
    const { outputs, form } = await scheduler.submit(work, rows, work.key, given)
    return form(outputs.map((output) => toDevice(output, executor.device))) as O
  }
  const close = async (): Promise<void> => {
    await scheduler.close()
    executor.dispose()
  }
  return Object.defineProperty(Object.assign(infer, { close }), 'waiting', { get: () => scheduler.waiting }) as Batched<O>
}

/** What the user passes as x, as rows on the host. */
async function workOf(forms: Forms, x: ModelData): Promise<{ work: Work; rows: number }> {
  const owned: Tensor[] = []
  try {
    const { x: tree, rows } = toColumns(forms, x, undefined, undefined, owned)
    const tensors: Tensor[] = []
    const places = mapTree(tree, (t) => `${tensors.push(t) - 1}`)
    const inputs = await Promise.all(tensors.map(toHost))
    const form = (list: readonly Tensor[]): unknown => {
      let index = 0
      return mapTree(tree, () => list[index++]!)
    }
    const key = `${JSON.stringify(places)}${inputs.map(sampleKey).join()}${rows === 0 ? ' empty' : ''}`
    return { work: { inputs, form, key }, rows }
  } finally {
    freeOwned(owned)
  }
}
