// Models of ONNX files behind the model server, made in the program and loaded from a folder.
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { importOnnx, tensor, type Tensor } from '../../lib/index.js'
import { connect, serve } from '../../lib/serve/index.js'
import { close, values } from '../expect.js'
import { floats, inFolder, model, node, type Parts, port, write } from './build.js'

const parts: Parts = {
  nodes: [
    node('Conv', ['image', 'w'], ['c'], { pads: [1, 1, 1, 1] }),
    node('Relu', ['c'], ['r']),
    node('GlobalAveragePool', ['r'], ['p']),
    node('Flatten', ['p'], ['scores']),
  ],
  inputs: [port('image', ['n', 1, 4, 4])],
  outputs: [port('scores', ['n', 2])],
  tensors: [
    floats(
      'w',
      [2, 1, 3, 3],
      Array.from({ length: 18 }, (_, i) => Math.sin(i)),
    ),
  ],
}

test('the server has the names and shapes of the file, and its answers are those of predict()', () =>
  inFolder(async (folder) => {
    const net = await importOnnx(write(folder, model(parts)))
    const root = path.join(folder, 'models')
    mkdirSync(path.join(root, 'saved'), { recursive: true })
    await net.save(path.join(root, 'saved', '1'))
    const data = Float32Array.from({ length: 48 }, (_, i) => Math.cos(i))
    const expected = await values((await net.predict(tensor(data, [3, 1, 4, 4]))) as Tensor)
    for (const options of [{ models: { net } }, { repository: root }]) {
      const name = 'models' in options ? 'net' : 'saved'
      const server = await serve({ ...options, http: { port: 0 } })
      const client = await connect(server.address.http!)
      try {
        const { outputs } = await client.infer(name, { inputs: { image: tensor(data, [3, 1, 4, 4]) } })
        assert.equal(Object.keys(outputs), ['scores'])
        close(await (outputs['scores'] as Tensor).data(), expected, 1e-6)
      } finally {
        client.close()
        await server.close()
      }
    }
  }))

test.run()
