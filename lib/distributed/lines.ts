// Lines: what several ranks write, as one output of whole lines, each with its rank before it: '[2] loss 0.31'.
import { Transform } from 'node:stream'

/** A rank that writes no end of line must not fill the memory: longer lines are cut. */
const LONGEST = 64 * 1024

/** The lines of one rank, as they become whole. States of a progress bar end with '\r' and are lines as well. */
class RankLines {
  private readonly label: string
  private begun = ''

  constructor(rank: number) {
    this.label = `[${rank}] `
  }

  /** The lines that are whole now. Bytes stand in the strings, one for each character. */
  take(bytes: string): string {
    const parts = (this.begun + bytes).split(/(?<=\n|\r(?!\n|$))/)
    this.begun = /\n$/.test(parts.at(-1)!) ? '' : parts.pop()!
    if (this.begun.length > LONGEST) parts.push(this.begun, '\n'), (this.begun = '')
    return parts.map((line) => (line === '\n' || line.startsWith('\r') ? line : this.label + line)).join('')
  }

  /** What the rank has begun at its end. */
  rest(): string {
    return this.begun === '' ? '' : this.take('\n')
  }
}

/** A stream of bytes through a function; `last` gives what is left at its end. */
function through(take: (bytes: string) => string, last: () => string): Transform {
  return new Transform({
    transform: (chunk: Buffer, _, done) => done(null, Buffer.from(take(chunk.toString('latin1')), 'latin1')),
    flush: (done) => done(null, Buffer.from(last(), 'latin1')),
  })
}

/** The output of one rank, with the rank before each line. */
export function linesOf(rank: number): Transform {
  const lines = new RankLines(rank)
  return through(
    (bytes) => lines.take(bytes),
    () => lines.rest(),
  )
}

/** What Open MPI puts before what a rank has written, whole lines or not: '[1,2]<stdout>:'; version 5 adds a space. */
const TAG = /\[(?:[\w.-]+@)?\d+,(\d+)\]<(?:stdout|stderr|stddiag)>:/
/** The end of a chunk that may be the begin of a tag. */
const TAG_BEGUN = /\[[\w.@-]*(?:,\d*(?:\](?:<[a-z]*>?)?)?)?$/

/** The tagged output of Open MPI's mpirun as lines of ranks. What has no tag is said by mpirun itself. */
export function linesOfOpenMpi(major: number): Transform {
  const ranks = new Map<number, RankLines>()
  const linesOfRank = (rank: number): RankLines => ranks.get(rank) ?? ranks.set(rank, new RankLines(rank)).get(rank)!
  let kept = ''
  let speaker: RankLines | undefined
  const say = (text: string): string => {
    if (speaker === undefined) return text
    // the next line has a tag of its own, or is mpirun's
    const end = text.indexOf('\n') + 1
    if (end === 0) return speaker.take(text)
    const line = speaker.take(text.slice(0, end))
    speaker = undefined
    return line + text.slice(end)
  }
  return through(
    (bytes) => {
      const [first, ...tagged] = (kept + bytes).split(TAG) as [string, ...string[]]
      const texts = [first, ...tagged.filter((_, i) => i % 2 === 1)]
      const last = texts.length - 1
      kept = TAG_BEGUN.exec(texts[last]!)?.[0] ?? ''
      texts[last] = texts[last]!.slice(0, texts[last]!.length - kept.length)
      return texts
        .map((text, i) => {
          if (i === 0) return say(text)
          speaker = linesOfRank(Number(tagged[2 * (i - 1)]))
          return say(major >= 5 ? text.replace(/^ /, '') : text)
        })
        .join('')
    },
    () => say(kept) + [...ranks.values()].map((lines) => lines.rest()).join(''),
  )
}
