// Runs a compiled example by name: node scripts/example.mjs [--default 'name arguments'] [name] [arguments].
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const folder = path.join(import.meta.dirname, '..', 'dist', 'examples')
const args = process.argv.slice(2)
const [fallback, ...defaults] = args[0] === '--default' ? args.splice(0, 2)[1].split(' ') : []
const isNamed = args[0]?.startsWith('-') === false
const name = isNamed ? args.shift() : fallback
if (!isNamed) args.unshift(...defaults)
const file = [name, `${name}-cnn`].map((base) => path.join(folder, `${base}.js`)).find((candidate) => existsSync(candidate))
if (file === undefined) {
  const known = existsSync(folder) ? readdirSync(folder).flatMap((entry) => (entry.endsWith('.js') ? [entry.slice(0, -3)] : [])) : []
  console.error(name === undefined ? 'Name an example.' : `There is no example '${name}'.`)
  console.error(`Examples: ${known.sort().join(', ')}`)
  process.exit(2)
}
process.argv = [process.argv[0], file, ...args]
await import(pathToFileURL(file).href)
