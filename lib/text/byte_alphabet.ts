// The byte alphabet of byte-level tokenizers: every byte as a printable character, as in GPT-2's vocabulary files.

const isPrintable = (byte: number): boolean => (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae

/** The character of each byte: itself where it is printable, else one from U+0100 on. */
export const byteCharacters: readonly string[] = (() => {
  let next = 0x100
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : next++))
})()

const byCharacter = new Map(byteCharacters.map((character, byte) => [character, byte]))

/** Bytes in the alphabet. */
export function toAlphabet(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += byteCharacters[byte]
  return text
}

/** The bytes of a text in the alphabet; undefined when a character is not of it. */
export function fromAlphabet(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) {
    const byte = byCharacter.get(text[i]!)
    if (byte === undefined) return undefined
    bytes[i] = byte
  }
  return bytes
}

/** Length of the UTF-8 character that begins at a place; 0: none does (Unicode 15, table 3-7). */
function characterLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!
  if (first < 0x80) return 1
  const length = first >= 0xc2 && first <= 0xdf ? 2 : first >= 0xe0 && first <= 0xef ? 3 : first >= 0xf0 && first <= 0xf4 ? 4 : 0
  if (length === 0 || at + length > bytes.length) return 0
  const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80
  const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf
  if (bytes[at + 1]! < low || bytes[at + 1]! > high) return 0
  for (let i = at + 2; i < at + length; i++) if ((bytes[i]! & 0xc0) !== 0x80) return 0
  return length
}

/** Bytes cut into the longest texts in UTF-8 and the bytes between them. */
export function validParts(bytes: Uint8Array): (string | Uint8Array)[] {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const parts: (string | Uint8Array)[] = []
  let at = 0
  while (at < bytes.length) {
    const begin = at
    for (let length = characterLength(bytes, at); length > 0; length = at < bytes.length ? characterLength(bytes, at) : 0) at += length
    if (at > begin) parts.push(decoder.decode(bytes.subarray(begin, at)))
    const invalid = at
    while (at < bytes.length && characterLength(bytes, at) === 0) at++
    if (at > invalid) parts.push(bytes.subarray(invalid, at))
  }
  return parts
}
