// lora: a loaded model whose weights stay, with small matrices beside some of them that are trained alone (Hu et al.
// 2022).
import { withDevice } from '../core/device.js'
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import type { Place } from '../core/place.js'
import type { AnyLayer, CallOptions, InputShapes } from '../layers/layer.js'
import { integerOption, rateOption } from '../layers/options.js'
import * as losses from '../losses/index.js'
import * as optimizers from '../optimizers/index.js'
import { ComposedModel } from '../model/composed.js'
import type { AnyModel } from '../model/model.js'
import type { SummaryRow } from '../model/summary.js'
import { add, cast } from '../ops/index.js'
import type { GenerateOptions, Prompt } from '../transformers/generate.js'
import { Adapter, checkMergeable } from './adapter.js'
import { readAdapter, writeAdapter } from './adapter_files.js'
import { PretrainedDecoder } from './decoder_model.js'
import type { Linear } from './parts.js'
import { checkTrainable, PretrainedModel } from './pretrained_model.js'

export interface LoraOptions {
  /** Rows of the small matrices. Default 8. */
  rank?: number
  /** The product is multiplied by alpha / rank. Default 8. */
  alpha?: number
  /**
   * Which matrices: 'query', 'key', 'value', 'output' of attention, 'gate', 'up', 'down' of feed-forward networks,
   * 'all-linear', or ends of the names of modules, as 'q_proj'. GPT-2 has query, key and value in one module, c_attn.
   * Default ['query', 'value'].
   */
  target?: readonly string[] | string
  /** Share of the inputs that training drops, in [0, 1). Default 0. */
  dropout?: number
  /** The factor is alpha / √rank (Kalajdzievski 2023). Default false. */
  useRslora?: boolean
  /** Modules that are trained as a whole and saved with the adapter, as a new 'classifier'. Default: none. */
  modulesToSave?: readonly string[]
  /** Of the first values. By default the numbers follow setSeed(). */
  seed?: number
}
const OPTIONS: OptionTable<LoraOptions> = {
  rank: 'integer',
  alpha: 'number',
  target: 'any',
  dropout: 'number',
  useRslora: 'boolean',
  modulesToSave: 'list',
  seed: 'integer',
}

/** Ends of the paths of modules by what they do. */
const ROLES: Readonly<Record<string, readonly string[]>> = {
  query: ['q_proj', 'query', 'q_lin', 'c_attn'],
  key: ['k_proj', 'key', 'k_lin', 'c_attn'],
  value: ['v_proj', 'value', 'v_lin', 'c_attn'],
  output: ['o_proj', 'attention.output.dense', 'out_lin', 'attn.c_proj'],
  gate: ['gate_proj'],
  up: ['up_proj', 'intermediate.dense', 'lin1', 'c_fc'],
  down: ['down_proj', 'lin2', 'mlp.c_proj'],
}

const ends = (path: string, end: string): boolean => path === end || path.endsWith(`.${end}`)
/** BERT's second matrix of the feed-forward network ends as that of attention does. */
const isDown = (path: string): boolean => ends(path, 'output.dense') && !ends(path, 'attention.output.dense')

/** The names of modules that a target means, as PEFT would be given them. */
function modulesOf(target: string, paths: readonly string[]): string[] {
  const roles = Object.hasOwn(ROLES, target) ? ROLES[target]! : [target]
  const found = roles.filter((end) => paths.some((path) => ends(path, end)))
  if (target === 'down') {
    const own = paths.filter(isDown)
    // a full path per module, because the end alone would mean attention's too
    return [...found, ...own]
  }
  return found
}

function targetsOf(model: PretrainedModel<never, never>, target: LoraOptions['target']): string[] {
  const paths = [...model.linears().keys()].filter((path) => !isHead(path))
  const asked = target === undefined ? ['query', 'value'] : typeof target === 'string' ? [target] : target
  if (!Array.isArray(asked) || asked.length === 0 || !asked.every((name) => typeof name === 'string'))
    throw new WeftError('ERR_ARGUMENT', `lora: target is a list of names, got ${show(target)}`)
  if (asked.includes('all-linear')) return paths
  return [
    ...new Set(
      (asked as readonly string[]).flatMap((name) => {
        const found = modulesOf(name, paths)
        if (found.length > 0) return found
        const last = [...new Set(paths.map((path) => path.split('.').at(-1)!))]
        throw new WeftError('ERR_ARGUMENT', `lora: the model has no module ${show(name)}`, {
          hint: `Targets: ${[...Object.keys(ROLES), 'all-linear'].join(', ')}; its modules end in ${last.join(', ')}`,
        })
      }),
    ),
  ]
}
const isHead = (path: string): boolean => /^(lm_head|classifier|pre_classifier|vocab_|cls\.)/.test(path)

