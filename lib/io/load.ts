// loadModel: a saved model as it was. Structure, weights, compilation, optimizer state, random numbers and shuffles
// come back.
import { createHash } from 'node:crypto'
import { device as currentDevice, withDevice } from '../core/device.js'
import type { Buffer } from '../core/buffer.js'
import { WeftError } from '../core/error.js'
import { finished, lastTicket } from '../core/flights.js'
import { checkCall, type OptionTable } from '../core/options.js'
import { sameShape } from '../core/spec.js'
import type { Variable } from '../core/tensor.js'
import { uploadPart } from '../core/transfer.js'
import { whileLoading } from '../layers/loading.js'
import { type LayerJson, layerFromJson, loadNamed } from '../layers/serialize.js'
import { type AnyModel, Model } from '../model/model.js'
import { CALLBACK } from '../model/run.js'
import { assetsFromJson } from './assets.js'
import { FILES, findFolder, MODEL_FILE, type OpenFiles, OPTIMIZER_FILE, TRAINING_FILE, WEIGHTS_FILE, withFiles } from './folder.js'
import { recognize } from './foreign.js'
import { type Manifest, notAsSaved, readManifest } from './manifest.js'
import { namedOptimizerState, namedVariables, oldNames } from './names.js'
import { pathOf, type Place } from '../core/place.js'
import { type Verbosity, whileWorking } from '../core/progress_bar.js'
import { CHUNK_BYTES, jsonObject, type RegularFile } from './regular_file.js'
import { type Entry, SafetensorsFile } from './safetensors.js'
import { checkTraining, type Training } from './schema.js'
import { checkOwn, restoreTraining } from './training.js'

export interface LoadOptions {
  /** Where the weights go. Default: the current device. */
  device?: string
  /** The user's own layer classes by name: { Scale }. */
  layers?: Record<string, unknown>
  /** The user's own losses by name, where the model was compiled with some: { weighted }. */
  losses?: Record<string, unknown>
  /** The user's own metrics by name, where the model was compiled with some. */
  metrics?: Record<string, unknown>
  /**
   * Compares the files with the checksums in model.json. Default: where there are some. True: ERR_FORMAT where there
   * are none, as in models of other programs. False is faster for large models.
   */
  verify?: boolean
  /**
   * Default: on a terminal, what is loaded and since when, where it takes longer than two seconds. 0: silent, 1: at
   * once, 2: a line at the end.
   */
  verbose?: Verbosity
}

const OPTIONS: OptionTable<LoadOptions> = {
  device: 'string',
  layers: 'object',
  losses: 'object',
  metrics: 'object',
  verify: 'boolean',
  verbose: 'any',
}

/**
 * Weights beyond those of the file that may be made before the difference is found, so that its error can name the
 * weight.
 */
const SLACK_BYTES = 16 << 20

/**
 * The model saved in a folder (a path or a file: URL). It trains on from where it stopped, bit for bit on the same
 * device. Throws ERR_FORMAT where there is no whole saved model, ERR_STATE when the system refuses (too many open
 * files).
 */
export async function loadModel(place: Place, options: LoadOptions = {}): Promise<AnyModel> {
  checkCall('loadModel(folder, options)', arguments, OPTIONS)
  const wanted = pathOf('loadModel', place)
  checkOwn({ losses: options.losses, metrics: options.metrics })
  try {
    const folder = await findFolder(wanted)
    const read = (): Promise<AnyModel> => withFiles(folder, FILES, (files) => modelOfFiles(files, options))
    return await whileWorking(`loading ${folder}`, options.verbose, read)
  } catch (error) {
    if (!(error instanceof WeftError) || error.code !== 'ERR_FORMAT') throw error
    const kind = await recognize(wanted)
    if (kind === undefined) throw error
    throw new WeftError('ERR_FORMAT', `loadModel: ${wanted} is ${kind.what}`, { hint: kind.hint, cause: error })
  }
}

