// Progress: what fit, evaluate and predict show: a bar on a terminal, a line per epoch in pipes and files.
import { ProgressBar, type Verbosity } from '../core/progress_bar.js'
import type { Logs } from './step.js'

export type { Verbosity } from '../core/progress_bar.js'

export class Progress {
  private readonly bar: ProgressBar
  private readonly epochs: number
  private epoch: number | undefined
  private done = 0

  /** @param shown by this rank. A wrong verbosity is refused by all. */
  constructor(verbose: Verbosity | undefined, epochs: number, shown = true) {
    const bar = new ProgressBar(verbose)
    this.bar = shown ? bar : new ProgressBar(0)
    this.epochs = epochs
  }

  begin(epoch: number | undefined, steps: number | undefined): void {
    this.epoch = epoch
    this.done = 0
    this.bar.begin(steps)
    if (this.bar.style === 'bar' && epoch !== undefined) process.stdout.write(`Epoch ${epoch + 1}/${this.epochs}\n`)
  }

  step(done: number, logs?: Logs): void {
    this.done = done
    this.bar.step(done, () => figures(logs))
  }

  end(logs?: Logs): void {
    const { bar, epoch, done } = this
    const seconds = bar.seconds.toFixed(1)
    bar.end(() => figures(logs))
    const parts = [
      ...(epoch === undefined ? [] : [`Epoch ${epoch + 1}/${this.epochs}`]),
      `${done} ${done === 1 ? 'step' : 'steps'}`,
      `${seconds}s`,
    ]
    bar.print([...parts, ...(logs ? [figures(logs)] : [])].join(' - '))
  }

  /** Takes away what is drawn, after an error. */
  stop(): void {
    this.bar.stop()
  }
}

/** 'loss: 0.4321 - accuracy: 0.8765' */
const figures = (logs: Logs = {}): string =>
  Object.entries(logs)
    .map(([key, value]) => `${key}: ${value !== 0 && Math.abs(value) < 1e-3 ? value.toExponential(3) : value.toFixed(4)}`)
    .join(' - ')
