// publish: a model as a new version of a repository. It is written aside, flushed to the disk, and put in place by one
// rename: whoever looks sees the whole version, or none. Whatever fails, what was there stays.
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, realpath, rename, rm, rmdir, stat } from 'node:fs/promises'
import path from 'node:path'
import * as library from '../../index.js'
import { WeftError } from '../../core/error.js'
import { integer } from '../../core/checks.js'
import { checkCall, type OptionTable, show } from '../../core/options.js'
import { FILES, findFolder, flushFolder, MODEL_FILE, type Sink, withFiles, type WriteNew, writeNew } from '../../io/folder.js'
import { recognize } from '../../io/foreign.js'
import { foreignModel, formatOf, type LoadForeign } from '../../io/formats.js'
import { removeLeftovers, stagingName } from '../../io/leftovers.js'
import { type FileFacts, notAsSaved, readManifest } from '../../io/manifest.js'
import { ENVELOPE_FILE, MANIFEST_FILE, SIGNATURE_FILE } from '../../io/published.js'
import { writeAll } from '../../io/safetensors.js'
import { writeModelFiles } from '../../io/save.js'
import { inTurn } from '../../io/turns.js'
import { isSystemError, systemError } from '../../core/system_error.js'
import { makeFolder } from '../../core/make_folder.js'
import { type AnyModel, Model } from '../../model/model.js'
import { checkRepository, findModel, MODEL_FILE as ANY_MODEL_FILE } from '../repository/folder.js'
import { chosen, LABEL, MODEL_NAME, type ModelSettings, settingsOf, VERSION } from '../repository/settings.js'
import { wrap } from './envelope.js'
import { chunksOf, factsOfFile, replaceText, writeText } from './files.js'
import { SEALED_ENDING } from './load_published.js'
import { type ModelKey, readModelKey } from './model_keys.js'
import { writeSealed } from './sealed_file.js'
import { signedManifestText, Signer, type VersionName } from './signed_manifest.js'

export interface PublishOptions {
  /** The model's name in the repository. Default: the name of its folder or file, unless that is a number. */
  name?: string
  /** Default: the newest one and 1. */
  version?: number
  /** Private Ed25519 key (PEM, or the path of a file with it) that signs the version. Default: it is not signed. */
  sign?: string
  /**
   * 'file:model.key', 'env:NAME' or 'command:...': the key that encrypts the files. Default: they are not encrypted.
   */
  modelKey?: string
  /** Is moved to the new version once it is there. */
  label?: string
}

export interface Published {
  readonly name: string
  readonly version: number
  readonly folder: string
  readonly signedBy: string | undefined
  readonly encryptedWith: string | undefined
}

const OPTIONS: OptionTable<PublishOptions> = { name: 'string', version: 'integer', sign: 'string', modelKey: 'string', label: 'string' }
const SETTINGS_FILE = 'serve.json'
/** Of files of models: what they are called without it. */
const ENDING = /\.(keras|onnx|json)$/i

/**
 * Publishes a saved model (its folder), one of another program (a .keras or .onnx file, a folder of TensorFlow.js or
 * Hugging Face; its version is a saved model), or one of this program, which is then never on the disk as it is where a
 * key is given. ERR_ARGUMENT for what cannot be a name or a folder; ERR_STATE where the version is there already, or
 * the disk is full or read-only; ERR_FORMAT where the saved model is not whole.
 */
export async function publish(model: string | AnyModel, repository: string, options: PublishOptions = {}): Promise<Published> {
  checkCall('publish(model, repository, options)', arguments, OPTIONS)
  const { version, label } = options
  const given = typeof model === 'string' ? await placeOf(model) : undefined
  const own = given && path.basename(given).replace((await isFolder(given)) ? '' : ENDING, '')
  if (options.name === undefined && own !== undefined && VERSION.test(own))
    throw new WeftError('ERR_ARGUMENT', `publish: ${given} has the name of a version, not of a model`, {
      hint: "Say what the model is called: { name: 'digits' }, --name digits",
    })
  const name = options.name ?? own
  if (name === undefined || !MODEL_NAME.test(name))
    throw new WeftError('ERR_ARGUMENT', `publish: a model cannot have the name ${show(name)}`, {
      hint: "Give another one: { name: 'digits' }; letters, digits, '.', '_' and '-'",
    })
  if (version !== undefined) integer('publish', 'version', version, 1)
  if (label !== undefined && !LABEL.test(label)) throw new WeftError('ERR_ARGUMENT', `publish: a label cannot be ${show(label)}`)
  if (typeof model !== 'string' && !((model as unknown) instanceof Model))
    throw new WeftError('ERR_ARGUMENT', `publish: the model is a folder or a model, got ${show(model)}`)
  const signer = options.sign === undefined ? undefined : new Signer(options.sign)
  const key = options.modelKey === undefined ? undefined : readModelKey(options.modelKey)
  const target = path.join(path.resolve(repository), name)
  let imported: AnyModel | undefined
  try {
    const found = given === undefined ? (model as AnyModel) : await sourceAt(given)
    const source = typeof found === 'function' ? (imported = await found(library)) : found
    if (await isFolder(path.dirname(target))) await checkRepository('publish', path.dirname(target))
    const created = await makeFolder(target)
    try {
      const folder = await realpath(target)
      const placed = await place(source, { model: name, version, label }, folder, signer, key)
      if (label !== undefined) await moveLabel(folder, name, label, placed)
      return { name, version: placed, folder: path.join(folder, `${placed}`), signedBy: signer?.keyId, encryptedWith: key?.id }
    } catch (error) {
      if (created !== undefined) await removeEmpty(target, created)
      throw error
    }
  } catch (error) {
    throw systemError(`publish: ${target} cannot be written`, error, 'ERR_ARGUMENT')
  } finally {
    imported?.dispose()
  }
}

