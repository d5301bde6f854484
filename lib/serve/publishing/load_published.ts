// loadPublished: the model of a published version, with its signature checked, and decrypted in memory.
import { createHash } from 'node:crypto'
import { readdir, realpath } from 'node:fs/promises'
import path from 'node:path'
import * as library from '../../index.js'
import { WeftError } from '../../core/error.js'
import { checkCall, type OptionTable } from '../../core/options.js'
import { FILES, MODEL_FILE, withFiles } from '../../io/folder.js'
import { foreignModel } from '../../io/formats.js'
import { type LoadOptions, loadModel } from '../../io/index.js'
import { modelOfFiles } from '../../io/load.js'
import { notAsSaved } from '../../io/manifest.js'
import { ENVELOPE_FILE, isPublished, isSealed, MANIFEST_FILE, SIGNATURE_FILE } from '../../io/published.js'
import { RegularFile } from '../../io/regular_file.js'
import { whileWorking } from '../../core/progress_bar.js'
import { systemError } from '../../core/system_error.js'
import type { AnyModel } from '../../model/model.js'
import { VERSION } from '../repository/settings.js'
import { readEnvelope, unwrap } from './envelope.js'
import { factsOfFile } from './files.js'
import { ModelKeys } from './model_keys.js'
import { SealedFile } from './sealed_file.js'
import { parseSignedManifest, type SignedManifest, Trust, type VersionName } from './signed_manifest.js'

/** What a version must be to be loaded. */
export interface Protection {
  readonly keys: ModelKeys
  /** Undefined: signatures are not asked for. */
  readonly trust: Trust | undefined
}

export const SEALED_ENDING = '.sealed'

/**
 * The model in the folder of a version, also one of another program. With trust, its manifest must be signed and be
 * that of this version; then what is loaded is what was signed: model.json is compared with the manifest, and every
 * other file with model.json, as they are read.
 */
export async function loadVersion(folder: string, of: VersionName, { keys, trust }: Protection, options: LoadOptions): Promise<AnyModel> {
  try {
    const manifest = trust && (await verifiedManifest(folder, of, trust))
    const envelope = await readEnvelope(path.join(folder, ENVELOPE_FILE))
    if (envelope === undefined && manifest === undefined) return await loadPlain(folder, of, options)
    // checksums carry the trust from model.json to the other files; the tags of sealed files tell as much as they do
    const load = { ...options, verify: trust !== undefined }
    return await whileWorking(`loading ${folder}`, options.verbose, async () => {
      if (envelope === undefined)
        return await withFiles(folder, FILES, async (files) => {
          await compare(files.get(MODEL_FILE)!, MODEL_FILE, manifest!)
          return modelOfFiles(files, load)
        })
      const dataKey = unwrap(envelope, of, keys.find(envelope.keyId))
      const files = new Map<string, SealedFile>()
      try {
        for (const name of FILES) files.set(name, await SealedFile.unseal(path.join(folder, name + SEALED_ENDING), dataKey, name))
        if (manifest) await compare(files.get(MODEL_FILE)!, MODEL_FILE + SEALED_ENDING, manifest)
        return await modelOfFiles(files, load)
      } finally {
        dataKey.fill(0)
        for (const file of files.values()) await file.close()
      }
    })
  } catch (error) {
    throw systemError(`${folder} cannot be read`, error, 'ERR_FORMAT')
  }
}

/** What is neither encrypted nor asked for a signature. */
async function loadPlain(folder: string, of: VersionName, options: LoadOptions): Promise<AnyModel> {
  const loadForeign = await foreignModel(folder)
  if (loadForeign === undefined) return await loadModel(folder, options)
  const { device, verbose, verify } = options
  if (verify) await compareAll(folder, of)
  return await loadForeign(library, { ...(device !== undefined && { device }), ...(verbose !== undefined && { verbose }) })
}

