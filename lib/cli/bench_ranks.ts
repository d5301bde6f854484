// weftjs bench allReduce: what an exchange costs between the ranks of a run, per size, beside a model of two numbers.
import os from 'node:os'
import { UsageError } from './command.js'

export interface AllReduceRow {
  bytes: number
  /** Per call: of every round the time of the slowest rank, in order. */
  microseconds: number[]
  /** What the model says, in µs. */
  model: number
}

export interface AllReduceReport {
  version: string
  engine: string
  /** Of the engine's library. */
  library: string | undefined
  /** The host of each rank. */
  hosts: string[]
  /** Microseconds of a message, and of a byte, between two ranks: α and β of the model. */
  alpha: number
  beta: number
  rows: AllReduceRow[]
}

const SIZES = [4, 1024, 2 ** 14, 2 ** 16, 2 ** 18, 2 ** 20, 2 ** 22, 10_000_000, 25_000_000, 100_000_000]

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!

/**
 * α and β, in microseconds, from times of all-reduces between `ranks` ranks: of t = 2 ⌈log₂ N⌉ α + 2 (N − 1) / N ·
 * bytes · β the ones, none negative, with the least squares of relative errors. A short message is sent along a tree, a
 * long one around a ring (Thakur, Rabenseifner and Gropp 2005, Optimization of Collective Communication Operations in
 * MPICH). Where other work disturbs a round, one of the two may be 0; the other then explains the times alone.
 */
export function alphaBeta(ranks: number, times: readonly { bytes: number; microseconds: number }[]): { alpha: number; beta: number } {
  const [a, b] = [2 * Math.ceil(Math.log2(ranks)), (2 * (ranks - 1)) / ranks]
  let [aa, ab, bb, ta, tb] = [0, 0, 0, 0, 0]
  for (const { bytes, microseconds } of times) {
    const [x, y] = [a / microseconds, (b * bytes) / microseconds]
    aa += x * x
    ab += x * y
    bb += y * y
    ta += x
    tb += y
  }
  const determinant = aa * bb - ab * ab
  const [alpha, beta] = [(ta * bb - tb * ab) / determinant, (tb * aa - ta * ab) / determinant]
  if (alpha < 0) return { alpha: 0, beta: tb / bb }
  return beta < 0 ? { alpha: ta / aa, beta: 0 } : { alpha, beta }
}

/** Microseconds of an all-reduce, as the model says. */
export const modelled = (ranks: number, bytes: number, { alpha, beta }: { alpha: number; beta: number }): number =>
  2 * Math.ceil(Math.log2(ranks)) * alpha + ((2 * (ranks - 1)) / ranks) * bytes * beta

/** '64 KiB', '25 MB'. */
function size(bytes: number): string {
  if (bytes >= 1e6 && bytes % 1e6 === 0) return `${bytes / 1e6} MB`
  return bytes >= 2 ** 20 ? `${bytes / 2 ** 20} MiB` : bytes >= 1024 ? `${bytes / 1024} KiB` : `${bytes} B`
}

const digits = (value: number): string => value.toFixed(value < 10 ? 2 : value < 1000 ? 1 : 0)

/** The hosts with their ranks: 'a (0, 1), b (2, 3)'. */
function places(hosts: readonly string[]): string {
  return [...new Set(hosts)].map((host) => `${host} (${hosts.flatMap((one, rank) => (one === host ? [rank] : [])).join(', ')})`).join(', ')
}

export interface AllReduceOptions {
  quick: boolean
  json: boolean
  engine?: string
  /** Bytes of each row; default: from 4 to 100,000,000. */
  sizes?: readonly number[]
}

export async function benchAllReduce(version: string, options: AllReduceOptions): Promise<number> {
  const { distributed, jit, synchronize, variable, zeros } = await import('../index.js')
  const world = await distributed.init(options.engine === undefined ? {} : { engine: options.engine as 'auto' })
  if (world.size === 1)
    throw new UsageError(
      'bench allReduce measures ranks, and this process is alone. Write npx weftjs bench allReduce -n 2; between hosts ' +
        'npx weftjs run --hosts a:1,b:1 node_modules/.bin/weftjs bench allReduce',
    )
  const hosts = await distributed.gatherJson(os.hostname())
  const times: { bytes: number; microseconds: number[] }[] = []
  for (const bytes of options.sizes ?? (options.quick ? SIZES.filter((bytes) => bytes <= 2 ** 20) : SIZES)) {
    // summed in place, as gradients are: memory that is new each time would be part of the figure
    const values = variable(zeros([bytes / 4]))
    const summed = jit(() => values.assign(distributed.allReduce(values)))
    /** Milliseconds of so many calls, of the slowest rank. */
    const timed = async (count: number): Promise<number> => {
      await distributed.barrier()
      const begin = performance.now()
      for (let i = 0; i < count; i++) summed()
      await synchronize()
      return Math.max(...(await distributed.gatherJson(performance.now() - begin)))
    }
    await timed(3)
    // all ranks know the same time, so they count alike
    const count = Math.ceil(Math.min(1000, Math.max(1, (options.quick ? 5 : 50) / ((await timed(3)) / 3))))
    const microseconds: number[] = []
    for (let round = 0; round < (options.quick ? 3 : 5); round++) microseconds.push(((await timed(count)) * 1000) / count)
    times.push({ bytes, microseconds })
    values.dispose()
  }
  const fitted = alphaBeta(
    world.size,
    times.map(({ bytes, microseconds }) => ({ bytes, microseconds: median(microseconds) })),
  )
  const rows = times.map((row) => ({ ...row, model: modelled(world.size, row.bytes, fitted) }))
  const report: AllReduceReport = { version, engine: world.engine, library: world.version, hosts, ...fitted, rows }
  if (world.rank === 0) process.stdout.write(options.json ? `${JSON.stringify(report, undefined, 2)}\n` : table(report))
  await distributed.close()
  return 0
}

function table({ version, engine, library, hosts, alpha, beta, rows }: AllReduceReport): string {
  const cells = (...texts: string[]): string => texts.map((text, i) => text.padStart([9, 12, 12, 12, 10, 10][i]!)).join('')
  const ranks = hosts.length
  const rate = beta === 0 ? 'no time a byte that these sizes show' : `1 / β = ${digits(1 / beta / 1000)} GB/s`
  return `${[
    `weftjs ${version}: sum of float32 over ${ranks} ranks, ${engine}${library === undefined ? '' : `: ${library}`}`,
    `  ranks: ${places(hosts)}`,
    cells('size', 'µs', 'least', 'most', 'GB/s', 'model, µs'),
    ...rows.map(({ bytes, microseconds, model }) =>
      cells(
        size(bytes),
        ...[median(microseconds), Math.min(...microseconds), Math.max(...microseconds)].map(digits),
        digits(bytes / median(microseconds) / 1000),
        digits(model),
      ),
    ),
    `model: 2 ⌈log₂ N⌉ α + 2 (N − 1) / N · bytes · β, with α = ${digits(alpha)} µs a message, ${rate} between two ranks`,
  ].join('\n')}\n`
}
