// loadPublished: the model of a published version, with its signature checked, and decrypted in memory.
import { createHash } from 'node:crypto'
import path from 'node:path'
import * as library from '../../index.js'
import { WeftError } from '../../core/error.js'
import { checkCall, type OptionTable } from '../../core/options.js'
import { FILES, MODEL_FILE, withFiles } from '../../io/folder.js'
import { foreignModel } from '../../io/formats.js'
import { type LoadOptions, loadModel } from '../../io/index.js'
import { modelOfFiles } from '../../io/load.js'
import { RegularFile } from '../../io/regular_file.js'
import { systemError } from '../../core/system_error.js'
import type { AnyModel } from '../../model/model.js'
import { ENVELOPE_FILE, readEnvelope, unwrap } from './envelope.js'
import { ModelKeys } from './model_keys.js'
import { SealedFile } from './sealed_file.js'
import { MANIFEST_FILE, parseSignedManifest, SIGNATURE_FILE, type SignedManifest, Trust, type VersionName } from './signed_manifest.js'

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
 * other file with model.json, as they
 * are read.
 */
export async function loadVersion(folder: string, of: VersionName, { keys, trust }: Protection, options: LoadOptions): Promise<AnyModel> {
  try {
    const manifest = trust && (await verifiedManifest(folder, of, trust))
    const envelope = await readEnvelope(path.join(folder, ENVELOPE_FILE))
    // checksums carry the trust from model.json to the other files; the tags of sealed files tell as much as they do
    const load = trust ? { ...options, verify: true } : envelope ? { ...options, verify: false } : options
    if (envelope === undefined) {
      if (manifest === undefined) {
        const loadForeign = await foreignModel(folder)
        const { device } = options
        return loadForeign ? await loadForeign(library, device === undefined ? {} : { device }) : await loadModel(folder, load)
      }
      return await withFiles(folder, FILES, async (files) => {
        await compare(files.get(MODEL_FILE)!, MODEL_FILE, manifest)
        return modelOfFiles(files, load)
      })
    }
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
  } catch (error) {
    throw systemError(`${folder} cannot be read`, error, 'ERR_FORMAT')
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
 * decrypted in memory. ERR_FORMAT where it is not whole or not signed by a key of `signedBy`; ERR_STATE where its key
 * is not among `modelKeys`.
 */
export async function loadPublished(folder: string, options: LoadPublishedOptions = {}): Promise<AnyModel> {
  checkCall('loadPublished(folder, options)', arguments, OPTIONS)
  const { modelKeys = [], signedBy, ...load } = options
  const real = path.resolve(folder)
  const of = { model: path.basename(path.dirname(real)), version: Number(path.basename(real)) }
  return loadVersion(real, of, { keys: new ModelKeys(modelKeys), trust: signedBy && new Trust(signedBy) }, load)
}
