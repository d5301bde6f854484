// Records what TensorFlow.js computes for examples/tfjs/*.js (test/tfjs/recorded.json): losses of the same programs.
// Usage: npm run --silent build:ts && node test/tfjs/record.mjs, where bench/node_modules has @tensorflow/tfjs.
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { given, PROGRAMS } from '../../dist/test/tfjs/given.js'

const tf = createRequire(path.join(import.meta.dirname, '..', '..', 'bench', 'package.json'))('@tensorflow/tfjs')
await tf.setBackend('cpu')
const values = await given()
const recorded = { version: tf.version.tfjs }
for (const name of PROGRAMS) {
  const { run } = await import(`../../examples/tfjs/${name}.js`)
  recorded[name] = (await run(tf, values)).map((value) => Number(value.toPrecision(7)))
}
writeFileSync(path.join(import.meta.dirname, 'recorded.json'), `${JSON.stringify(recorded)}\n`)
