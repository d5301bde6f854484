// Starts a program as ranks, through an mpirun of this machine, and collects what each rank said.
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import * as assert from 'uvu/assert'

/** The families of MPI that Debian has, by the names that its alternatives keep. */
export const FAMILIES: readonly { readonly name: string; readonly command: string; readonly found: boolean; readonly package: string }[] = [
  { name: 'Open MPI', command: 'mpirun.openmpi', package: 'openmpi-bin' },
  { name: 'MPICH', command: 'mpirun.mpich', package: 'mpich' },
].map((family) => ({ ...family, found: spawnSync(family.command, ['--version']).status === 0 }))

/** Open MPI lets the other ranks go on where one has failed, and they can say what they met. Its own code is 0 then. */
export const GOES_ON: NodeJS.ProcessEnv = { OMPI_MCA_orte_enable_recovery: '1' }

export interface Started {
  /** What the program said of each rank with say(), in their order. */
  readonly said: readonly { readonly rank: number; readonly [key: string]: unknown }[]
  readonly code: number | null
  readonly output: string
}

/** Starts test/distributed/programs/<program>.js. */
export function launch(
  command: string,
  ranks: number,
  program: string,
  args: readonly string[] = [],
  environment: NodeJS.ProcessEnv = {},
): Promise<Started> {
  const file = path.join(import.meta.dirname, 'programs', `${program}.js`)
  const options = command.includes('openmpi') ? ['--bind-to', 'none', '--oversubscribe'] : []
  const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-ranks-'))
  return new Promise((resolve) => {
    const child = spawn(command, [...options, '-n', String(ranks), process.execPath, file, ...args], {
      // CI runs as root, which Open MPI refuses unless it is told twice
      env: {
        ...process.env,
        WEFT_THREADS: '1',
        OMPI_ALLOW_RUN_AS_ROOT: '1',
        OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
        WEFT_SAID: folder,
        ...environment,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    const keep = (chunk: Buffer): void => void (output += chunk.toString())
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.on('close', (code) => {
      const said = readdirSync(folder)
        .filter((name) => name.endsWith('.json'))
        .sort()
        .map((name) => JSON.parse(readFileSync(path.join(folder, name), 'utf8')) as Started['said'][number])
      rmSync(folder, { recursive: true })
      resolve({ said, code, output })
    })
  })
}

/**
 * Works that mostly wait, two at a time: whoever asks for one has begun the next one too.
 * @param works undefined: one that cannot be done here
 */
export function inPairs<T>(works: readonly ((() => Promise<T>) | undefined)[]): (place: number) => Promise<T> {
  const running: (Promise<T> | undefined)[] = []
  const begun = (place: number): Promise<T> | undefined => (running[place] ??= works[place]?.())
  return (place) => {
    const own = begun(place)!
    begun(place + 1)?.catch(() => undefined) // who asks for it will see
    return own
  }
}

/** What the program says as one process, without a launcher. */
export function alone(program: string, args: readonly string[] = []): Record<string, unknown> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-alone-'))
  const file = path.join(import.meta.dirname, 'programs', `${program}.js`)
  const environment = { ...process.env, WEFT_THREADS: '1', WEFT_SAID: folder }
  const { status, stderr } = spawnSync(process.execPath, [file, ...args], { env: environment, encoding: 'utf8' })
  assert.is(status, 0, stderr)
  const said = JSON.parse(readFileSync(path.join(folder, '0.json'), 'utf8')) as Record<string, unknown>
  rmSync(folder, { recursive: true })
  return said
}

/** Every rank has said the same, but for these. */
export function sameBits(said: Started['said'], but: readonly string[] = []): void {
  const [zero] = said
  for (const one of said)
    for (const name of Object.keys(zero!))
      if (name !== 'rank' && !but.includes(name)) assert.equal(one[name], zero![name], `${name} of rank ${one.rank}`)
}

/** All numbers of what was said, in order; `under`: of those parts alone that have this name. */
export function numbersIn(said: unknown, under?: string): number[] {
  if (typeof said === 'number') return under === undefined ? [said] : []
  if (typeof said !== 'object' || said === null) return []
  return Object.entries(said).flatMap(([name, value]) => numbersIn(value, name === under ? undefined : under))
}
