// warnOnce: a warning of the process that is given once per subject, so that a training loop does not repeat it.
const given = new Set<string>()
const givenOf = new WeakMap<object, Set<string>>()

/** Emits a process warning with the code, unless one with the same code and subject was emitted before. */
export function warnOnce(code: string, message: string, subject: string | object = ''): void {
  const known = typeof subject === 'string' ? given : (givenOf.get(subject) ?? new Set())
  if (typeof subject !== 'string') givenOf.set(subject, known)
  const key = typeof subject === 'string' ? `${code} ${subject}` : code
  if (known.has(key)) return
  known.add(key)
  process.emitWarning(message, { type: 'WeftWarning', code })
}
