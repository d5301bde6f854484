// Versions that are exchanged and rolled back while they are asked. WEFT_TEST_WIDE=1: 200 and 50 times.
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { connect, serve } from '../../lib/serve/index.js'
import { scaling, scratch } from './models.js'

const { folder, remove } = scratch()
test.after(remove)
const wide = process.env['WEFT_TEST_WIDE'] === '1'
const [SWAPS, ROLLBACKS] = wide ? [200, 50] : [40, 10]
const CLIENTS = 8

test(`${SWAPS} exchanges and ${ROLLBACKS} rollbacks under load: no request fails, none is answered by a wrong version`, async () => {
  const root = path.join(folder, 'models')
  mkdirSync(root)
  for (let version = 1; version <= 4; version++) {
    const net = scaling(version)
    await net.save(path.join(root, 'm', `${version}`))
    net.dispose()
  }
  const write = (settings: object): void => {
    const file = path.join(root, 'm', 'serve.json')
    writeFileSync(`${file}.new`, JSON.stringify(settings))
    renameSync(`${file}.new`, file)
  }
  write({ versionPolicy: { specific: [1] } })
  const server = await serve({ repository: root, http: { port: 0 }, grpc: { port: 0 }, batching: { maxBatchSize: 4 } })
  // what may answer now: during a change the old and the new one
  const allowed = [new Set(['1'])]
  let done = false
  let answers = 0
  const wrong: string[] = []
  const clients = await Promise.all(
    Array.from({ length: CLIENTS }, (_, i) => connect((i % 2 === 0 ? server.address.http : server.address.grpc)!, { retries: 0 })),
  )
  const loads = clients.map(async (client, i) => {
    while (!done) {
      const before = allowed.length - 1
      try {
        const { outputs, version } = await client.infer('m', { inputs: { x: [[1, i]] } })
        const values = ((await outputs['y']!.array()) as number[][])[0]
        // where this client stood still, there may be several changes behind it
        const possible = new Set(allowed.slice(before).flatMap((versions) => [...versions]))
        if (values!.join() !== [Number(version), Number(version) * i].join()) wrong.push(`version ${version} gave ${values}`)
        if (!possible.has(version)) wrong.push(`version ${version} answered, ${[...possible]} may`)
        answers++
      } catch (error) {
        wrong.push(String(error))
      }
    }
  })
  const change = async (to: string, settings: object): Promise<void> => {
    allowed.push(new Set([...allowed.at(-1)!, to]))
    write(settings)
    await server.refresh()
    allowed.push(new Set([to]))
  }
  const begun = answers
  for (let swap = 0; swap < SWAPS; swap++) {
    const version = (swap % 4) + 1
    await change(`${version}`, { versionPolicy: { specific: [version] } })
    // some answers between the changes
    const from = answers
    while (answers < from + 2 && wrong.length === 0) await new Promise(setImmediate)
  }
  await change('1', { versionPolicy: 'all', labels: { stable: 1 } })
  for (let move = 0; move < ROLLBACKS; move++) {
    const version = move % 2 === 0 ? 4 : 1
    await change(`${version}`, { versionPolicy: 'all', labels: { stable: version } })
    const from = answers
    while (answers < from + 2 && wrong.length === 0) await new Promise(setImmediate)
  }
  done = true
  await Promise.all(loads)
  assert.equal(wrong.slice(0, 5), [])
  assert.ok(answers - begun >= 2 * (SWAPS + ROLLBACKS), `${answers} answers`)
  for (const client of clients) client.close()
  await server.close()
})

test.run()
