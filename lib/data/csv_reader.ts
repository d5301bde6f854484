// Rows of a comma-separated file, from its bytes: where each field begins and ends, and its text or number.
import { WeftError } from '../core/error.js'
import type { Row } from './column_values.js'
import { tooLong } from './file_bytes.js'

const [LINE_FEED, RETURN, QUOTE, PLUS, MINUS, POINT, ZERO, NINE] = [10, 13, 34, 43, 45, 46, 48, 57]
/** Powers of ten that float64 holds exactly. */
const POWERS = Float64Array.from({ length: 23 }, (_, i) => 10 ** i)
/** Integers up to here are exact, and so is their quotient by an exact power of ten, rounded once. */
const MOST_EXACT = 2 ** 53 / 10 - 1

const PLAIN = 0
const QUOTED = 1
const DOUBLED = 2

/**
 * Takes bytes piece by piece, and gives rows one at a time (RFC 4180: quoted fields, doubled quotes in them; lines end
 * in LF, CRLF or CR; empty lines are left out; a byte order mark is ignored). A row is valid until the next one.
 */
export class CsvReader implements Row {
  /** Fields of the row. */
  count = 0
  /** The line that the row ends on, from 1. */
  line = 0
  private readonly path: string
  private readonly delimiter: Buffer
  private readonly longest: number
  private bytes: Buffer = Buffer.alloc(0)
  /** The first byte that no row has. */
  private at = 0
  private lines = 0
  private begun = false
  private pieces: Buffer[] = []
  /** Bytes of the pieces. */
  private waiting = 0
  /** Bytes that the row which is not whole yet should have before it is looked at again; 0: there is none. */
  private wanted = 0
  private begins = new Int32Array(64)
  private ends = new Int32Array(64)
  private kinds = new Uint8Array(64)

  constructor(path: string, delimiter: string, longest: number) {
    this.path = path
    this.delimiter = Buffer.from(delimiter, 'utf8')
    this.longest = longest
  }

  push(piece: Buffer): void {
    this.pieces.push(piece)
    this.waiting += piece.length
  }

  /** Puts the waiting pieces behind the rest. A long row is looked at again only when twice as much of it is there. */
  private join(last: boolean): void {
    const rest = this.bytes.length - this.at
    const most = rest + this.waiting
    if (this.waiting === 0 || (!last && most < this.wanted && most <= this.longest)) return
    this.bytes =
      rest === 0 && this.pieces.length === 1 ? this.pieces[0]! : Buffer.concat([this.bytes.subarray(this.at), ...this.pieces], most)
    this.pieces = []
    this.waiting = 0
    this.at = 0
    this.wanted = 0
    if (this.begun || (most < 3 && !last)) return
    this.begun = true
    if (this.bytes[0] === 0xef && this.bytes[1] === 0xbb && this.bytes[2] === 0xbf) this.at = 3
  }

  /** Moves to the next row; false where more bytes are needed, or none are left. `last`: no bytes follow. */
  next(last: boolean): boolean {
    this.join(last)
    if (!this.begun || (this.wanted > 0 && !last)) return false
    while (this.at < this.bytes.length) {
      const first = this.bytes[this.at]!
      if (first !== LINE_FEED && first !== RETURN) break
      // the second half of CRLF is no line of its own
      if (first === RETURN) {
        if (this.at + 1 === this.bytes.length && !last) return false
        if (this.bytes[this.at + 1] === LINE_FEED) this.at++
      }
      this.at++
      this.lines++
    }
    if (this.at === this.bytes.length) return false
    const found = this.scan(last)
    if ((found ? found - this.at : this.bytes.length - this.at) > this.longest)
      throw tooLong(this.path, this.longest, 'Is a quote not closed, or is it no CSV file?')
    if (found === undefined) {
      this.wanted = 2 * (this.bytes.length - this.at)
      return false
    }
    this.at = found
    return true
  }

