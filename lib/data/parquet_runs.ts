// Runs of a Parquet page: levels and places in a dictionary, where a few bytes may claim millions of values.
// https://parquet.apache.org/docs/file-format/data-pages/encodings/#run-length-encoding--bit-packing-hybrid-rle--3

export interface Runs {
  /** The first run that is longer than the rest of the values. */
  readonly overlong?: number
  /** Values that no run holds. */
  readonly missing: number
}

/**
 * The runs of `count` values of so many bits. A packed run whose bytes are there is never too long: writers fill the
 * last one up to 8 values, or to a whole block (DuckDB: 256).
 */
export function runsOf(bytes: Uint8Array, width: number, count: number): Runs {
  let [at, left] = [0, count]
  while (left > 0 && at < bytes.length) {
    let [header, shift] = [0, 0]
    for (let byte = 128; byte & 128 && at < bytes.length; shift += 7) {
      byte = bytes[at++]!
      header += (byte & 127) * 2 ** shift
    }
    const packed = header % 2 === 1
    const length = Math.floor(header / 2) * (packed ? 8 : 1)
    const size = packed ? (length / 8) * width : Math.ceil(width / 8)
    const held = packed && width > 0 && size <= bytes.length - at
    // without any bits, no bytes bound what a packed run claims
    const spare = width > 0 ? 7 : 255
    if (length > left + (packed ? spare : 0) && !held) return { overlong: length, missing: left }
    at += size
    left -= length
  }
  return { missing: Math.max(0, left) }
}

/** How many bits hold a level of at most `most`. */
export const bitsOf = (most: number): number => 32 - Math.clz32(most)