interface Parts {
  manifest: Manifest
  training: Training
  weights: SafetensorsFile
  state: SafetensorsFile
}

/** The model in files that are open. */
export async function modelOfFiles(files: OpenFiles, options: LoadOptions): Promise<AnyModel> {
  const { verify = true } = options
  const manifest = await readManifest(files.get(MODEL_FILE)!, verify)
  if (options.verify && manifest.version === 1)
    throw new WeftError('ERR_FORMAT', `${files.get(MODEL_FILE)!.path} was saved without checksums, and verify asks for them`, {
      hint: 'Load it without verify, and save it again',
    })
  const checksum = verify && manifest.version > 1
  if (manifest.version > 1)
    for (const name of FILES) if (name !== MODEL_FILE) checkSize(files.get(name)!, manifest.files.get(name)?.bytes, checksum)
  const training = await readTraining(files.get(TRAINING_FILE)!, checksum ? manifest.files.get(TRAINING_FILE)!.sha256 : undefined)
  const weights = await SafetensorsFile.read(files.get(WEIGHTS_FILE)!)
  const state = await SafetensorsFile.read(files.get(OPTIMIZER_FILE)!)
  await loadNamed(manifest.model)
  const where = options.device ?? currentDevice()
  const { model, variables, optimizer } = withDevice(where, () => made({ manifest, training, weights, state }, files, options))
  try {
    await fill(weights, variables, checksum ? manifest.files.get(WEIGHTS_FILE)!.sha256 : undefined)
    if (optimizer) await fill(state, optimizer, checksum ? manifest.files.get(OPTIMIZER_FILE)!.sha256 : undefined)
    else if (checksum) await check(files.get(OPTIMIZER_FILE)!, manifest.files.get(OPTIMIZER_FILE)!.sha256)
    if (optimizer) model.optimizer.closeWholes(true)
    return model
  } catch (error) {
    model.dispose()
    throw error
  }
}

function checkSize({ path, size }: RegularFile, expected: number | undefined, verify: boolean): void {
  if (!verify || size === expected) return
  if (expected === undefined) throw new WeftError('ERR_FORMAT', `${path} is not listed in ${MODEL_FILE}`)
  throw new WeftError('ERR_FORMAT', `${path} has ${size} bytes, it was saved with ${expected}`, {
    hint: 'It was damaged, edited, or put there from another save',
  })
}

async function readTraining(file: RegularFile, sha256: string | undefined): Promise<Training> {
  const text = await file.text()
  if (sha256 !== undefined && createHash('sha256').update(text).digest('hex') !== sha256) throw notAsSaved(file.path)
  return checkTraining(file.path, jsonObject(text, file.path))
}

async function check(file: RegularFile, sha256: string): Promise<void> {
  const hash = createHash('sha256')
  const chunk = new Uint8Array(Math.min(file.size, CHUNK_BYTES))
  for (let at = 0; at < file.size; at += chunk.length) {
    const part = chunk.subarray(0, file.size - at)
    await file.read(part, at)
    hash.update(part)
  }
  if (hash.digest('hex') !== sha256) throw notAsSaved(file.path)
}

interface Made {
  model: AnyModel
  /** The weights by their names in the file, and the optimizer's state where the model is compiled. */
  variables: ReadonlyMap<string, Variable>
  optimizer: ReadonlyMap<string, Variable> | undefined
}

