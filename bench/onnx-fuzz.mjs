// Mutated ONNX files: each gives a model or a WeftError, in bounded time and memory. Seeds are the models of ONNX's own
// test suite (Debian's package libonnx-testdata).
// Usage: npm run --silent build:ts && node bench/onnx-fuzz.mjs [files] [seed]
import { readdirSync, readFileSync } from 'node:fs'
import { tensor, WeftError } from '../dist/lib/index.js'
import { checkModel } from '../dist/lib/onnx/import/checked_model.js'
import { OnnxModel } from '../dist/lib/onnx/import/onnx_model.js'
import { parseModel } from '../dist/lib/onnx/model_file.js'
import { storedTensor } from '../dist/lib/onnx/stored_tensor.js'

const ROOT = '/usr/share/libonnx-testdata/data'
const count = Number(process.argv[2] ?? 20_000)
let state = Number(process.argv[3] ?? 1)
const random = () => {
  state = (Math.imul(state, 1664525) + 1013904223) | 0
  return (state >>> 0) / 2 ** 32
}
const whole = (limit) => Math.floor(random() * limit)

const seeds = ['node', 'simple', 'pytorch-operator', 'pytorch-converted'].flatMap((folder) =>
  readdirSync(`${ROOT}/${folder}`).map((name) => readFileSync(`${ROOT}/${folder}/${name}/model.onnx`)),
)
const small = seeds.filter((bytes) => bytes.length < 100_000)

/** A file with a few bytes changed, removed, repeated or taken from another file. */
function mutated() {
  let bytes = Buffer.from(small[whole(small.length)])
  for (let times = 1 + whole(4); times > 0; times--) {
    const at = whole(bytes.length)
    const kind = whole(6)
    if (kind <= 2) bytes[at] = [0, 1, 0x7f, 0x80, 0xff, whole(256)][whole(6)]
    else if (kind === 3) bytes = bytes.subarray(0, at)
    else if (kind === 4) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + whole(8))])
    else {
      const other = small[whole(small.length)]
      const from = whole(other.length)
      bytes = Buffer.concat([bytes.subarray(0, at), other.subarray(from, from + whole(64)), bytes.subarray(at)])
    }
    if (bytes.length === 0) return bytes
  }
  return bytes
}

const outcomes = new Map()
const note = (outcome) => outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
let longest = 0
let largest = 0
for (let i = 0; i < count; i++) {
  const bytes = mutated()
  const begin = performance.now()
  try {
    const checked = checkModel(parseModel(bytes, `file ${i}`), `file ${i}`)
    const net = new OnnxModel(checked, ({ tensor: stored, name }) => storedTensor(stored, name))
    note('a model')
    try {
      // data of the declared shapes, each unknown extent 2
      const data = checked.inputs.map(({ shape, dtype }) => {
        const extents = shape.map((extent) => extent ?? 2)
        const size = extents.reduce((a, b) => a * b, 1)
        if (size > 100_000) throw new WeftError('ERR_SHAPE', 'too large for this test')
        return tensor(new Float32Array(size).fill(1), { shape: extents.length === 0 ? [1] : extents }).cast(dtype)
      })
      await net.predict(data.length === 1 ? data[0] : Object.fromEntries(data.map((t, k) => [checked.inputs[k].name, t])))
      note('predicts')
    } catch (error) {
      if (!(error instanceof WeftError)) throw error
      note(`predict: ${error.code}`)
    }
    net.dispose()
  } catch (error) {
    if (!(error instanceof WeftError)) {
      console.error(`file ${i} (seed ${process.argv[3] ?? 1}): ${error.stack}`)
      note('FAILED')
    } else note(error.code)
  }
  const took = performance.now() - begin
  if (took > 2000) console.log(`file ${i} took ${took.toFixed(0)} ms`)
  longest = Math.max(longest, took)
  if (i % 500 === 0) largest = Math.max(largest, process.memoryUsage().rss)
}
console.log(`${count} files: ${[...outcomes].map(([outcome, n]) => `${n} ${outcome}`).join(', ')}`)
console.log(`longest ${longest.toFixed(0)} ms, most memory ${(largest / 2 ** 20).toFixed(0)} MiB`)
process.exitCode = outcomes.has('FAILED') ? 1 : 0
