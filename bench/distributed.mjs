// What the exchange of gradients costs on two ranks with a limited network between them: each rank in a network
// namespace of its own, both on one bridge, with 1 Gbit/s (tc, tbf). Needs root, iproute2 and MPICH, whose ranks meet
// through their parent. A network of 6 × dense(1024): 25.2 MB of gradients a step.
// Usage: node bench/distributed.mjs [--rate 1gbit] [--steps 12]
import { execFileSync, spawnSync } from 'node:child_process'
import { writeFileSync, mkdtempSync, rmSync, chmodSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: { rate: { type: 'string', default: '1gbit' }, steps: { type: 'string', default: '12' }, rank: { type: 'string' } },
})

/** One rank: 'alone' is one process with its rows; 'after': one bucket; 'during': a bucket for each matrix. */
async function rankOf(how) {
  const { distributed, layers, optimizers, sequential, setSeed, tensor, callbacks } = await import('../dist/lib/index.js')
  const bucketBytes = how === 'after' ? 2 ** 30 : 4 * 1024 * 1024
  const { rank, size } = how === 'alone' ? { rank: 0, size: 1 } : await distributed.init({ bucketBytes, timeoutMs: 60_000 })
  const width = 1024
  const rows = 256
  const steps = Number(values.steps)
  setSeed(1)
  const net = sequential(
    Array.from({ length: 6 }, (_, i) =>
      layers.dense({ units: width, activation: 'relu', useBias: false, ...(i === 0 ? { inputShape: [width] } : {}) }),
    ),
  )
  net.compile({ optimizer: optimizers.adam({ learningRate: 1e-4 }), loss: 'meanSquaredError' })
  const x = tensor(
    Float32Array.from({ length: rows * size * steps * width }, (_, i) => Math.sin(i)),
    { shape: [rows * size * steps, width] },
  )
  const times = []
  let at = performance.now()
  const clock = callbacks.everyRank({
    onBatchEnd: () => {
      const now = performance.now()
      times.push(now - at)
      at = now
    },
  })
  await net.fit(x, x, { batchSize: rows * size, epochs: 1, verbose: 0, callbacks: [clock] })
  // the exchange alone, of as many bytes
  let alone = 0
  if (size > 1) {
    const all = tensor(new Float32Array(6 * width * width))
    const took = []
    for (let i = 0; i < 5; i++) {
      const begin = performance.now()
      await distributed.allReduce(all).data()
      took.push(performance.now() - begin)
    }
    alone = took.sort((a, b) => a - b)[2]
  }
  const warm = times.slice(3).sort((a, b) => a - b)
  if (rank === 0) console.log(JSON.stringify({ how, step: warm[warm.length >> 1], least: warm[0], exchange: alone }))
  if (size > 1) await distributed.close()
}

const ip = (...args) => execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'inherit'] })

/** Two namespaces on one bridge, which are gone afterwards. */
function withNetwork(fn) {
  const names = ['weft-r0', 'weft-r1', 'weft-bridge']
  const clean = () => names.forEach((name) => spawnSync('ip', ['netns', 'del', name]))
  clean()
  try {
    ip('netns', 'add', 'weft-bridge')
    ip('netns', 'exec', 'weft-bridge', 'ip', 'link', 'add', 'br0', 'type', 'bridge')
    ip('netns', 'exec', 'weft-bridge', 'ip', 'link', 'set', 'br0', 'up')
    for (const r of [0, 1]) {
      const inside = (...args) => ip('netns', 'exec', `weft-r${r}`, ...args)
      ip('netns', 'add', `weft-r${r}`)
      ip('link', 'add', `wv${r}`, 'type', 'veth', 'peer', 'name', `wp${r}`)
      ip('link', 'set', `wv${r}`, 'netns', `weft-r${r}`)
      ip('link', 'set', `wp${r}`, 'netns', 'weft-bridge')
      ip('netns', 'exec', 'weft-bridge', 'ip', 'link', 'set', `wp${r}`, 'master', 'br0', 'up')
      inside('ip', 'addr', 'add', `10.77.0.${r + 1}/24`, 'dev', `wv${r}`)
      inside('ip', 'link', 'set', `wv${r}`, 'up')
      inside('ip', 'link', 'set', 'lo', 'up')
      inside('tc', 'qdisc', 'add', 'dev', `wv${r}`, 'root', 'tbf', 'rate', values.rate, 'burst', '256kb', 'latency', '50ms')
    }
    return fn()
  } finally {
    clean()
  }
}

if (values.rank) await rankOf(values.rank)
else {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-network-'))
  const wrapper = path.join(folder, 'rank.sh')
  // a host name of its own for each rank, so that they meet over the network
  writeFileSync(wrapper, `#!/bin/sh\nexec ip netns exec weft-r$PMI_RANK unshare --uts sh -c "hostname weft-r$PMI_RANK; exec $*"\n`)
  chmodSync(wrapper, 0o755)
  const program = [process.execPath, import.meta.filename, '--steps', values.steps, '--rank']
  const env = { ...process.env, WEFT_THREADS: '1', WEFT_INTERFACE: '', UCX_TLS: 'tcp,self' }
  const told = (text) => JSON.parse(text.split('\n').find((line) => line.startsWith('{"how"')) ?? `{"failed":${JSON.stringify(text)}}`)
  try {
    const rows = withNetwork(() =>
      ['alone', 'after', 'during'].map((how) =>
        how === 'alone'
          ? told(execFileSync(program[0], [...program.slice(1), how], { env, encoding: 'utf8' }))
          : told(execFileSync('mpirun.mpich', ['-n', '2', wrapper, ...program, how], { env, encoding: 'utf8', timeout: 120_000 })),
      ),
    )
    const [alone, after, during] = rows
    console.log(`Two ranks, ${values.rate} between them, medians of ${Number(values.steps) - 3} steps, ms`)
    console.log(`  one process with the rows of one rank   ${alone.step.toFixed(1)}`)
    console.log(`  one exchange after the backward pass    ${after.step.toFixed(1)}   exposed ${(after.step - alone.step).toFixed(1)}`)
    console.log(`  buckets during the backward pass        ${during.step.toFixed(1)}   exposed ${(during.step - alone.step).toFixed(1)}`)
    console.log(`  the exchange alone, 25.2 MB             ${after.exchange.toFixed(1)}`)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