  /** Finds the fields of the row; gives the place behind it, undefined where its end is not there yet. */
  private scan(last: boolean): number | undefined {
    const { bytes, delimiter } = this
    const length = bytes.length
    const comma = delimiter[0]!
    const single = delimiter.length === 1
    let lines = this.lines
    let count = 0
    let at = this.at
    while (true) {
      if (count === this.begins.length) this.grow()
      let kind = PLAIN
      let begin = at
      let end: number
      if (at < length && bytes[at] === QUOTE) {
        kind = QUOTED
        begin = ++at
        while (true) {
          if (at >= length) {
            if (last) throw this.error(lines, 'a quote is not closed')
            return undefined
          }
          const byte = bytes[at]!
          if (byte === QUOTE) {
            if (at + 1 === length && !last) return undefined
            if (bytes[at + 1] !== QUOTE) break
            kind = DOUBLED
            at++
          } else if (byte === LINE_FEED || (byte === RETURN && bytes[at + 1] !== LINE_FEED)) lines++
          at++
        }
        end = at++
        // a delimiter or the end of the line follows
        const next = at < length ? bytes[at]! : LINE_FEED
        if (next !== LINE_FEED && next !== RETURN && !this.isDelimiter(at)) {
          if (!last && length - at < delimiter.length) return undefined
          throw this.error(lines, 'text follows the closing quote of a field')
        }
      } else {
        while (at < length) {
          const byte = bytes[at]!
          if (byte === comma && (single || this.isDelimiter(at))) break
          if (byte === LINE_FEED || byte === RETURN) break
          if (byte === QUOTE) throw this.error(lines, 'a quote stands within a field: quote the whole field, and double the quotes in it')
          at++
        }
        end = at
      }
      this.begins[count] = begin
      this.ends[count] = end
      this.kinds[count] = kind
      count++
      if (at >= length) {
        if (!last) return undefined
        break
      }
      const byte = bytes[at]!
      if (byte === LINE_FEED || byte === RETURN) {
        if (byte === RETURN) {
          if (at + 1 === length && !last) return undefined
          if (bytes[at + 1] === LINE_FEED) at++
        }
        at++
        lines++
        break
      }
      at += delimiter.length
    }
    this.count = count
    this.line = at >= length && bytes[length - 1] !== LINE_FEED && bytes[length - 1] !== RETURN ? lines + 1 : lines
    this.lines = lines
    return at
  }

  private isDelimiter(at: number): boolean {
    for (let i = 0; i < this.delimiter.length; i++) if (this.bytes[at + i] !== this.delimiter[i]) return false
    return true
  }

  private error(lines: number, why: string): WeftError {
    return new WeftError('ERR_FORMAT', `${this.path}, line ${lines + 1}: ${why}`)
  }

  private grow(): void {
    const wider = <T extends Int32Array | Uint8Array>(old: T, made: T): T => {
      made.set(old)
      return made
    }
    const size = this.begins.length * 2
    this.begins = wider(this.begins, new Int32Array(size))
    this.ends = wider(this.ends, new Int32Array(size))
    this.kinds = wider(this.kinds, new Uint8Array(size))
  }

  get place(): string {
    return `line ${this.line}`
  }

  /** The field as text, without its quotes. */
  text(field: number): string {
    const text = this.bytes.toString('utf8', this.begins[field], this.ends[field])
    return this.kinds[field] === DOUBLED ? text.replaceAll('""', '"') : text
  }

  /** All fields as texts. */
  texts(): string[] {
    return Array.from({ length: this.count }, (_, field) => this.text(field))
  }

  /**
   * The field as a number where it is a plain decimal of few digits, as most are: the number that Number(text) gives.
   * NaN otherwise, so that its text must be looked at.
   */
  number(field: number): number {
    const { bytes } = this
    const end = this.ends[field]!
    let at = this.begins[field]!
    const sign = bytes[at]
    if (at < end && (sign === MINUS || sign === PLUS)) at++
    let digits = 0
    let whole = 0
    let point = -1
    for (; at < end; at++) {
      const byte = bytes[at]!
      if (byte >= ZERO && byte <= NINE) {
        if (whole > MOST_EXACT) return Number.NaN
        whole = whole * 10 + (byte - ZERO)
        digits++
      } else if (byte === POINT && point < 0) point = digits
      else return Number.NaN
    }
    const places = point < 0 ? 0 : digits - point
    if (digits === 0 || places > 22) return Number.NaN
    const size = places === 0 ? whole : whole / POWERS[places]!
    return sign === MINUS ? -size : size
  }
}