/** ERR_FORMAT unless a manifest lists every file of another program, and each is as it says. */
async function compareAll(folder: string, of: VersionName): Promise<void> {
  if (!(await isPublished(folder)))
    throw new WeftError('ERR_FORMAT', `${folder} is a model of another program, without checksums: it cannot be verified`, {
      hint: 'Publish it: its version then has checksums. Or leave verify out',
    })
  const { files } = await verifiedManifest(folder, of, undefined)
  const names = (await readdir(folder)).filter((name) => name !== MANIFEST_FILE && name !== SIGNATURE_FILE)
  for (const name of new Set([...names, ...files.keys()])) {
    const facts = files.get(name)
    if (facts === undefined) throw new WeftError('ERR_FORMAT', `${path.join(folder, name)} is not listed in ${MANIFEST_FILE}`)
    if ((await factsOfFile(path.join(folder, name))).sha256 !== facts.sha256) throw notAsSaved(path.join(folder, name))
  }
}

/** Holds the file in memory, so that what is compared is what is read later. */
async function compare(file: RegularFile, name: string, { files }: SignedManifest): Promise<void> {
  const sha256 = createHash('sha256')
    .update(await file.hold())
    .digest('hex')
  if (files.get(name)?.sha256 !== sha256) throw new WeftError('ERR_FORMAT', `${file.path} is not the file that was signed`)
}

/** The manifest of a version, once its signature and its name were found to be right. */
export async function verifiedManifest(folder: string, of: VersionName, trust: Trust | undefined): Promise<SignedManifest> {
  const what = `version ${of.version} of '${of.model}'`
  const text = await RegularFile.textIfThere(path.join(folder, MANIFEST_FILE))
  if (text === undefined) throw new WeftError('ERR_FORMAT', `${what} has no ${MANIFEST_FILE}: it was not published`)
  trust?.check('manifest', what, text, await RegularFile.textIfThere(path.join(folder, SIGNATURE_FILE)))
  const manifest = parseSignedManifest(text, path.join(folder, MANIFEST_FILE))
  if (manifest.model !== of.model || manifest.version !== of.version)
    throw new WeftError('ERR_FORMAT', `${what}: the manifest is that of version ${manifest.version} of '${manifest.model.slice(0, 128)}'`)
  return manifest
}

export interface LoadPublishedOptions extends LoadOptions {
  /** 'file:model.key', 'env:NAME', 'command:...': the keys of encrypted models. */
  modelKeys?: readonly string[]
  /** Public Ed25519 keys (PEM, or paths): a version that none of them has signed is refused. */
  signedBy?: readonly string[]
}

const OPTIONS: OptionTable<LoadPublishedOptions> = {
  modelKeys: 'list',
  signedBy: 'list',
  device: 'string',
  layers: 'object',
  losses: 'object',
  metrics: 'object',
  verify: 'boolean',
  verbose: 'any',
}

/**
 * The model that was published as <model>/<version>, the last two parts of the folder's path. Encrypted ones are
 * decrypted in memory. ERR_FORMAT where it is not whole or not signed by a key of `signedBy`, and, with `verify`, where
 * it has no checksums; ERR_STATE where its key is not among `modelKeys`; ERR_ARGUMENT where the path does not say which
 * version is meant, and that is asked for.
 */
export async function loadPublished(folder: string, options: LoadPublishedOptions = {}): Promise<AnyModel> {
  checkCall('loadPublished(folder, options)', arguments, OPTIONS)
  const { modelKeys = [], signedBy, ...load } = options
  const { place, of } = await versionAt(folder)
  if (Number.isNaN(of.version) && (signedBy !== undefined || (await isSealed(place))))
    throw new WeftError('ERR_ARGUMENT', `loadPublished: ${folder} does not end with the name and the number of a version`, {
      hint: "Give the folder where it was published: 'models/digits/3'",
    })
  return loadVersion(place, of, { keys: new ModelKeys(modelKeys), trust: signedBy && new Trust(signedBy) }, load)
}

/** The version that a path names; a link to one may have a name of its own. */
async function versionAt(folder: string): Promise<{ place: string; of: VersionName }> {
  const named = (place: string): { place: string; of: VersionName } => {
    const version = path.basename(place)
    return { place, of: { model: path.basename(path.dirname(place)), version: VERSION.test(version) ? Number(version) : Number.NaN } }
  }
  const given = named(path.resolve(folder))
  if (!Number.isNaN(given.of.version)) return given
  return named(await realpath(given.place).catch(() => given.place))
}
