// Stacks: an error that comes later names the line of the program that made the call, and hides the frames of the
// library.
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { WeftError } from './error.js'

/** The folders of this library: where the compiled files are, and where their sources are for those who map them. */
const compiled = fileURLToPath(new URL('..', import.meta.url))
const sources = path.join(compiled, '..', '..', 'lib', path.sep)

const isOwn = (frame: string): boolean => frame.includes(compiled) || frame.includes(sources) || frame.includes('(node:internal')

/** The frames of a stack, and the lines before them. */
function parse(stack: string): { head: string; frames: string[] } {
  const lines = stack.split('\n')
  const first = lines.findIndex((line) => /^\s+at /.test(line))
  if (first < 0) return { head: stack, frames: [] }
  return { head: lines.slice(0, first).join('\n'), frames: lines.slice(first) }
}

/**
 * The error with the caller's frames at the end of its stack. Of a WeftError the frames of the library go: what is left
 * are the program's own functions that threw (a callback, a loss) and the call.
 */
function blamed(error: unknown, callStack: string | undefined): unknown {
  if (!(error instanceof Error) || typeof error.stack !== 'string') return error
  const { head, frames } = parse(error.stack)
  const own = error instanceof WeftError ? frames.filter((frame) => !isOwn(frame)) : frames
  const callers = parse(callStack ?? '').frames.filter((frame) => !isOwn(frame) && !own.includes(frame))
  setStack(error, [head, ...own.filter((frame) => !callers.includes(plain(frame))), ...callers])
  return error
}

/** A frame of an asynchronous call as the frame of a call. */
const plain = (frame: string): string => frame.replace(' at async ', ' at ')

function setStack(error: Error, lines: readonly string[]): void {
  // a frozen error stays as it is
  Reflect.defineProperty(error, 'stack', { value: lines.join('\n'), writable: true, configurable: true, enumerable: false })
}

/**
 * What comes later of work that no value in the data can make fail. A stack of the caller would be of no use, and takes
 * the time of a hundred calls.
 */
export class Safe<T> {
  readonly promise: Promise<T>
  constructor(promise: Promise<T>) {
    this.promise = promise
  }
}

/**
 * Runs a function that may be asynchronous; an error it throws or rejects with has the frames of whoever called
 * `entry`. A result that is there at once costs no stack.
 * @param entry the public function that is being called: frames up to it are left out. It must be on the stack.
 */
export async function fromCaller<T>(entry: (...args: never[]) => unknown, run: () => T | Promise<T> | Safe<T>): Promise<T> {
  const site: { stack?: string } = {}
  let safe = false
  try {
    const result = run()
    if (result instanceof Safe) {
      safe = true
      return await result.promise
    }
    if (!(result instanceof Promise)) return result
    Error.captureStackTrace(site, entry)
    return await result
  } catch (error) {
    if (safe)
      Error.captureStackTrace(site) // who awaits the result is on it
    else if (site.stack === undefined) Error.captureStackTrace(site, entry)
    throw blamed(error, site.stack)
  }
}

/**
 * The events of a generator; an error that ends them has the frames of whoever called `entry`, the public function that
 * gives them out.
 */
export function eachFromCaller<T, R>(entry: (...args: never[]) => unknown, events: AsyncGenerator<T, R, void>): AsyncGenerator<T, R, void> {
  const site: { stack?: string } = {}
  Error.captureStackTrace(site, entry)
  return relayed(events, site)
}

async function* relayed<T, R>(events: AsyncGenerator<T, R, void>, site: { stack?: string }): AsyncGenerator<T, R, void> {
  try {
    return yield* events
  } catch (error) {
    throw blamed(error, site.stack)
  }
}

/** The same fault as an error of its own: made where a program waits for values, it has that program's frames. */
export function again(fault: WeftError): WeftError {
  const { op, layer, shapes, hint, cause } = fault
  const facts = {
    ...(op === undefined ? {} : { op }),
    ...(layer === undefined ? {} : { layer }),
    ...(shapes === undefined ? {} : { shapes }),
  }
  const made = new WeftError(fault.code, fault.message, { ...facts, cause })
  if (hint !== undefined) Object.assign(made, { hint })
  const { head, frames } = parse(made.stack ?? '')
  const callers = frames.filter((frame) => !isOwn(frame))
  if (callers.length > 0) setStack(made, [head, ...callers])
  return made
}
