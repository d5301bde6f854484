// What a search shows: a bar over its trials, or a line for each candidate.
import { ProgressBar, type Verbosity } from '../../core/progress_bar.js'
import { settingsText } from '../../core/shown.js'
import type { Params } from './candidates.js'
import type { Outcome } from './trials.js'

export class SearchProgress {
  private readonly kind: string
  private readonly bar: ProgressBar
  private candidates: readonly Params[] = []
  private splits = 1
  private resources = ''
  private scores: number[][] = []
  private done = 0
  private best = Number.NaN

  constructor(kind: string, verbose: Verbosity) {
    this.kind = kind
    this.bar = new ProgressBar(verbose)
  }

  /** A round of candidates begins. */
  begin(candidates: readonly Params[], splits: number, resources: number | undefined): void {
    this.candidates = candidates
    this.splits = splits
    this.resources = resources === undefined ? '' : ` on ${resources}`
    this.scores = candidates.map(() => [])
    this.done = 0
    this.best = Number.NaN
    this.bar.begin(candidates.length * splits)
  }

  /** The trial of this number has come to its end: one candidate on one split. */
  trial(at: number, outcome: Outcome): void {
    const candidate = Math.floor(at / this.splits)
    const scores = this.scores[candidate]!
    scores.push('error' in outcome ? Number.NaN : outcome.testScore)
    this.done++
    if (scores.length === this.splits) this.candidate(candidate, scores)
    this.bar.step(this.done, () => this.text())
    if (this.done === this.candidates.length * this.splits) this.bar.end(() => this.text())
  }

  /** Takes away what is drawn, after an error. */
  stop(): void {
    this.bar.stop()
  }

  private candidate(at: number, scores: readonly number[]): void {
    const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length
    if (!(mean <= this.best)) this.best = Number.isNaN(mean) ? this.best : mean
    const { kind, candidates, resources, bar } = this
    const place = `${at + 1}/${candidates.length}${resources}`
    bar.print(`${kind} ${place} - ${bar.seconds.toFixed(1)}s -${settingsText(candidates[at]!)} - score: ${mean.toFixed(4)}`)
  }

  private text(): string {
    return `${this.kind}${this.resources}${Number.isNaN(this.best) ? '' : ` - best score: ${this.best.toFixed(4)}`}`
  }
}
