// Timing: interleaved rounds of several sides, so that noise of the machine hits all of them alike.

export const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

export const percentile = (values, fraction) => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(fraction * sorted.length))]
}

export const summarize = (values) => ({ median: median(values), minimum: Math.min(...values), rounds: values })

/**
 * Starts two clocks; the function it returns gives wall and processor microseconds per repetition, of all threads of
 * the process.
 */
export const startClocks = () => {
  const before = process.cpuUsage()
  const start = performance.now()
  return (repetitions) => {
    const elapsed = performance.now() - start
    const { user, system } = process.cpuUsage(before)
    return { microseconds: (elapsed * 1000) / repetitions, processor: (user + system) / repetitions }
  }
}

/** A better best round than this share below the one before counts as news. */
const NEWS = 0.995

/**
 * Runs `sides`, a record of async functions that each return { microseconds, processor } of one repetition, in rounds:
 * every round runs every side once, in an order that rotates. The first `warmUp` rounds are dropped. While others keep
 * the machine busy, the best rounds come late: after `rounds` rounds it goes on until as many have brought no side a
 * better one, `most` at the most. Returns { median, minimum, rounds } of the wall clock per side, and the same of the
 * processor time under `processor`.
 */
export const interleave = async (sides, { rounds, warmUp = 1, most = 5 * rounds }) => {
  const names = Object.keys(sides)
  const figures = Object.fromEntries(names.map((name) => [name, []]))
  const best = {}
  let quiet = 0
  for (let round = -warmUp; round < rounds || (quiet < rounds && round < most); round++) {
    quiet++
    for (let i = 0; i < names.length; i++) {
      const name = names[(i + round + warmUp) % names.length]
      const reply = await sides[name]()
      if (round < 0) continue
      figures[name].push(reply)
      if (!(reply.microseconds >= NEWS * best[name])) quiet = 0
      best[name] = Math.min(reply.microseconds, best[name] ?? Number.POSITIVE_INFINITY)
    }
  }
  const over = (name, clock) => summarize(figures[name].map((reply) => reply[clock]))
  return Object.fromEntries(names.map((name) => [name, { ...over(name, 'microseconds'), processor: over(name, 'processor') }]))
}

/** Of the sides whose name starts with `prefix`, the one with the fastest round: the peer in its best setting. */
export const best = (figures, prefix) => {
  const candidates = Object.entries(figures).filter(([name]) => name.startsWith(prefix))
  candidates.sort((a, b) => a[1].minimum - b[1].minimum)
  const [name, figure] = candidates[0]
  return { name, ...figure }
}

/** { microseconds, processor } of one call of the async `fn`, the mean over `count` calls one after the other. */
export const time = async (fn, count) => {
  const stop = startClocks()
  for (let i = 0; i < count; i++) await fn()
  return stop(count)
}

/** How many calls of `fn` fill about `milliseconds`; warms up on the way. */
export const calibrate = async (fn, milliseconds) => {
  for (let count = 1; ; count *= 2) {
    const elapsed = ((await time(fn, count)).microseconds * count) / 1000
    if (elapsed > milliseconds / 4) return Math.max(1, Math.round((count * milliseconds) / elapsed))
  }
}
