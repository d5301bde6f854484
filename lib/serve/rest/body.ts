// Bodies: compressed ones are inflated, with the limit on what comes out.
import { promisify } from 'node:util'
import * as zlib from 'node:zlib'
import { WeftError } from '../../core/error.js'
import { invalid, tooLarge } from '../protocol/tensors.js'

type Inflate = (body: Uint8Array, options: { maxOutputLength: number }) => Promise<Uint8Array>
const inflaters: Record<'gzip' | 'deflate', Inflate> = {
  gzip: promisify<Uint8Array, { maxOutputLength: number }, Uint8Array>(zlib.gunzip),
  deflate: promisify<Uint8Array, { maxOutputLength: number }, Uint8Array>(zlib.inflate),
}
export type Encoding = 'gzip' | 'deflate'
const deflaters: Record<Encoding, (body: Uint8Array) => Promise<Uint8Array>> = {
  gzip: promisify<Uint8Array, Uint8Array>(zlib.gzip),
  deflate: promisify<Uint8Array, Uint8Array>(zlib.deflate),
}

/** The body as it was before it was compressed. */
export async function inflate(body: Uint8Array, encoding: string | undefined, limit: number): Promise<Uint8Array> {
  if (encoding === undefined || encoding === 'identity') return body
  if (!Object.hasOwn(inflaters, encoding)) throw new WeftError('ERR_UNSUPPORTED', 'Content-Encoding is gzip, deflate or identity')
  try {
    return await inflaters[encoding as Encoding](body, { maxOutputLength: limit })
  } catch (error) {
    if ((error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE')
      throw tooLarge(`the body is larger than ${limit} bytes when it is inflated`)
    throw invalid(`the body is not ${encoding}`)
  }
}

/** How the client wants a reply to be compressed. */
export function wantedEncoding(accept: string | undefined): Encoding | undefined {
  if (accept === undefined) return undefined
  const accepted = accept.split(',').flatMap((part) => {
    const [name, ...parameters] = part.split(';').map((piece) => piece.trim().toLowerCase())
    return parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter)) ? [] : [name]
  })
  return accepted.includes('gzip') ? 'gzip' : accepted.includes('deflate') ? 'deflate' : undefined
}

export const deflate = (body: Uint8Array, encoding: Encoding): Promise<Uint8Array> => deflaters[encoding](body)
