// Pictures as PNG, for pages that hold all they show. https://www.w3.org/TR/png-3/
import { deflateSync } from 'node:zlib'

/** CRC-32 (ISO 3309), by a table of bytes. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  return crc
})

function chunk(type: string, data: Uint8Array): Buffer {
  const made = Buffer.alloc(12 + data.length)
  made.writeUInt32BE(data.length, 0)
  made.write(type, 4, 'latin1')
  made.set(data, 8)
  let crc = 0xffffffff
  for (const byte of made.subarray(4, 8 + data.length)) crc = TABLE[(crc ^ byte) & 0xff]! ^ (crc >>> 8)
  made.writeUInt32BE(~crc >>> 0, 8 + data.length)
  return made
}

/** @param rgb red, green and blue of each pixel, row by row */
export function pngOf(rgb: Uint8Array, width: number, height: number): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([8, 2, 0, 0, 0], 8) // 8 bits, three colours
  const rows = Buffer.alloc(height * (1 + 3 * width)) // each row begins with the number of its filter, 0: none
  for (let y = 0; y < height; y++) rows.set(rgb.subarray(y * 3 * width, (y + 1) * 3 * width), y * (1 + 3 * width) + 1)
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', deflateSync(rows)), chunk('IEND', new Uint8Array(0))])
}
