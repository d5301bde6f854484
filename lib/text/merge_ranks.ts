// MergeRanks: pairs of tokens in the order in which byte-pair encoding merges them (Sennrich et al. 2016).
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { Heap } from './heap.js'

export type Merge = readonly [left: string, right: string]

export class MergeRanks {
  readonly merges: readonly Merge[]
  /** Ranks of the pairs that merge, by left id · width + right id. */
  private readonly ranks = new Map<number, number>()
  /** The id that the merge of a rank gives. */
  private readonly results: Int32Array
  private readonly width: number

  /** @param width more than the largest id */
  constructor(ids: ReadonlyMap<string, number>, width: number, merges: readonly Merge[]) {
    this.merges = merges
    this.width = width
    this.results = new Int32Array(merges.length)
    for (const [rank, [left, right]] of merges.entries()) {
      const [a, b, whole] = [ids.get(left), ids.get(right), ids.get(left + right)]
      if (a === undefined || b === undefined || whole === undefined) {
        throw new WeftError('ERR_FORMAT', `merge ${rank} of the tokenizer, ${show([left, right])}, is not of tokens in its vocabulary`)
      }
      const pair = a * this.width + b
      if (!this.ranks.has(pair)) this.ranks.set(pair, rank)
      this.results[rank] = whole
    }
  }

  /**
   * Merges the pair of lowest rank, the leftmost first, until no pair has one. The symbols form a list linked by `next`
   * and `previous`.
   */
  merge(symbols: Int32Array): number[] {
    const count = symbols.length
    const next = Int32Array.from(symbols, (_, i) => i + 1)
    const previous = Int32Array.from(symbols, (_, i) => i - 1)
    // rank of each symbol with its neighbour to the right
    const rankAt = new Int32Array(count).fill(-1)
    const heap = new Heap<number>((a, b) => a < b)
    const update = (i: number): void => {
      const right = next[i]!
      const rank = right < count ? (this.ranks.get(symbols[i]! * this.width + symbols[right]!) ?? -1) : -1
      rankAt[i] = rank
      if (rank >= 0) heap.push(rank * 2 ** 32 + i)
    }
    for (let i = 0; i + 1 < count; i++) update(i)
    for (let lowest = heap.pop(); lowest !== undefined; lowest = heap.pop()) {
      const i = lowest % 2 ** 32
      const rank = (lowest - i) / 2 ** 32
      // the pair has changed since
      if (rankAt[i] !== rank) continue
      const right = next[i]!
      symbols[i] = this.results[rank]!
      rankAt[right] = -1
      next[i] = next[right]!
      if (next[i]! < count) previous[next[i]!] = i
      update(i)
      if (previous[i]! >= 0) update(previous[i]!)
    }
    const ids: number[] = []
    for (let i = 0; i < count; i = next[i]!) ids.push(symbols[i]!)
    return ids
  }
}
