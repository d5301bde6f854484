// Loads the addon: the build of a source tree, or the prebuilt one that fits this machine.
import { createRequire } from 'node:module'
import path from 'node:path'
import { type ErrorCode, WeftError } from './error.js'
import type { Native } from './native.js'

const require = createRequire(import.meta.url)
/** @internal The folder of the package. */
export const root: string = path.dirname(require.resolve('weftjs/package.json'))

/** The platform as prebuilds are named, with the C library where it matters. */
function platform(): string {
  const name = `${process.platform}-${process.arch}`
  if (process.platform !== 'linux') return name
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } }
  return header.glibcVersionRuntime === undefined ? `${name} (musl)` : `${name} (glibc ${header.glibcVersionRuntime})`
}

function load(): Native {
  try {
    return (require('node-gyp-build') as (folder: string) => Native)(root)
  } catch (error) {
    const { weftCode, message } = error as Error & { weftCode?: ErrorCode }
    if (weftCode !== undefined) throw new WeftError(weftCode, message)
    const none = message.startsWith('No native build was found')
    const reason = none ? 'the package brings none that fits' : message
    throw new WeftError('ERR_NO_DEVICE', `weftjs has no addon for ${platform()}, Node ${process.versions.node}: ${reason}`, {
      hint: 'Build it here: npx weftjs build (with a C++20 compiler and CMake: apt-get install g++ cmake make)',
      cause: error,
    })
  }
}

/** @internal The file of the addon: libraries that it opens lie beside it. */
export const addonFile = (): string => (require('node-gyp-build') as { resolve: (folder: string) => string }).resolve(root)

/** @internal The addon. */
export const native: Native = load()