/** Takes away the folders that were made, as far as nothing is in them. */
async function removeEmpty(last: string, first: string): Promise<void> {
  for (let folder = last; ; folder = path.dirname(folder)) {
    const isGone = await rmdir(folder).then(
      () => true,
      () => false,
    )
    if (!isGone || folder === first) return
  }
}

const isFolder = async (place: string): Promise<boolean> => (await stat(place).catch(() => undefined))?.isDirectory() ?? false

/** Where a model lies: the folder of a model.json that was named. */
async function placeOf(model: string): Promise<string> {
  const place = path.resolve(model)
  const isFile = (await stat(place).catch(() => undefined))?.isFile() ?? false
  return isFile && path.basename(place) === MODEL_FILE ? path.dirname(place) : place
}

/** The folder of a saved model, or what loads one of another program. ERR_FORMAT that says what is there instead. */
async function sourceAt(place: string): Promise<string | LoadForeign> {
  const found = await findFolder(place)
  const load = await foreignModel(found)
  if (load) return load
  if ((await stat(found)).isFile()) {
    const { label } = await formatOf(found)
    throw new WeftError('ERR_FORMAT', `publish: ${place} is a ${label}, which has weights but no structure`, {
      hint: 'Make the model, call loadWeights(file), and publish it',
    })
  }
  return await realpath(found)
}

interface Wanted {
  readonly model: string
  /** Undefined: the next one. */
  readonly version: number | undefined
  readonly label: string | undefined
}

/** Prepares the version, and renames it to its place; to the next one where another was faster. */
async function place(
  source: string | AnyModel,
  { model, version: wanted, label }: Wanted,
  folder: string,
  signer: Signer | undefined,
  key: ModelKey | undefined,
): Promise<number> {
  await removeLeftovers(folder)
  for (;;) {
    const versions = await versionsIn(folder, model)
    const version = wanted ?? Math.max(0, ...versions) + 1
    if (wanted !== undefined && versions.includes(wanted)) throw there(model, wanted)
    // before there is a version that its label cannot go to
    if (label !== undefined) checkPicked('publish', model, settingsOf(model, await settingsText(folder)), [...versions, version], version)
    const prepared = path.join(folder, stagingName())
    try {
      await mkdir(prepared)
      await fill(source, { model, version }, prepared, signer, key)
      await flushFolder(prepared)
      await rename(prepared, path.join(folder, `${version}`))
      await flushFolder(folder)
      await flushFolder(path.dirname(folder))
      return version
    } catch (error) {
      await rm(prepared, { recursive: true, force: true }).catch(() => undefined)
      if (!isSystemError(error, 'ENOTEMPTY', 'EEXIST')) throw error
      if (wanted !== undefined) throw there(model, wanted)
    }
  }
}

const there = (model: string, version: number): WeftError =>
  new WeftError('ERR_STATE', `publish: version ${version} of '${model}' is there already, and versions do not change`, {
    hint: 'Leave the version out: the next number is taken',
  })

async function versionsIn(folder: string, model: string): Promise<number[]> {
  const entries = await readdir(folder, { withFileTypes: true })
  const versions = entries.filter((entry) => entry.isDirectory() && VERSION.test(entry.name)).map((entry) => Number(entry.name))
  if (versions.length === 0 && entries.some((entry) => entry.isFile() && ANY_MODEL_FILE.test(entry.name)))
    throw new WeftError('ERR_STATE', `publish: a model lies right in the folder of '${model}'`, {
      hint: 'Move its files into a folder 1 there, so that it stays as version 1',
    })
  return versions
}

