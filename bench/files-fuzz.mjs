// Mutated files of models and tokenizers, as many as asked for (default 200,000): saved models, safetensors,
// TensorFlow.js, Keras, tokenizer.json. Ends with 1 at the first that neither loads nor is a WeftError, and at one that
// takes too long.
// Usage: node files-fuzz.mjs [count] [seed]
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { fuzzFiles } from '../dist/test/io/mutated_files.js'

const [count, seed] = [Number(process.argv[2] ?? 200_000), Number(process.argv[3] ?? Date.now() % 1e6)]
console.log(`seed ${seed}`)
const folder = await mkdtemp(path.join(os.tmpdir(), 'weft-fuzz-'))
const begin = performance.now()
const loaded = await fuzzFiles(count, seed, folder, path.join(import.meta.dirname, '..', 'test', 'io'), console.log)
console.log(
  `${count} files in ${((performance.now() - begin) / 1000).toFixed(0)} s; loaded: ${[...loaded].map((pair) => pair.join(' ')).join(', ')}`,
)
await rm(folder, { recursive: true })
