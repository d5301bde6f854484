// Rows of a file that are left out of a pass: marked as gaps, and counted in a warning.
import { warnOnce } from '../core/warnings.js'
import type { RowSample } from './columns.js'
import { markGap } from './gaps.js'

export class LeftOut {
  private readonly what: string
  private readonly path: string
  private count = 0
  /** Rows left out since the last one that was not. */
  private gap = 0

  constructor(what: string, path: string) {
    this.what = what
    this.path = path
  }

  /** The sample, marked where rows were left out before it; undefined: one more is left out. */
  without(sample: RowSample | undefined): RowSample | undefined {
    if (sample === undefined) {
      this.count++
      this.gap++
    } else if (this.gap > 0) {
      markGap([sample.x, sample.y], this.gap)
      this.gap = 0
    }
    return sample
  }

  /** Warns of the rows that were left out, once for each file. */
  warn(): void {
    if (this.count === 0) return
    warnOnce(
      'WEFT_CSV_SKIPPED',
      `${this.what}: ${this.count} rows of ${this.path} with missing values were left out. In a time series they leave gaps: pass data.windows the rows ({ x }) => x, which know of them; single numbers taken out of rows do not`,
      this.path,
    )
  }
}
