// What a rank has to say goes into a file of its own: lines of several ranks would run into each other.
import { writeFileSync } from 'node:fs'
import path from 'node:path'

export function say(rank: number, facts: Record<string, unknown>): void {
  writeFileSync(path.join(process.env['WEFT_SAID']!, `${rank}.json`), JSON.stringify({ rank, ...facts }))
}
