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
const machine = process.arch === 'x64' ? { avx512: 'native', avx2: 'x86-64-v3', portable: 'x86-64' }[peerLevel] : 'native'

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
      execFileSync('g++', ['-O3', `-march=${machine}`, '-std=c++20', '-pthread', '-o', program, source], {
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

  /** The sides of a comparison and the peak among them. */
  beside(sides) {
    return this.#side === undefined ? sides : { ...sides, peak: () => this.#side.request({}) }
  }

  /**
   * What the figures of one comparison say when one repetition takes `operations` additions and multiplications at
   * least: GFLOP/s of the peak and of both sides, their shares of it, and the largest ratio to the peer that the peak
   * allows.
   */
  compare({ peak, weft }, peer, operations) {
    if (peak === undefined) return undefined
    this.#rounds.push(...peak.rounds)
    // a round's figure is the time of 10⁹ operations
    const gflops = 1e6 / peak.median
    const [own, other] = [weft, peer].map(({ median }) => operations / (median * 1000))
    return {
      operations,
      gflops,
      measured: own,
      peer: other,
      share: own / gflops,
      peerShare: other / gflops,
      largestRatio: gflops / other,
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
