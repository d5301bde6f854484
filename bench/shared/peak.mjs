// The processor's peak as one more side of a comparison, and how near the others come to it.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { summarize } from './measure.mjs'
import { peerLevel, Side } from './side.mjs'

const source = fileURLToPath(new URL('../peers/peak.cc', import.meta.url))
const milliseconds = 50
const machines = {
  avx512: ['-march=native', '-mprefer-vector-width=512'],
  avx2: ['-march=x86-64-v3'],
  portable: ['-march=x86-64'],
}
const machine = process.arch === 'x64' ? machines[peerLevel] : ['-march=native']

/**
 * Float32 multiply-adds on so many threads; its clock changes from moment to moment, so it takes its turn in the rounds
 * of every comparison.
 */
export class Peak {
  #side
  #threads
  #rounds = []

  /** Compiles the program for this processor. Without a compiler there is no peak, and rows go without. */
  static async start(threads) {
    const peak = new Peak()
    peak.#threads = threads
    const folder = mkdtempSync(join(tmpdir(), 'weft-bench-peak-'))
    const program = join(folder, 'peak')
    try {
      execFileSync('g++', ['-O3', ...machine, '-fno-math-errno', '-std=c++20', '-pthread', '-o', program, source], {
        stdio: ['ignore', 'inherit', 'inherit'],
      })
      peak.#side = new Side('peak', program, [String(threads), String(milliseconds)], {})
      await peak.#side.request({})
    } catch (error) {
      console.error(`no peak is measured: ${error.message}`)
      peak.#side = undefined
    } finally {
      rmSync(folder, { recursive: true })
    }
    return peak
  }

  /**
   * The sides of a comparison and the peak among them. What goals.mjs says of the row is timed in the same rounds, as
   * peers/peak.cc does it: `rest`, what comes beside the products, one request or several; `hidden`, what goes on while
   * they are computed; `products`, a list, the products themselves with factors that come from the caches.
   */
  beside(sides, rest, hidden, products) {
    if (this.#side === undefined) return sides
    const own = { peak: () => this.#side.request({}) }
    if (rest !== undefined) own.rest = this.#sumOfBest([rest].flat())
    if (hidden !== undefined) own.hidden = () => this.#side.request(hidden)
    if (products !== undefined) own.products = this.#sumOfBest(products)
    return { ...sides, ...own }
  }

  /** The sum over some requests, each in its best round so far. */
  #sumOfBest(requests) {
    const best = requests.map(() => ({ microseconds: Infinity, processor: Infinity }))
    const sumOf = (clock) => best.reduce((sum, time) => sum + time[clock], 0)
    return async () => {
      for (const [i, request] of requests.entries()) {
        const time = await this.#side.request(request)
        for (const clock of Object.keys(best[i])) best[i][clock] = Math.min(best[i][clock], time[clock])
      }
      return { microseconds: sumOf('microseconds'), processor: sumOf('processor') }
    }
  }

  /**
   * What the figures of one comparison say when one repetition takes `operations` additions and multiplications at
   * least: GFLOP/s of the peak in its best round, and of both sides; their shares of it; the time of what is no
   * product; and the largest ratio to the peer that the machine allows. Row and bound are made of the best of the same
   * rounds by the wall clock. A row that is faster than the sum of products and rest shows that the processor does both
   * at a time: then the longer of the two alone is the bound. Products that were timed with factors from the caches
   * count in place of those at the peak, unless the row is faster than they allow. `apart`: the operations that `rest`
   * does not do itself; default: all. `calls` is a side that does all of a call but its computing.
   */
  compare({ peak, weft, rest, hidden, products: loaded, calls }, peer, operations, apart = operations) {
    if (peak === undefined) return undefined
    this.#rounds.push(...peak.rounds)
    // a round's figure is the time of 10⁹ operations
    const gflops = 1e6 / peak.minimum
    const [own, other] = [weft, peer].map(({ minimum }) => operations / (minimum * 1000))
    const [products, others] = [Math.max((apart / 1e9) * peak.minimum, hidden?.minimum ?? 0), rest?.minimum ?? 0]
    const around = calls?.minimum ?? 0
    // where most of the time goes to memory, the products fit into it
    const fits = apart === operations && others > products
    const least = [(loaded?.minimum ?? Infinity) + others, fits ? others : products + others, Math.max(products, others)]
      .map((time) => time + around)
      .find((time) => time < weft.minimum)
    return {
      operations,
      gflops,
      measured: own,
      peer: other,
      share: own / gflops,
      peerShare: other / gflops,
      rest: rest === undefined && calls === undefined ? undefined : others + around,
      loaded: loaded?.minimum,
      largestRatio: least === undefined ? undefined : peer.minimum / least,
    }
  }

  /** Adds the row of the peak itself, over all rounds, and ends its process. */
  close(report) {
    if (this.#rounds.length > 0) {
      const raw = summarize(this.#rounds.map((microseconds) => 1e6 / microseconds))
      report.row({
        name: `peak: float32 multiply-adds on ${this.#threads} thread(s)`,
        measured: raw.median,
        unit: 'GFLOP/s',
        value: raw.median,
        raw,
      })
    }
    this.#side?.close()
  }
}
