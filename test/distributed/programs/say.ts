// What a rank has to say goes into a file of its own: lines of several ranks would run into each other.
import { readdirSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

const folder = (): string => process.env['WEFT_SAID']!
/** How long a rank waits for the others: this only ends a hang. */
const HANG_MS = 60_000

export function say(rank: number, facts: Record<string, unknown>): void {
  const file = path.join(folder(), `${rank}.json`)
  // whole or not at all: a rank may be killed meanwhile
  writeFileSync(`${file}.part`, JSON.stringify({ rank, ...facts }))
  renameSync(`${file}.part`, file)
}

async function there(count: number, ending: string): Promise<void> {
  const end = performance.now() + HANG_MS
  while (readdirSync(folder()).filter((name) => name.endsWith(ending)).length < count && performance.now() < end) await pause(20)
}
/** Resolves when so many ranks have said what they met. mpirun ends all ranks soon after the first one has failed. */
export const heard = (ranks: number): Promise<void> => there(ranks, '.json')

/** Resolves when so many processes are there. */
export async function started(processes: number): Promise<void> {
  writeFileSync(path.join(folder(), `${process.pid}.started`), '')
  await there(processes, '.started')
}
