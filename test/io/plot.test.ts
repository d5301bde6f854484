// plot: pictures of models, whatever their layers are named.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { input, layers, model, sequential } from '../../lib/index.js'
import { rejects } from '../expect.js'

const folder = await mkdtemp(path.join(os.tmpdir(), 'weft-'))
test.after(() => rm(folder, { recursive: true }))

const two = (): ReturnType<typeof model> => {
  const [a, b] = [input({ shape: [4], name: 'a' }), input({ shape: [4], name: '<b> & "co"\\' })]
  const shared = layers.dense({ units: 3, name: 'shared' })
  const h = shared.apply(a).add(shared.apply(b))
  return model({ inputs: [a, b], outputs: [layers.dense({ units: 2, name: 'out' }).apply(h), h] }) as never
}

test('a picture has every layer once, every call, and the shapes between them', async () => {
  const file = path.join(folder, 'two.svg')
  await two().plot(file)
  const text = await readFile(file, 'utf8')
  assert.match(text, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" width="[\d.]+" height="[\d.]+"/)
  // two inputs, two calls of the shared layer, add, out, two outputs
  assert.is(text.match(/<rect /g)!.length, 8)
  assert.is(text.match(/marker-end/g)!.length, 7)
  assert.match(text, />&#60;b&#62; &#38; &#34;co&#34;\\</)
  assert.match(text, />Dense, 15 parameters</)
  assert.not.match(text, /NaN|undefined|<b>/)
  // the tags close in the order in which they open
  const open: string[] = []
  for (const [, close, name, single] of text.matchAll(/<(\/?)([a-z]+)[^>]*?(\/?)>/g)) {
    if (close) assert.is(open.pop(), name)
    else if (!single) open.push(name!)
  }
  assert.equal(open, [])
})

test('text for Graphviz, and models in a row', async () => {
  const file = path.join(folder, 'row.dot')
  const net = sequential([layers.conv2d({ filters: 2, kernelSize: 3, inputShape: [null, 8, 1] }), layers.globalMaxPooling2d()], {
    name: 'a "row"',
  })
  await net.plot(file, { rankDir: 'LR' })
  const text = await readFile(file, 'utf8')
  assert.match(text, /^digraph "a \\"row\\"" \{\n {2}rankdir=LR;/)
  assert.match(
    text,
    /"input" -> "layer0" \[label="\? × 8 × 1"\];\n {2}"layer0" -> "layer1" \[label="\? × 6 × 2"\];\n {2}"layer1" -> "output" \[label="2"\];/,
  )
  assert.match(text, /\[label="conv2d\\nConv2d, 20 parameters"\]/)
  await rejects('ERR_ARGUMENT', /ends neither in \.svg/, net.plot(path.join(folder, 'net.png')))
  await rejects('ERR_ARGUMENT', /rankDir/, net.plot(file, { rankDir: 'up' as never }))
})

test.run()
