// The manifest of a published version: which model and version it is, and size and checksum of each of its files.
// manifest.sig holds its Ed25519 signature (RFC 8032).
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { WeftError } from '../../core/error.js'
import { isRecord } from '../../core/tree.js'
import type { FileFacts } from '../../io/manifest.js'
import { PUBLISHED_FORMAT as FORMAT } from '../../io/published.js'
import { jsonObject } from '../../io/regular_file.js'

export interface VersionName {
  readonly model: string
  readonly version: number
}

export interface SignedManifest extends VersionName {
  readonly files: ReadonlyMap<string, FileFacts>
}

/** A signature of something else never counts as one of a manifest. */
const signed = (kind: string, text: string): Buffer => Buffer.from(`weft ${kind} 1\n${text}`)

export function signedManifestText({ model, version, files }: SignedManifest): string {
  return `${JSON.stringify({ format: FORMAT, formatVersion: 1, model, version, files: Object.fromEntries(files) }, undefined, 2)}\n`
}

/** ERR_FORMAT unless the text is a manifest. */
export function parseSignedManifest(text: string, file: string): SignedManifest {
  const { format, formatVersion, model, version, files } = jsonObject(text, file)
  if (format !== FORMAT || formatVersion !== 1 || typeof model !== 'string' || !Number.isSafeInteger(version) || !isRecord(files))
    throw new WeftError('ERR_FORMAT', `${file} is not the manifest of a published version`)
  return { model, version: version as number, files: factsOf(files, file) }
}

/** Sizes and checksums by name. */
export function factsOf(files: Readonly<Record<string, unknown>>, file: string): Map<string, FileFacts> {
  const facts = Object.entries(files).map(([name, value]): [string, FileFacts] => {
    const { bytes, sha256 } = isRecord(value) ? value : {}
    if (!Number.isSafeInteger(bytes) || (bytes as number) < 0 || typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256))
      throw new WeftError('ERR_FORMAT', `${file}: '${name.slice(0, 128)}' lacks a size and a checksum`)
    return [name, { bytes: bytes as number, sha256 }]
  })
  return new Map(facts)
}

/** An Ed25519 key from PEM or a file of it. */
function keyOf(pem: string, what: string, make: (pem: string) => KeyObject): KeyObject {
  let text = pem
  if (!pem.includes('-----BEGIN ')) {
    try {
      text = readFileSync(pem, 'utf8')
    } catch (cause) {
      throw new WeftError('ERR_ARGUMENT', `the ${what} is neither PEM nor a file that can be read: ${pem}`, { cause })
    }
  }
  let key: KeyObject | undefined
  try {
    key = make(text)
  } catch {
    // the error of OpenSSL tells nothing that the one below does not
  }
  if (key?.asymmetricKeyType !== 'ed25519')
    throw new WeftError('ERR_ARGUMENT', `the ${what} is not an Ed25519 key`, {
      hint: 'Make one: openssl genpkey -algorithm ed25519 -out signing.pem; openssl pkey -in signing.pem -pubout -out signing.pub',
    })
  return key
}

const idOf = (key: KeyObject): string =>
  createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex')
    .slice(0, 16)

/** Signs what is published. */
export class Signer {
  private readonly key: KeyObject
  readonly keyId: string

  /** @param pem the private key, or the path of a file with it */
  constructor(pem: string) {
    this.key = keyOf(pem, 'signing key', createPrivateKey)
    this.keyId = idOf(createPublicKey(this.key))
  }

  signatureText(kind: string, text: string): string {
    const signature = sign(undefined, signed(kind, text), this.key).toString('base64')
    return `${JSON.stringify({ keyId: this.keyId, signature })}\n`
  }
}

/** Whose signatures count. */
export class Trust {
  private readonly keys: ReadonlyMap<string, KeyObject>

  /** @param pems public keys, or paths of files with them */
  constructor(pems: readonly string[]) {
    this.keys = new Map(pems.map((pem) => keyOf(pem, 'public key', publicKeyOf)).map((key) => [idOf(key), key]))
  }

  /** ERR_FORMAT unless the signature is one of the text, by one of the keys. */
  check(kind: string, what: string, text: string, signatureText: string | undefined): void {
    if (signatureText === undefined)
      throw new WeftError('ERR_FORMAT', `${what} is not signed, and signatures are asked for`, { hint: 'Publish it with --sign' })
    const { keyId, signature } = jsonObject(signatureText, `the signature of ${what}`)
    const key = typeof keyId === 'string' ? this.keys.get(keyId) : undefined
    if (key === undefined) throw new WeftError('ERR_FORMAT', `${what} is signed by a key that is not trusted here`)
    const bytes = Buffer.from(typeof signature === 'string' ? signature : '', 'base64')
    if (bytes.length !== 64 || !verify(undefined, signed(kind, text), key, bytes))
      throw new WeftError('ERR_FORMAT', `${what} does not have the signature that it claims: it was edited`)
  }
}

/** createPublicKey() would take a private key too, and a server must not need one. */
function publicKeyOf(pem: string): KeyObject {
  if (pem.includes('PRIVATE KEY')) throw new Error('a private key')
  return createPublicKey(pem)
}
