// sharp, which reads and writes pictures: an optional package, looked for when it is first needed.
import { WeftError } from '../core/error.js'

/** What is used of it. https://sharp.pixelplumbing.com */
export interface Pipeline {
  metadata(): Promise<{ width: number; height: number; hasAlpha: boolean }>
  rotate(): Pipeline
  toColourspace(space: string): Pipeline
  flatten(options: { background: Colour }): Pipeline
  ensureAlpha(): Pipeline
  removeAlpha(): Pipeline
  resize(options: {
    width: number
    height: number
    fit: 'fill' | 'cover' | 'contain'
    kernel: string
    fastShrinkOnLoad: boolean
    background: Colour
  }): Pipeline
  raw(options: { depth: string }): Pipeline
  png(): Pipeline
  jpeg(options: Quality): Pipeline
  webp(options: Quality & { lossless: boolean }): Pipeline
  toBuffer(): Promise<Uint8Array>
  toBuffer(options: { resolveWithObject: true }): Promise<{ data: Uint8Array; info: { width: number; height: number; channels: number } }>
}
interface Quality {
  quality?: number
}
export interface Colour {
  readonly r: number
  readonly g: number
  readonly b: number
  readonly alpha: number
}
interface Settings {
  failOn?: string
  limitInputPixels?: number
  raw?: { width: number; height: number; channels: number }
}
type Sharp = (bytes: Uint8Array, settings: Settings) => Pipeline

let found: Promise<Sharp> | undefined

/** The package; ERR_STATE where it is not installed. */
export async function sharpFor(what: string): Promise<Sharp> {
  found ??= import('sharp' as string).then((module: { default: Sharp }) => module.default)
  try {
    return await found
  } catch (cause) {
    found = undefined
    const missing = (cause as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND'
    const why = missing ? 'is not installed' : `cannot be used: ${(cause as Error).message.split('\n')[0]}`
    throw new WeftError('ERR_STATE', `${what}: pictures are read and written by the package sharp, which ${why}`, {
      cause,
      hint: 'Run npm install sharp',
    })
  }
}
