// Folders in which saves are prepared. Their names say which process fills them, so that those of dead ones are
// removed.
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { readdir, rm, stat } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'

const PREFIX = '.weft-saving-'
const NAME = /^\.weft-saving-([0-9a-f]{8})-(\d+)-(\d+)-[0-9a-f]{12}$/
/** After this long a folder of a process on another machine is taken for left behind. */
const FOREIGN_AGE_MS = 24 * 60 * 60 * 1000

const attempt = (read: () => string): string => {
  try {
    return read()
  } catch {
    return ''
  }
}

/** Where process numbers mean the same processes: a machine since it started, or a container on it. */
let machine: string | undefined
function machineName(): string {
  if (machine === undefined) {
    const facts = [
      os.hostname(),
      attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')),
      attempt(() => readlinkSync('/proc/self/ns/pid')),
    ]
    machine = createHash('sha256').update(facts.join('\n')).digest('hex').slice(0, 8)
  }
  return machine
}

/**
 * When the process started, in the system's ticks; '0' where that is not known; undefined when there is no such
 * process.
 */
function startOf(pid: number): string | undefined {
  const line = attempt(() => readFileSync(`/proc/${pid}/stat`, 'latin1'))
  if (line !== '') {
    // the name, in parentheses, may hold spaces
    const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : (fields[19] ?? '0')
  }
  try {
    process.kill(pid, 0)
    return '0'
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? '0' : undefined
  }
}

/** A fresh name for a folder in which this process prepares a save. */
export function stagingName(): string {
  return `${PREFIX}${machineName()}-${process.pid}-${startOf(process.pid) ?? '0'}-${randomBytes(6).toString('hex')}`
}

/** Whether the name is that of a folder in which some process prepares a save. */
export const isStagingName = (name: string): boolean => NAME.test(name)

/** Removes what processes that are no more have left in a folder. What cannot be removed stays. */
export async function removeLeftovers(folder: string): Promise<void> {
  const names = await readdir(folder).catch((): string[] => [])
  for (const name of names) {
    const match = NAME.exec(name)
    if (!match) continue
    const [, where, pid, start] = match
    const dead = where === machineName() ? startOf(Number(pid)) !== start : await isOld(path.join(folder, name))
    if (dead) await rm(path.join(folder, name), { recursive: true, force: true }).catch(() => undefined)
  }
}

async function isOld(file: string): Promise<boolean> {
  const facts = await stat(file).catch(() => undefined)
  return facts !== undefined && Date.now() - facts.mtimeMs > FOREIGN_AGE_MS
}