/** What an adapter's files say of it. */
export interface LoraFacts {
  readonly rank: number
  readonly alpha: number
  readonly dropout: number
  readonly useRslora: boolean
  /** Paths of modules, or their ends. */
  readonly modules: readonly string[]
  readonly modulesToSave: readonly string[]
}

// biome-ignore lint/suspicious/noExplicitAny: models of all inputs and results
type AnyPretrained = PretrainedModel<any, any>

/** A model with an adapter. Its own weights are those of the adapter; those of the model stay. Made by lora(). */
export class LoraModel<M extends AnyPretrained = PretrainedDecoder> extends ComposedModel<
  { name?: string },
  Parameters<M['call']>[0],
  ReturnType<M['call']>
> {
  static override readonly className: string = 'LoraModel'
  /** The model that is tuned. */
  readonly model: M
  readonly layers: readonly AnyLayer[]
  /** @internal */
  readonly facts: LoraFacts
  /** @internal The adapters by the paths of the modules beside which they stand. */
  readonly adapters: ReadonlyMap<string, Adapter>
  /** @internal Layers that are trained as a whole, by their paths. */
  readonly whole: ReadonlyMap<string, AnyLayer>
  private readonly linears: ReadonlyMap<string, Linear>
  private merged = false

  /** @internal */
  constructor(model: M, facts: LoraFacts, seed?: number) {
    super({})
    this.model = model
    this.facts = facts
    model.checkUnadapted('lora')
    this.linears = model.linears()
    const { rank, alpha, dropout, useRslora } = facts
    const paths = [...this.linears.keys()].filter((path) => facts.modules.some((end) => ends(path, end)))
    this.whole = new Map(
      facts.modulesToSave.flatMap((name) => {
        const found = model.layers.filter((layer) => ends(layer.name, name) || `.${layer.name}.`.includes(`.${name}.`))
        if (found.length === 0) throw new WeftError('ERR_ARGUMENT', `lora: the model has no module ${show(name)} to train as a whole`)
        return found.map((layer): [string, AnyLayer] => [layer.name, layer])
      }),
    )
    const scale = alpha / (useRslora ? Math.sqrt(rank) : rank)
    this.adapters = withDevice(
      model.device,
      () =>
        new Map(
          paths
            .filter((path) => !this.whole.has(path))
            .map((path, i): [string, Adapter] => {
              const { inputs, outputs } = this.linears.get(path)!.config
              return [
                path,
                new Adapter({ name: path, inputs, outputs, rank, scale, dropout, ...(seed === undefined ? {} : { seed: seed + i }) }),
              ]
            }),
        ),
    )
    model.trainable = false
    for (const layer of this.whole.values()) layer.trainable = true
    for (const [path, adapter] of this.adapters) this.linears.get(path)!.adapt(adapter)
    this.layers = [model, ...this.adapters.values(), ...this.whole.values()]
    this.build([null, null])
    if (TASKS_WITH_LABELS.has(model.config.task))
      this.compile({
        optimizer: optimizers.adamw({ learningRate: 2e-4 }),
        loss: losses.sparseCategoricalCrossentropy({ fromLogits: true }),
      })
  }

  override build(_inputShape: InputShapes): void {}
  override get outputNames(): readonly string[] {
    return this.model.outputNames
  }
  override get outputActivations(): readonly (string | undefined)[] {
    return this.model.outputActivations
  }

  call(x: Parameters<M['call']>[0], options: CallOptions): ReturnType<M['call']> {
    this.checkThere('call')
    return this.model.call(x as never, options) as ReturnType<M['call']>
  }

  /** @internal */
  override steps(kind: Parameters<AnyModel['steps']>[0]): ReturnType<AnyModel['steps']> {
    this.checkThere('fit')
    if (kind === 'fit' || kind === 'trainBatch') checkTrainable(this)
    return super.steps(kind)
  }

  /** model.generate(), with the adapter; for language models. */
  generate(prompt: Prompt, options: GenerateOptions = {}): AsyncGenerator<number, void, void> {
    this.checkThere('generate')
    return this.decoder('generate').generate(prompt, options)
  }
  /** model.generateBatch(), with the adapter; for language models. */
  generateBatch(prompts: readonly ArrayLike<number>[], options: GenerateOptions = {}): Promise<number[][]> {
    this.checkThere('generateBatch')
    return this.decoder('generateBatch').generateBatch(prompts, options)
  }

  /** Writes the adapter as PEFT does: adapter_config.json and adapter_model.safetensors. */
  override async save(folder: Place): Promise<void> {
    checkCall('tuned.save(folder)', arguments)
    this.checkThere('save')
    await writeAdapter(this, folder)
  }

  /**
   * Adds the adapter to the weights of the model, which it returns. The model can be trained and saved as a whole
   * again.
   */
  merge(): M {
    checkCall('tuned.merge()', arguments)
    this.checkThere('merge')
    for (const path of this.adapters.keys()) checkMergeable(path, this.linears.get(path)!.weight)
    for (const [path, adapter] of this.adapters) {
      const linear = this.linears.get(path)!
      const { weight, config } = linear
      withDevice(this.model.device, () => {
        const product = adapter.product(config.inputsFirst ?? false)
        const wide = weight.dtype === 'float32' ? weight : cast(weight, 'float32')
        const sum = add(wide, product)
        weight.assign(sum)
        for (const t of [product, sum, ...(wide === weight ? [] : [wide])]) t.dispose()
      })
    }
    this.detach()
    return this.model
  }

  /** Takes the adapter away; the model is as before. */
  unload(): M {
    checkCall('tuned.unload()', arguments)
    this.checkThere('unload')
    this.detach()
    return this.model
  }

  private detach(): void {
    for (const [path, adapter] of this.adapters) {
      this.linears.get(path)!.adapt(undefined)
      adapter.dispose()
    }
    this.merged = true
    this.changed()
    this.model.trainable = true
  }

  private decoder(what: string): PretrainedDecoder {
    if (this.model instanceof PretrainedDecoder) return this.model
    throw new WeftError('ERR_ARGUMENT', `${what}: ${this.model.name} is no language model`)
  }

  private checkThere(what: string): void {
    if (this.merged)
      throw new WeftError('ERR_STATE', `${what}: the adapter was merged or taken away`, {
        hint: 'Go on with the model that merge() returned',
      })
  }

  protected summaryRows(): SummaryRow[] {
    return [...this.adapters.values(), ...this.whole.values()].map((layer) => ({
      label: `${layer.name} (${layer.className})`,
      shape: [null],
      parameters: layer.countParams(),
    }))
  }
}

