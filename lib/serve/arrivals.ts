// Arrivals: how many requests come in one turn of the event loop. Where it is one, time after time, nobody is left to
// wait for: the request is computed before the turn is over.

/** Share of the newest turn in the mean. */
const NEWEST = 1 / 8
/** Mean below which the next request is taken to be alone. One turn with two requests is enough to be above. */
const ALONE = 1.1

export class Arrivals {
  private inTurn = 0
  /** So that some turns must have had one request each before it is relied on. */
  private usual = 2

  came(): void {
    this.inTurn++
  }

  turnEnded(): void {
    if (this.inTurn === 0) return
    this.usual += (this.inTurn - this.usual) * NEWEST
    this.inTurn = 0
  }

  /** Whether the request that came last is the first one of its turn, and no other one is expected in it. */
  get isAlone(): boolean {
    return this.inTurn === 1 && this.usual < ALONE
  }
}
