// The envelope of an encrypted version, sealed.json: its data key, encrypted with a model key. Another model key takes
// a new envelope alone; the files, and the manifest that is signed, stay as they are.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { WeftError } from '../../core/error.js'
import { ENVELOPE_FILE, SEALED_FORMAT as FORMAT } from '../../io/published.js'
import { RegularFile } from '../../io/regular_file.js'
import type { ModelKey } from './model_keys.js'
import type { VersionName } from './signed_manifest.js'

const CIPHER = 'aes-256-gcm'
const TAG_BYTES = 16

export interface Envelope {
  readonly keyId: string
  readonly nonce: Buffer
  /** The data key, encrypted, and its tag. */
  readonly wrapped: Buffer
}

/** An envelope counts for the version that it was made for alone. */
const contextOf = (of: VersionName, keyId: string): Buffer => Buffer.from(JSON.stringify([FORMAT, 1, of.model, of.version, keyId]))

export function wrap(dataKey: Uint8Array, of: VersionName, { id, key }: ModelKey): string {
  const nonce = randomBytes(12)
  const cipher = createCipheriv(CIPHER, key, nonce).setAAD(contextOf(of, id))
  const wrapped = Buffer.concat([cipher.update(dataKey), cipher.final(), cipher.getAuthTag()])
  const json = { format: FORMAT, version: 1, keyId: id, nonce: nonce.toString('base64'), wrapped: wrapped.toString('base64') }
  return `${JSON.stringify(json, undefined, 2)}\n`
}

/** The data key. ERR_FORMAT where the envelope was edited, or is that of another version. */
export function unwrap({ keyId, nonce, wrapped }: Envelope, of: VersionName, { key }: ModelKey): Buffer {
  const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES }).setAAD(contextOf(of, keyId))
  decipher.setAuthTag(wrapped.subarray(wrapped.length - TAG_BYTES))
  try {
    return Buffer.concat([decipher.update(wrapped.subarray(0, -TAG_BYTES)), decipher.final()])
  } catch (cause) {
    throw new WeftError('ERR_FORMAT', `${ENVELOPE_FILE} of '${of.model}' version ${of.version} was edited, or belongs to another version`, {
      cause,
    })
  }
}

/** The envelope in a file; undefined where there is no such file: the version is not encrypted. */
export async function readEnvelope(file: string): Promise<Envelope | undefined> {
  const opened = await RegularFile.openIfThere(file)
  if (opened === undefined) return undefined
  try {
    const { format, version, keyId, nonce, wrapped } = await opened.json()
    if (format !== FORMAT || version !== 1 || typeof keyId !== 'string' || !/^[0-9a-f]{16}$/.test(keyId)) throw broken(file)
    const [nonceBytes, bytes] = [nonce, wrapped].map((text) => Buffer.from(typeof text === 'string' ? text : '', 'base64')) as [
      Buffer,
      Buffer,
    ]
    if (nonceBytes.length !== 12 || bytes.length !== 32 + TAG_BYTES) throw broken(file)
    return { keyId, nonce: nonceBytes, wrapped: bytes }
  } finally {
    await opened.close()
  }
}

const broken = (file: string): WeftError => new WeftError('ERR_FORMAT', `${file} is not the envelope of an encrypted model`)
