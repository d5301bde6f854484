// warnOnce: a warning of the process that is given once per subject, so that a training loop does not repeat it.
const given = new Set<string>()

/** Emits a process warning with the code, unless one with the same code and subject was emitted before. */
export function warnOnce(code: string, message: string, subject: string = ''): void {
  const key = `${code} ${subject}`
  if (given.has(key)) return
  given.add(key)
  process.emitWarning(message, { type: 'WeftWarning', code })
}
