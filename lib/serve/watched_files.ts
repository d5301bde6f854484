// WatchedFiles: what was read from files, and is read again when one of them changes.
import { statSync } from 'node:fs'

export class WatchedFiles<T> {
  private value: T
  private stamp: string
  /** The state of the files whose failure was told. */
  private told: string | undefined
  private readonly users = new Set<(value: T) => void>()
  private readonly timer: NodeJS.Timeout

  /**
   * Reads at once: what `read` throws is thrown. Later on `failed` is told of it, once for each change, and the value
   * stays.
   * @param checkMs how often the files are looked at
   */
  constructor(
    private readonly files: readonly string[],
    private readonly read: () => T,
    failed: (error: unknown) => void,
    checkMs: number,
  ) {
    this.stamp = this.stampNow()
    this.value = read()
    this.timer = setInterval(() => {
      try {
        this.refresh()
      } catch (error) {
        const stamp = this.stampNow()
        if (stamp !== this.told) failed(error)
        this.told = stamp
      }
    }, checkMs).unref()
  }

  get current(): T {
    return this.value
  }

  /** Calls fn with what is read later on. */
  follow(fn: (value: T) => void): void {
    this.users.add(fn)
  }

  /** Reads again if a file was changed. What could not be read is tried again the next time. */
  refresh(): void {
    const stamp = this.stampNow()
    if (stamp === this.stamp) return
    this.value = this.read()
    this.stamp = stamp
    for (const use of this.users) use(this.value)
  }

  close(): void {
    clearInterval(this.timer)
  }

  /** What differs when a file was written, replaced or taken away. */
  private stampNow(): string {
    return this.files
      .map((file) => {
        const facts = statSync(file, { throwIfNoEntry: false })
        return facts === undefined ? 'none' : `${facts.mtimeMs} ${facts.size} ${facts.ino}`
      })
      .join('|')
  }
}
