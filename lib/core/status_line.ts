// StatusLine: a line at the bottom of a terminal that is drawn again and again.
type Write = typeof process.stdout.write
type Stream = NodeJS.WriteStream

const CLEAR = '\r\u001b[K'

/**
 * One line of standard output, never longer than the terminal is wide. What the program writes meanwhile, to standard
 * output or to the error output, stands above it: the line is taken away before, and drawn again after.
 */
export class StatusLine {
  private static count = 0
  /** Whether a line is drawn at this time. */
  static get isShown(): boolean {
    return StatusLine.count > 0
  }

  private text: string | undefined
  /** The program wrote part of a line. */
  private broken = false
  private readonly hooked: [Stream, Write, Write][] = []

  /** Draws the text in the place of the last one. */
  show(text: string): void {
    if (this.text === undefined) {
      StatusLine.count++
      this.hook()
    }
    this.text = text
    this.draw()
  }

  /** Takes the line away. */
  clear(): void {
    if (this.text === undefined) return
    if (!this.broken) this.raw(CLEAR)
    this.text = undefined
    this.broken = false
    StatusLine.count--
    for (const [stream, original, ours] of this.hooked.splice(0)) if (stream.write === ours) stream.write = original
  }

  /** Leaves the text behind, as a line of its own. */
  end(text: string): void {
    this.clear()
    process.stdout.write(`${text}\n`)
  }

  private draw(): void {
    const columns = process.stdout.columns || 80
    this.raw(`${this.broken ? '\n' : CLEAR}${this.text!.slice(0, columns - 1)}`)
    this.broken = false
  }

  private raw(text: string): void {
    const [, original] = this.hooked[0]!
    original.call(process.stdout, text)
  }

  /** Writes of others make room for the line. */
  private hook(): void {
    for (const stream of [process.stdout, process.stderr] as Stream[]) {
      if (!stream.isTTY && stream !== process.stdout) continue
      const original = stream.write
      const ours = ((...args: Parameters<Write>): boolean => {
        const [chunk] = args
        if (!this.broken) this.raw(CLEAR)
        const taken = original.apply(stream, args)
        const last = typeof chunk === 'string' ? chunk.at(-1) : chunk.at(-1) === 10 ? '\n' : ''
        this.broken = chunk.length > 0 ? last !== '\n' : this.broken
        if (!this.broken) this.draw()
        return taken
      }) as Write
      this.hooked.push([stream, original, ours])
      stream.write = ours
    }
  }
}