/** Writes all files of the version into an empty folder. */
async function fill(
  source: string | AnyModel,
  of: VersionName,
  folder: string,
  signer: Signer | undefined,
  key: ModelKey | undefined,
): Promise<void> {
  const files = new Map<string, FileFacts>()
  const dataKey = key && randomBytes(32)
  const create = async (file: string, write: (sink: Sink) => Promise<void>): Promise<void> => {
    const name = path.basename(file)
    const stored = dataKey ? name + SEALED_ENDING : name
    const place = path.join(folder, stored)
    await (dataKey ? writeSealed(place, dataKey, name, write) : writeNew(place, write))
    files.set(stored, await factsOfFile(place))
  }
  if (typeof source === 'string') await copyModel(source, create).catch((error: unknown) => nameFound(source, error))
  else await writeModelFiles(source, folder, create)
  if (dataKey) {
    await writeText(path.join(folder, ENVELOPE_FILE), wrap(dataKey, of, key!))
    dataKey.fill(0)
  }
  // the envelope is not in the manifest: it changes with the model key
  const text = signedManifestText({ ...of, files })
  await writeText(path.join(folder, MANIFEST_FILE), text)
  if (signer) await writeText(path.join(folder, SIGNATURE_FILE), signer.signatureText('manifest', text))
}

/** What is there in the place of a saved model, where that is known. */
async function nameFound(place: string, error: unknown): Promise<never> {
  const found = error instanceof WeftError && error.code === 'ERR_FORMAT' ? await recognize(place) : undefined
  throw found ? new WeftError('ERR_FORMAT', `publish: ${place} is ${found.what}`, { hint: found.hint, cause: error }) : error
}

/** Copies the files of a saved model; ERR_FORMAT unless each is as it was saved. */
async function copyModel(folder: string, create: WriteNew): Promise<void> {
  await withFiles(folder, FILES, async (files) => {
    await files.get(MODEL_FILE)!.hold()
    const { version, files: facts } = await readManifest(files.get(MODEL_FILE)!, true)
    if (version === 1)
      throw new WeftError('ERR_FORMAT', `publish: ${folder} was saved without checksums`, { hint: 'Load it, and save it again' })
    for (const [name, file] of files) {
      const hash = createHash('sha256')
      await create(name, async (sink) => {
        for await (const chunk of chunksOf(file)) await writeAll(sink, chunk, hash)
      })
      if (name !== MODEL_FILE && hash.digest('hex') !== facts.get(name)?.sha256) throw notAsSaved(file.path)
    }
  })
}

/**
 * @internal Moves a label of a model to a version that is there; the server that follows the folder goes by it from
 *   then on. ERR_ARGUMENT for what is not there, ERR_STATE where the model's policy does not pick the version.
 */
export async function labelVersion(repository: string, model: string, label: string, version: number): Promise<void> {
  if (!LABEL.test(label)) throw new WeftError('ERR_ARGUMENT', `label: a label cannot be ${show(label)}`)
  const root = path.resolve(repository)
  try {
    const found = MODEL_NAME.test(model) ? await findModel(root, model) : undefined
    if (found === undefined) throw new WeftError('ERR_ARGUMENT', `label: ${root} has no model ${show(model)}`)
    const versions = [...found.versions.keys()].sort((a, b) => a - b)
    if (!versions.includes(version))
      throw new WeftError('ERR_ARGUMENT', `label: '${model}' has no version ${version}`, { hint: `It has ${versions.join(', ')}` })
    checkPicked('label', model, found.settings, versions, version)
    await moveLabel(path.join(root, model), model, label, version)
  } catch (error) {
    throw systemError(`label: ${root} cannot be written`, error, 'ERR_ARGUMENT')
  }
}

/** ERR_STATE where a label that names the version would name one that is not served. */
function checkPicked(what: string, model: string, settings: ModelSettings, versions: readonly number[], version: number): void {
  const { versionPolicy, labels = {} } = settings
  if (chosen(versions, versionPolicy, [...Object.values(labels), version]).includes(version)) return
  throw new WeftError('ERR_STATE', `${what}: the versionPolicy of '${model}' does not pick version ${version}`, {
    hint: `Change versionPolicy in ${path.join(model, SETTINGS_FILE)}`,
  })
}

function moveLabel(folder: string, model: string, label: string, version: number): Promise<void> {
  const file = path.join(folder, SETTINGS_FILE)
  return inTurn(file, () => changeLabel(file, model, label, version), { lock: true })
}

/** The settings of a model; those of one that has none. */
const settingsText = (folder: string): Promise<string> =>
  readFile(path.join(folder, SETTINGS_FILE), 'utf8').catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT')) return '{}'
    throw error
  })

async function changeLabel(file: string, model: string, label: string, version: number): Promise<void> {
  const settings = settingsOf(model, await settingsText(path.dirname(file)))
  await replaceText(file, `${JSON.stringify({ ...settings, labels: { ...settings.labels, [label]: version } }, undefined, 2)}\n`)
}