/** The model that the files describe, with memory for what they hold, and no values in it yet. */
function made({ manifest, training, weights, state }: Parts, files: OpenFiles, options: LoadOptions): Made {
  const file = files.get(MODEL_FILE)!
  // every layer takes some text, and layers made of layers have weights for each of those
  const limits = { bytes: weights.bytes + SLACK_BYTES, layers: 1000 + file.size / 16 + 20 * weights.tensors.size }
  let model: AnyModel | undefined
  try {
    const layer = whileLoading(limits, () =>
      layerFromJson(manifest.model as LayerJson, { layers: options.layers ?? {} } as never),
    ) as unknown
    if (!(layer instanceof Model)) throw new WeftError('ERR_FORMAT', 'the saved layer is not a model')
    model = layer
    const variables = manifest.version === 1 ? oldNames(model, weights.tensors) : namedVariables(model)
    match(weights, variables)
    model.assets = assetsFromJson(manifest.assets) as Record<string, unknown>
    const compiled = restoreTraining(model, training, variables, state, { losses: options.losses, metrics: options.metrics })
    if (compiled) model.optimizer.openWholes(false)
    const optimizer = compiled ? namedOptimizerState(model, variables) : undefined
    if (optimizer) match(state, optimizer)
    return { model, variables, optimizer }
  } catch (error) {
    model?.dispose()
    throw unmade(error, file.path)
  }
}

/** Errors of making a model from a file are faults of the file, save those of the machine. */
function unmade(error: unknown, file: string): unknown {
  const short = (text: string): string => (text.length > MOST_MESSAGE ? `${text.slice(0, MOST_MESSAGE)}...` : text)
  if (error instanceof WeftError) {
    if (!FAULTS_OF_FILES.has(error.code)) return error
    const named = error.message.includes(file.slice(0, file.lastIndexOf('/')))
    return named ? error : new WeftError('ERR_FORMAT', short(`${file}: ${error.message}`), { cause: error })
  }
  const reason = error instanceof Error ? `${error.name}: ${error.message}` : typeof error
  return new WeftError('ERR_FORMAT', short(`${file}: the model cannot be made from it (${reason})`), { cause: error })
}
const FAULTS_OF_FILES: ReadonlySet<string> = new Set([
  'ERR_ARGUMENT',
  'ERR_SHAPE',
  'ERR_DTYPE',
  'ERR_TRACE',
  'ERR_STATE',
  'ERR_DATA',
  'ERR_FORMAT',
])
const MOST_MESSAGE = 1000

/** Throws ERR_FORMAT unless the file and the variables match one for one. */
function match({ path, tensors }: SafetensorsFile, variables: ReadonlyMap<string, Variable>): void {
  for (const name of tensors.keys()) {
    // what callbacks of a training kept is for that training alone
    if (!variables.has(name) && !name.startsWith(CALLBACK))
      throw new WeftError('ERR_FORMAT', `${path} has '${name}', which the model does not have`)
  }
  for (const [name, { dtype, shape }] of variables) {
    const entry = tensors.get(name)
    if (!entry) throw new WeftError('ERR_FORMAT', `${path} has no '${name}'`)
    if (!sameShape(entry.shape, shape) || entry.dtype !== dtype) {
      throw new WeftError('ERR_FORMAT', `${path}: '${name}' is ${entry.dtype} [${entry.shape}], the model has ${dtype} [${shape}]`, {
        shapes: [entry.shape, shape],
      })
    }
  }
}

/** Reads the values of a file into the variables; they match. */
async function fill(file: SafetensorsFile, variables: ReadonlyMap<string, Variable>, sha256: string | undefined): Promise<void> {
  // nobody else has the model yet, so that its memory may be written to once the runs that made it are done
  await finished(lastTicket())
  const memoryOf = (entry: Entry): Buffer | undefined => variables.get(entry.name)?.held()
  let staging = new Uint8Array(0)
  const target = async (entry: Entry, at: number, size: number): Promise<Uint8Array> => {
    const buffer = memoryOf(entry)
    if (buffer?.device === 0) return buffer.view().subarray(at, at + size)
    if (staging.length < size) staging = new Uint8Array(size)
    return staging.subarray(0, size)
  }
  const put = async (entry: Entry, at: number, chunk: Uint8Array): Promise<void> => {
    const buffer = memoryOf(entry)
    if (buffer !== undefined && buffer.device !== 0) await uploadPart(buffer, at, chunk)
  }
  const found = await file.readAll(target, put, sha256 !== undefined)
  if (sha256 !== undefined && found !== sha256) throw notAsSaved(file.path)
}
