// Ranks that meet with another version of the package on the last one. Each says what init() rejects with.
import { register } from 'node:module'
import type { WeftError } from '../../../lib/core/error.js'
import { heard, say } from './say.js'

const rank = Number(process.env['OMPI_COMM_WORLD_RANK'] ?? process.env['PMI_RANK'] ?? process.env['RANK'])
const size = Number(process.env['OMPI_COMM_WORLD_SIZE'] ?? process.env['PMI_SIZE'] ?? process.env['WORLD_SIZE'])
if (rank === size - 1) {
  const hooks = `export const load = (url, context, next) => url.endsWith('/core/version.js')
    ? { format: 'module', shortCircuit: true, source: "export const packageVersion = () => '9.9.9'" }
    : next(url, context)`
  register(`data:text/javascript,${encodeURIComponent(hooks)}`)
}
const distributed = await import('../../../lib/distributed/index.js')
await distributed.init({ timeoutMs: 60_000 }).catch(({ code, message }: WeftError) => say(rank, { code, message }))
await heard(size)
