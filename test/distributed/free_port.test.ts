// Ports for processes that are started a moment later.
import { once } from 'node:events'
import { createServer, Server } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { freePorts } from '../../lib/distributed/free_port.js'
import { codeOfAsync } from '../expect.js'

test('ports follow one another, nobody listens there, and the system gives none of them away', async () => {
  const first = await freePorts(3)
  assert.ok(first >= 20_000 && first + 2 < 32_768, `${first}`)
  for (const i of [0, 1, 2]) {
    const server = createServer().listen(first + i)
    await once(server, 'listening')
    server.close()
  }
})

test('where no port can be had at all, nobody looks for one for ever', async () => {
  const { listen } = Server.prototype
  try {
    Server.prototype.listen = function refused(this: Server): Server {
      setImmediate(() => this.emit('error', Object.assign(new Error('listen EPERM'), { code: 'EPERM' })))
      return this
    } as typeof listen
    assert.is(await codeOfAsync(freePorts(1)), 'EPERM')
  } finally {
    Server.prototype.listen = listen
  }
})

test.run()
