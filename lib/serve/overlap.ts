// Overlap: when a batch goes before all that has arrived was read. Clients that ask again once they are answered would
// all be in one batch, and the thread that reads requests and the one that computes would take turns. In two halves,
// one is read and answered while the other is computed.

/** A batch that takes less is computed sooner than it is worth dividing. */
const LEAST_MS = 0.25
/** Rows from which on more in a batch make a row little cheaper. */
const LEAST_ROWS = 8

export class Overlap {
  /** Most rows in flight since the batch before, and usually. */
  private most = 0
  private usual = 0
  private batchMs = 0

  constructor(private readonly maxRows: number) {}

  /** So many rows wait or are being computed. */
  inFlight(rows: number): void {
    if (rows > this.most) this.most = rows
  }

  /** A batch was cut. */
  cut(): void {
    this.usual = this.most > this.usual ? this.most : this.usual + (this.most - this.usual) / 8
    this.most = 0
  }

  computed(milliseconds: number): void {
    this.batchMs += (milliseconds - this.batchMs) / 8
  }

  /** So many waiting rows go at once: the largest power of two in half of those that are usually in flight. */
  get rows(): number {
    if (this.batchMs < LEAST_MS || this.usual < 2 * LEAST_ROWS) return this.maxRows
    return Math.min(this.maxRows, 2 ** Math.floor(Math.log2(this.usual / 2)))
  }
}
