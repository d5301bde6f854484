// ProgressBar: how far long work is: a bar on a terminal, lines in pipes, files and continuous integration.
import { WeftError } from './error.js'
import { show } from './options.js'
import { StatusLine } from './status_line.js'

/**
 * 0: silent, 1: a progress bar, of which pipes and files get the last state alone, 2: lines, 'auto': 1 on a terminal,
 * else 2.
 */
export type Verbosity = 'auto' | 0 | 1 | 2 | boolean

const WIDTH = 24
const REDRAW_MS = 100
/** What nobody asked to see is shown on a terminal after this time, and taken away at its end. */
const LATE_MS = 2000

/** Whether somebody watches the output: logs of continuous integration are files, whatever they say they are. */
const isWatched = (): boolean => {
  const { CI, TERM } = process.env
  return Boolean(process.stdout.isTTY) && TERM !== 'dumb' && (CI === undefined || CI === '' || CI === 'false' || CI === '0')
}

export class ProgressBar {
  readonly style: 'none' | 'bar' | 'lines' | 'late'
  private steps: number | undefined
  private done = 0
  private started = 0
  private drawn = 0
  private shown = false
  private readonly line: StatusLine = new StatusLine()

  /** Without a verbosity, work of more than two seconds is shown on a terminal while it lasts. */
  constructor(verbose: Verbosity | undefined) {
    if (![0, 1, 2, 'auto', true, false, undefined].includes(verbose))
      throw new WeftError('ERR_ARGUMENT', `verbose must be 0, 1, 2 or 'auto', got ${show(verbose)}`)
    const watched = isWatched()
    if (verbose === undefined) this.style = watched ? 'late' : 'none'
    else if (verbose === 'auto') this.style = watched ? 'bar' : 'lines'
    else this.style = (['none', 'bar', 'lines'] as const)[Number(verbose)]!
  }

  /** Seconds since begin(). */
  get seconds(): number {
    return (performance.now() - this.started) / 1000
  }

  begin(steps: number | undefined): void {
    this.steps = steps
    this.done = 0
    this.started = this.drawn = performance.now()
  }

  /** So many steps are done. `text` is what stands behind the bar. */
  step(done: number, text: () => string): void {
    this.done = done
    if (this.style !== 'bar' && this.style !== 'late') return
    const now = performance.now()
    if (!process.stdout.isTTY || now - this.drawn < REDRAW_MS) return
    if (this.style === 'late' && !this.shown && (now - this.started < LATE_MS || StatusLine.isShown)) return
    this.drawn = now
    this.shown = true
    this.line.show(`${this.bar()} ${text()}`)
  }

  /** Leaves the last state behind, where it was asked for. */
  end(text: () => string): void {
    this.shown = false
    if (this.style === 'bar') {
      this.steps ??= this.done
      this.line.end(`${this.bar()} ${text()}`)
    } else this.line.clear()
  }

  /** Writes a line of its own, of the style 'lines'. */
  print(text: string): void {
    if (this.style === 'lines') process.stdout.write(`${text}\n`)
  }

  /** Takes away what is drawn, after an error. */
  stop(): void {
    this.shown = false
    this.line.clear()
  }

  /** '  45/1875 [====>        ] 312/s eta 6s'; without a known end '45/? 312/s 0.1s'. */
  private bar(): string {
    const { done, steps, seconds } = this
    const rate = done > 0 && seconds > 0 ? `${rateOf(done / seconds)}/s ` : ''
    if (steps === undefined) return `${done}/? ${rate}${duration(seconds)}`
    const share = steps === 0 ? 1 : Math.min(1, done / steps)
    const full = Math.round(share * WIDTH)
    const bar = full >= WIDTH ? '='.repeat(WIDTH) : `${'='.repeat(full)}>${' '.repeat(WIDTH - full - 1)}`
    const time =
      share === 1 ? duration(seconds) : done > 0 ? `${rate}eta ${duration((seconds / done) * (steps - done))}` : duration(seconds)
    return `${String(done).padStart(String(steps).length)}/${steps} [${bar}] ${time}`
  }
}

const rateOf = (rate: number): string => (rate < 10 ? rate.toPrecision(2) : rate.toFixed(0))

export const duration = (seconds: number): string =>
  seconds < 60
    ? `${seconds.toFixed(seconds < 10 ? 1 : 0)}s`
    : `${Math.floor(seconds / 60)}m${String(Math.floor(seconds % 60)).padStart(2, '0')}s`

/**
 * The result of work that has no steps to count, as loading a file. On a terminal its text and time are shown while it
 * lasts: with verbose 1, or without a verbosity after two seconds. With 2 a line follows it.
 */
export async function whileWorking<T>(text: string, verbose: Verbosity | undefined, work: () => Promise<T>): Promise<T> {
  const { style } = new ProgressBar(verbose)
  const started = performance.now()
  const seconds = (): string => duration((performance.now() - started) / 1000)
  if (style === 'none') return await work()
  const line = new StatusLine()
  let shown = false
  const draw = (): void => {
    if (style === 'lines' || (!shown && StatusLine.isShown)) return
    if (!process.stdout.isTTY || (style === 'late' && performance.now() - started < LATE_MS)) return
    shown = true
    line.show(`${text} ${seconds()}`)
  }
  const timer = setInterval(draw, REDRAW_MS)
  timer.unref()
  try {
    const result = await work()
    if (style === 'bar') line.end(`${text} ${seconds()}`)
    if (style === 'lines') process.stdout.write(`${text} ${seconds()}\n`)
    return result
  } finally {
    clearInterval(timer)
    line.clear()
  }
}
