// A clock that stands still until a test moves it.
import type { Clock } from '../../lib/serve/clock.js'

export class StillClock implements Clock {
  private time = 0
  private readonly timers = new Set<{ at: number; fn: () => void }>()

  now(): number {
    return this.time
  }
  after(milliseconds: number, fn: () => void): () => void {
    const timer = { at: this.time + milliseconds, fn }
    this.timers.add(timer)
    return () => this.timers.delete(timer)
  }
  deadline(milliseconds: number, fn: () => void): () => void {
    return this.after(milliseconds, fn)
  }
  soon(fn: () => void): void {
    queueMicrotask(fn)
  }

  get armed(): number {
    return this.timers.size
  }

  /** Lets the time pass, and what was waiting for it happen. */
  async advance(milliseconds: number): Promise<void> {
    this.time += milliseconds
    for (const timer of [...this.timers].sort((a, b) => a.at - b.at)) {
      if (timer.at > this.time || !this.timers.delete(timer)) continue
      timer.fn()
      await turn()
    }
    await turn()
  }
}

/** What is ready to happen happens. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
