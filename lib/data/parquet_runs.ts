// Runs of a Parquet page: levels and places in a dictionary, where a few bytes may claim millions of values.
// https://parquet.apache.org/docs/file-format/data-pages/encodings/#run-length-encoding--bit-packing-hybrid-rle--3

/** The first run that is longer than the rest of `count` values; undefined where there is none. */
export function overlongRun(bytes: Uint8Array, width: number, count: number): number | undefined {
  let at = 0
  for (let left = count; left > 0 && at < bytes.length; ) {
    let [header, shift] = [0, 0]
    for (let byte = 128; byte & 128 && at < bytes.length; shift += 7) {
      byte = bytes[at++]!
      header += (byte & 127) * 2 ** shift
    }
    const packed = header % 2 === 1
    const length = Math.floor(header / 2) * (packed ? 8 : 1)
    // the last packed run is filled up to eight values
    if (length > left + (packed ? 7 : 0)) return length
    at += packed ? (length / 8) * width : Math.ceil(width / 8)
    left -= length
  }
  return undefined
}

/** How many bits hold a level of at most `most`. */
export const bitsOf = (most: number): number => 32 - Math.clz32(most)
