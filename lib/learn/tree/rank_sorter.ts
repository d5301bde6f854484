// Sorts the rows of a node by their ranks in a feature: few rows by insertion, more by counting their digits.
import type { Ranks } from './ranked.js'

/** Up to so many rows insertion is faster than clearing counters. Below 64: rank · 64 + place is 32 bits. */
const FEW = 40
const DIGIT = 256

export class RankSorter {
  /** The rank of each row of the node. */
  readonly keys: Int32Array
  /** The rows of the node, as places in `keys`, by their ranks: the first of equal ones first. */
  places: Int32Array
  private spare: Int32Array
  private readonly counts = new Int32Array(DIGIT)
  private readonly packed = new Int32Array(FEW)
  private readonly few: number
  private counted = false
  private most = 0

  /**
   * @param most the most rows that a node has
   * @param rows of the data; no rank is larger
   */
  constructor(most: number, rows: number) {
    this.few = rows < 2 ** 25 ? FEW : 0
    this.keys = new Int32Array(most)
    this.places = new Int32Array(most)
    this.spare = new Int32Array(most)
  }

  /**
   * Reads the ranks of rows; returns whether there are different ones.
   * @param different how many ranks the feature has
   */
  gather(ranks: Ranks, base: number, rows: Int32Array, count: number, different: number): boolean {
    this.counted = count > this.few && different <= DIGIT
    return this.counted ? this.gatherCounted(ranks, base, rows, count, different) : this.gatherOnly(ranks, base, rows, count)
  }

  private gatherOnly(ranks: Ranks, base: number, rows: Int32Array, count: number): boolean {
    const { keys } = this
    const first = ranks[base + rows[0]!]!
    let different = 0
    for (let i = 0; i < count; i++) {
      const key = ranks[base + rows[i]!]!
      keys[i] = key
      different |= key ^ first
    }
    return different !== 0
  }

  /** Ranks of one digit are counted as they are read. */
  private gatherCounted(ranks: Ranks, base: number, rows: Int32Array, count: number, different: number): boolean {
    const { keys, counts } = this
    counts.fill(0, 0, different)
    for (let i = 0; i < count; i++) {
      const key = ranks[base + rows[i]!]!
      keys[i] = key
      counts[key]!++
    }
    this.most = different
    return counts[keys[0]!] !== count
  }

  sort(count: number): void {
    if (count <= this.few) this.insert(count)
    else if (this.counted) this.scatter(count)
    else this.digits(count)
  }

  private scatter(count: number): void {
    const { keys, counts, places, most } = this
    let sum = 0
    for (let digit = 0; digit < most; digit++) {
      const own = counts[digit]!
      counts[digit] = sum
      sum += own
    }
    for (let i = 0; i < count; i++) places[counts[keys[i]!]!++] = i
  }

  private insert(count: number): void {
    const { keys, places, packed } = this
    for (let i = 0; i < count; i++) {
      // rank and place in one number
      const own = keys[i]! * 64 + i
      let at = i
      while (at > 0 && packed[at - 1]! > own) {
        packed[at] = packed[at - 1]!
        at--
      }
      packed[at] = own
    }
    for (let p = 0; p < count; p++) places[p] = packed[p]! & 63
  }

  private digits(count: number): void {
    const { keys, counts } = this
    let low = keys[0]!
    let high = low
    for (let i = 1; i < count; i++) {
      const key = keys[i]!
      if (key < low) low = key
      else if (key > high) high = key
    }
    const span = high - low
    for (let shift = 0; shift < 32 && (shift === 0 || span >> shift > 0); shift += 8) {
      const most = Math.min(DIGIT - 1, shift === 0 && span < DIGIT ? span : DIGIT - 1)
      for (let digit = 0; digit <= most; digit++) counts[digit] = 0
      for (let i = 0; i < count; i++) counts[((keys[i]! - low) >> shift) & 0xff]!++
      let sum = 0
      for (let digit = 0; digit <= most; digit++) {
        const own = counts[digit]!
        counts[digit] = sum
        sum += own
      }
      const { places, spare } = this
      if (shift === 0) for (let i = 0; i < count; i++) places[counts[(keys[i]! - low) & 0xff]!++] = i
      else {
        for (let p = 0; p < count; p++) {
          const i = places[p]!
          spare[counts[((keys[i]! - low) >> shift) & 0xff]!++] = i
        }
        this.places = spare
        this.spare = places
      }
    }
  }
}
