// Ports that a process started a moment later can listen at.
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

/** Below the ports that Linux gives to outgoing connections and to whoever listens at 0 (32,768 and above). */
const [LOWEST, HIGHEST] = [20_000, 32_000]

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port)
  try {
    await once(server, 'listening')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false
    throw error // no other port would do either
  }
  server.close()
  await once(server, 'close')
  return true
}

/**
 * The first of `count` ports of this host, one after the other, at which nobody listens now. They are no ports that the
 * system gives away by itself: a connection of somebody else could take such a port before it is used.
 */
export async function freePorts(count: number): Promise<number> {
  for (;;) {
    const first = randomInt(LOWEST, HIGHEST)
    let free = 0
    while (free < count && (await isFree(first + free))) free++
    if (free === count) return first
  }
}
