// Progress: what fit and evaluate print: a bar on a terminal, a line per epoch in pipes and files.
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { StatusLine } from '../core/status_line.js'
import type { Logs } from './step.js'

/**
 * 0: silent, 1: a progress bar, of which pipes and files get the last state alone, 2: one line per epoch, 'auto': 1 on
 * a terminal, else 2.
 */
export type Verbosity = 'auto' | 0 | 1 | 2 | boolean

const WIDTH = 24
const REDRAW_MS = 100

export class Progress {
  private readonly level: number
  private readonly epochs: number
  private epoch: number | undefined
  private steps: number | undefined
  private done = 0
  private started = 0
  private drawn = 0
  private readonly line = new StatusLine()

  constructor(verbose: Verbosity, epochs: number) {
    if (![0, 1, 2, 'auto', true, false].includes(verbose))
      throw new WeftError('ERR_ARGUMENT', `verbose must be 0, 1, 2 or 'auto', got ${show(verbose)}`)
    this.level = verbose === 'auto' ? (process.stdout.isTTY ? 1 : 2) : Number(verbose)
    this.epochs = epochs
  }

  begin(epoch: number | undefined, steps: number | undefined): void {
    this.epoch = epoch
    this.steps = steps
    this.done = 0
    this.started = this.drawn = performance.now()
    if (this.level === 1 && epoch !== undefined) process.stdout.write(`Epoch ${epoch + 1}/${this.epochs}\n`)
  }

  step(done: number, logs: Logs): void {
    this.done = done
    const now = performance.now()
    if (this.level !== 1 || !process.stdout.isTTY || now - this.drawn < REDRAW_MS) return
    this.drawn = now
    this.line.show(`${this.bar(now)} ${figures(logs)}`)
  }

  end(logs: Logs): void {
    const seconds = (performance.now() - this.started) / 1000
    if (this.level === 1) this.line.end(`${this.bar(performance.now())} ${figures(logs)}`)
    if (this.level === 2) {
      const epoch = this.epoch === undefined ? '' : `Epoch ${this.epoch + 1}/${this.epochs} - `
      process.stdout.write(`${epoch}${this.done} ${this.done === 1 ? 'step' : 'steps'} - ${seconds.toFixed(1)}s - ${figures(logs)}\n`)
    }
  }

  /** Takes away what is drawn, after an error. */
  stop(): void {
    this.line.clear()
  }

  /** '  45/1875 [====>        ] 12s' */
  private bar(now: number): string {
    const { done, steps = done } = this
    const seconds = (now - this.started) / 1000
    const share = steps === 0 ? 1 : Math.min(1, done / steps)
    const full = Math.round(share * WIDTH)
    const bar = full >= WIDTH ? '='.repeat(WIDTH) : `${'='.repeat(full)}>${' '.repeat(WIDTH - full - 1)}`
    const time = share < 1 && done > 0 ? `eta ${duration((seconds / done) * (steps - done))}` : duration(seconds)
    return `${String(done).padStart(String(steps).length)}/${steps} [${bar}] ${time}`
  }
}

const duration = (seconds: number): string =>
  seconds < 60
    ? `${seconds.toFixed(seconds < 10 ? 1 : 0)}s`
    : `${Math.floor(seconds / 60)}m${String(Math.floor(seconds % 60)).padStart(2, '0')}s`

/** 'loss: 0.4321 - accuracy: 0.8765' */
const figures = (logs: Logs): string =>
  Object.entries(logs)
    .map(([key, value]) => `${key}: ${value !== 0 && Math.abs(value) < 1e-3 ? value.toExponential(3) : value.toFixed(4)}`)
    .join(' - ')
