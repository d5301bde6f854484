// Queue: requests that wait, by priority; first in, first out inside a priority.
import { Chain, type Link } from './chain.js'

export interface Waiting {
  /** Rows along the batch axis. */
  readonly rows: number
  /** Only requests of one key can share a batch: structure, dtypes and shapes of a sample. */
  readonly key: string
  /** 1 is the highest. */
  readonly priority: number
  /** When it came, on the scheduler's clock. */
  readonly since: number
  /** Where it waits; the queue's own. */
  place: Link<Waiting> | undefined
}

export interface Cut<W> {
  readonly batch: readonly W[]
  readonly rows: number
  /** Nothing that is waiting, or may come, could be added to it. */
  readonly full: boolean
}

export class Queue<W extends Waiting> {
  private readonly levels: readonly Chain<W>[]
  private waitingRows = 0

  constructor(levels: number) {
    this.levels = Array.from({ length: levels }, () => new Chain<W>())
  }

  get size(): number {
    let size = 0
    for (const level of this.levels) size += level.size
    return size
  }

  /** Rows of all requests. */
  get rows(): number {
    return this.waitingRows
  }

  add(request: W): void {
    request.place = this.levels[request.priority - 1]!.add(request)
    this.waitingRows += request.rows
  }

  /** Whether it was waiting here. */
  remove(request: W): boolean {
    const { place } = request
    if (place === undefined) return false
    request.place = undefined
    this.waitingRows -= request.rows
    return this.levels[request.priority - 1]!.remove(place as Link<W>)
  }

  /** When the request came that has waited longest. */
  get oldest(): number {
    return Math.min(...this.levels.map((level) => level.first?.since ?? Number.POSITIVE_INFINITY))
  }

  /**
   * The batch that would go now. It begins with the oldest request of the highest priority and takes what fits to it,
   * in order; requests of other keys keep their places. The requests stay in the queue.
   */
  next(maxRows: number): Cut<W> | undefined {
    const head = this.levels.find(({ size }) => size > 0)?.first
    if (head === undefined) return undefined
    const batch = [head]
    let { rows } = head
    for (let level = head.priority - 1; level < this.levels.length; level++) {
      for (const request of this.levels[level]!) {
        if (request === head || request.key !== head.key) continue
        // a later and smaller one does not overtake it
        if (rows + request.rows > maxRows) return { batch, rows, full: true }
        batch.push(request)
        rows += request.rows
      }
    }
    return { batch, rows, full: rows >= maxRows }
  }
}