const TASKS_WITH_LABELS: ReadonlySet<string> = new Set([
  'languageModel',
  'maskedLanguageModel',
  'sequenceClassification',
  'tokenClassification',
  'imageClassification',
])

function adapt<M extends AnyPretrained>(model: M, options: LoraOptions = {}): LoraModel<M> {
  checkCall('lora(model, options)', arguments, OPTIONS)
  checkModel('lora', model)
  const { rank = 8, alpha = 8, dropout = 0, useRslora = false, modulesToSave = [], seed } = options
  integerOption('lora', 'rank', rank)
  rateOption('lora', dropout)
  if (!Number.isFinite(alpha)) throw new WeftError('ERR_ARGUMENT', `lora: alpha must be a finite number, got ${show(alpha)}`)
  const modules = targetsOf(model as never, options.target)
  return new LoraModel(model, { rank, alpha, dropout, useRslora, modules, modulesToSave }, seed)
}

/**
 * The adapter of a folder that PEFT or save() wrote, beside the weights of a model. ERR_FORMAT where it does not fit.
 */
async function load<M extends AnyPretrained>(model: M, folder: Place): Promise<LoraModel<M>> {
  checkCall('lora.load(model, folder)', arguments)
  checkModel('lora.load', model)
  return readAdapter(model, folder, (facts) => new LoraModel(model, facts))
}

function checkModel(what: string, model: unknown): void {
  if (!(model instanceof PretrainedModel))
    throw new WeftError('ERR_ARGUMENT', `${what}: expected a model of loadPretrained(), got ${show(model)}`)
}

/**
 * A model whose weights stay, with small matrices beside some of them that are trained:
 * `const tuned = lora(model, { rank: 8, alpha: 16, target: ['query', 'value'] })`. `tuned` fits, evaluates, predicts
 * and writes texts; `tuned.save(folder)` writes PEFT's adapter files, `lora.load(model, folder)` reads them,
 * `tuned.merge()` adds the matrices to the weights. It is compiled with adamw at 2e-4 and the loss of the model's task;
 * compile() says otherwise.
 */
export const lora: (<M extends AnyPretrained>(model: M, options?: LoraOptions) => LoraModel<M>) & {
  readonly load: <M extends AnyPretrained>(model: M, folder: Place) => Promise<LoraModel<M>>
} = Object.assign(adapt, { load })
