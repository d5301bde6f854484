// Processes: some programs that end together. The failure of one ends all, signals pass on, and no process is left.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import os from 'node:os'
import type { Transform } from 'node:stream'

export interface Program {
  readonly command: string
  readonly args: readonly string[]
  readonly environment: NodeJS.ProcessEnv
  /** Makes of its output what is shown; a stream for each of stdout and stderr. */
  readonly lines: () => Transform
}

export interface Ending {
  /**
   * 0 where all have ended with 0, else the code of the one that failed first, or 128 + n where signal n ended it. Also
   * 128 + n where this process has got signal n: whatever the others say then, the run has not come to its end.
   */
  readonly code: number
  /** Somebody has ended this process: nothing is to be started again. */
  readonly interrupted: boolean
}

/** After the failure of one, the others may say what they have lost, and save what they can, for so long. */
const LEAVE_MS = 5_000
/** So long after a signal whatever is left is killed. */
const KILL_MS = 10_000
const PASSED: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

let guarded: readonly string[] | undefined
/** Under this command programs get SIGTERM where this process dies without a word, as from SIGKILL. */
const guard = (): readonly string[] =>
  (guarded ??= spawnSync('setpriv', ['--pdeathsig', 'TERM', 'true']).status === 0 ? ['setpriv', '--pdeathsig', 'TERM'] : [])

/** Starts the programs. Resolves when all have ended; rejects where one cannot be started. */
export function startTogether(programs: readonly Program[]): Promise<Ending> {
  return new Promise((resolve, reject) => {
    const children = new Set<ChildProcess>()
    const timers = new Set<NodeJS.Timeout>()
    let code = 0
    let signals = 0
    let interruption = 0
    let broken: Error | undefined

    /** Each is the head of a process group, and its own processes get the signal too. */
    const send = (signal: NodeJS.Signals): void => {
      for (const { pid } of children) {
        try {
          if (pid !== undefined) process.kill(-pid, signal)
        } catch {
          // it has just ended
        }
      }
    }
    const later = (ms: number, work: () => void): void => void timers.add(setTimeout(work, ms))
    const end = (signal: NodeJS.Signals): void => {
      send(signal)
      later(KILL_MS, () => send('SIGKILL'))
    }
    const pass = (signal: NodeJS.Signals): void => {
      signals++
      interruption = 128 + os.constants.signals[signal]
      if (signals > 1) send('SIGKILL')
      else end(signal)
    }
    const failed = (how: number): void => {
      if (how === 0 || code !== 0) return
      code = how
      if (signals === 0) later(LEAVE_MS, () => end('SIGTERM'))
    }
    const closed = (child: ChildProcess): void => {
      if (!children.delete(child) || children.size > 0) return
      for (const timer of timers) clearTimeout(timer)
      for (const signal of PASSED) process.off(signal, pass)
      process.stdout.setMaxListeners(outputs[0])
      process.stderr.setMaxListeners(outputs[1])
      if (broken) reject(broken)
      else resolve({ code: signals > 0 ? interruption : code, interrupted: signals > 0 })
    }

    for (const signal of PASSED) process.on(signal, pass)
    const outputs = [process.stdout.getMaxListeners(), process.stderr.getMaxListeners()] as const
    for (const stream of [process.stdout, process.stderr]) stream.setMaxListeners(0)
    for (const { command, args, environment, lines } of programs) {
      const [first, ...rest] = [...guard(), command, ...args] as [string, ...string[]]
      // a session of its own: what is typed at the terminal reaches this process alone, which passes it on, once
      const child = spawn(first, rest, {
        env: environment,
        detached: true,
        stdio: [programs.length === 1 && !process.stdin.isTTY ? 'inherit' : 'ignore', 'pipe', 'pipe'],
      })
      children.add(child)
      child.stdout!.pipe(lines()).pipe(process.stdout, { end: false })
      child.stderr!.pipe(lines()).pipe(process.stderr, { end: false })
      child.on('error', (error) => {
        broken = error
        failed(1)
        closed(child)
      })
      child.on('exit', (status, signal) => failed(status ?? 128 + os.constants.signals[signal!]))
      // later than 'exit': the last lines are out
      child.on('close', () => closed(child))
    }
  })
}
