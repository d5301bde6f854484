// Settings that hold while a function runs.

/** Runs fn with these fields of `state` set; afterwards, whatever fn threw, they have their former values. */
export function during<S extends object, T>(state: S, values: Partial<S>, fn: () => T): T {
  const before: Partial<S> = {}
  for (const key in values) before[key] = state[key]
  Object.assign(state, values)
  try {
    return fn()
  } finally {
    Object.assign(state, before)
  }
}
