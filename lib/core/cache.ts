// Cache: a map that keeps its most recently used entries.

/** Keeps at most `most` entries; `drop` is given each entry that has to go, the one unused longest first. */
export class Cache<V> {
  private readonly entries = new Map<string, V>()
  private readonly most: number
  private readonly drop: (value: V) => void
  /** The entry that was used last: most calls are like the one before. */
  private newest: { key: string; value: V } | undefined

  constructor(most: number, drop: (value: V) => void) {
    this.most = most
    this.drop = drop
  }

  get size(): number {
    return this.entries.size
  }

  /** The entry, which counts as used now. */
  get(key: string): V | undefined {
    if (this.newest?.key === key) return this.newest.value
    const value = this.entries.get(key)
    if (value === undefined) return undefined
    this.entries.delete(key)
    this.entries.set(key, value)
    this.newest = { key, value }
    return value
  }

  /** Adds an entry under a new key. */
  add(key: string, value: V): V {
    if (this.entries.size >= this.most) {
      const [oldest, entry] = this.entries.entries().next().value!
      this.entries.delete(oldest)
      this.drop(entry)
    }
    this.entries.set(key, value)
    this.newest = { key, value }
    return value
  }

  clear(): void {
    for (const value of this.entries.values()) this.drop(value)
    this.entries.clear()
    this.newest = undefined
  }
}
