// Distribution: how many values there were of each size.

/** How many values are above the bound before and not above their own; the last ones above all bounds. */
export interface Buckets {
  readonly bounds: readonly number[]
  readonly counts: readonly number[]
  readonly sum: number
  readonly count: number
}

/** A line of a histogram as Prometheus has it. */
export interface Series {
  readonly metricName: string
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
}

export class Distribution {
  private readonly counts: number[]
  private sum = 0
  private count = 0

  /** @param bounds rising */
  constructor(private readonly bounds: readonly number[]) {
    this.counts = new Array<number>(bounds.length + 1).fill(0)
  }

  add(value: number): void {
    let bucket = 0
    while (bucket < this.bounds.length && value > this.bounds[bucket]!) bucket++
    this.counts[bucket]!++
    this.sum += value
    this.count++
  }

  get buckets(): Buckets {
    const { bounds, counts, sum, count } = this
    return { bounds, counts: [...counts], sum, count }
  }

  /** Each bucket counts those below it too. */
  series(name: string, labels: Readonly<Record<string, string>>): Series[] {
    let below = 0
    const buckets = this.counts.map((count, i) => {
      below += count
      return { metricName: `${name}_bucket`, labels: { le: this.bounds[i] ?? '+Inf', ...labels }, value: below }
    })
    return [...buckets, { metricName: `${name}_sum`, labels, value: this.sum }, { metricName: `${name}_count`, labels, value: this.count }]
  }
}
