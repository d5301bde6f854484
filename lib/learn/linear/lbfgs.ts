// L-BFGS (Liu and Nocedal, 1989) with a line search for the strong Wolfe conditions, and OWL-QN (Andrew and Gao, 2007)
// where there is a penalty on absolute values.

/** Value and gradient at a point; the gradient is written into the second argument. */
export type Objective = (point: Float64Array, gradient: Float64Array) => Promise<number> | number

export interface MinimizeOptions {
  readonly maxIterations: number
  /** The search ends where no entry of the (pseudo-)gradient is larger. */
  readonly tolerance: number
  /** Weight of the absolute value of each entry. Default: none. */
  readonly absolute?: Float64Array | undefined
}

export interface Minimum {
  readonly point: Float64Array
  readonly value: number
  readonly iterations: number
  readonly converged: boolean
}

const MEMORY = 12

export async function minimize(objective: Objective, start: Float64Array, options: MinimizeOptions): Promise<Minimum> {
  const { maxIterations, tolerance, absolute } = options
  const size = start.length
  let point: Float64Array = start.slice()
  let gradient: Float64Array = new Float64Array(size)
  let value = (await objective(point, gradient)) + penaltyOf(point, absolute)
  const pairs: { step: Float64Array; change: Float64Array; scale: number }[] = []
  for (let iteration = 0; ; iteration++) {
    const slope = absolute === undefined ? gradient : pseudoGradient(point, gradient, absolute)
    const reached = largestOf(slope)
    if (reached <= tolerance) return { point, value, iterations: iteration, converged: true }
    if (iteration === maxIterations) return { point, value, iterations: iteration, converged: false }
    const direction = descent(slope, pairs)
    if (absolute !== undefined) for (let i = 0; i < size; i++) if (direction[i]! * slope[i]! >= 0) direction[i] = 0
    const along = dot(direction, slope)
    const first = pairs.length === 0 ? Math.min(1, 1 / Math.sqrt(dot(slope, slope))) : 1
    const found =
      along < 0
        ? absolute === undefined
          ? await wolfe(objective, point, value, direction, along, first)
          : await orthant(objective, point, value, direction, slope, absolute, first)
        : undefined
    if (found === undefined) {
      // rounding hides the way down: once more without the memory, and then this is the minimum of this precision
      if (pairs.length > 0) {
        pairs.length = 0
        continue
      }
      return { point, value, iterations: iteration, converged: reached <= Math.max(tolerance, 1e-6) * 1e2 }
    }
    const step = difference(found.point, point)
    const change = difference(found.gradient, gradient)
    const curvature = dot(step, change)
    if (curvature > 1e-10 * Math.sqrt(dot(step, step) * dot(change, change))) {
      pairs.push({ step, change, scale: 1 / curvature })
      if (pairs.length > MEMORY) pairs.shift()
    }
    ;({ point, gradient, value } = found)
  }
}

interface Place {
  point: Float64Array
  gradient: Float64Array
  value: number
}

/** -H·slope, with H of the two loops over the remembered steps. */
function descent(slope: Float64Array, pairs: readonly { step: Float64Array; change: Float64Array; scale: number }[]): Float64Array {
  const direction = slope.map((value) => -value)
  const shares = new Float64Array(pairs.length)
  for (let i = pairs.length - 1; i >= 0; i--) {
    const { step, change, scale } = pairs[i]!
    shares[i] = scale * dot(step, direction)
    add(direction, -shares[i]!, change)
  }
  const last = pairs.at(-1)
  if (last !== undefined) {
    const factor = 1 / (last.scale * dot(last.change, last.change))
    for (let i = 0; i < direction.length; i++) direction[i]! *= factor
  }
  for (const [i, { step, change, scale }] of pairs.entries()) add(direction, shares[i]! - scale * dot(change, direction), step)
  return direction
}

/** A step for the strong Wolfe conditions (Nocedal and Wright, Numerical Optimization, 3.5 and 3.6). */
async function wolfe(
  objective: Objective,
  from: Float64Array,
  value: number,
  direction: Float64Array,
  along: number,
  first: number,
): Promise<Place | undefined> {
  const [enough, flat] = [1e-4, 0.9]
  const at = async (length: number): Promise<Place & { length: number; along: number }> => {
    const point = from.slice()
    add(point, length, direction)
    const gradient = new Float64Array(from.length)
    const there = await objective(point, gradient)
    return { point, gradient, value: there, length, along: dot(gradient, direction) }
  }
  // what rounding can add to a value
  const noise = 4 * Number.EPSILON * Math.abs(value)
  let low: { length: number; value: number; along: number; place?: Place } = { length: 0, value, along }
  let high: typeof low | undefined
  let length = first
  for (let tries = 0; tries < 40; tries++) {
    const now = await at(length)
    const tooHigh = !(now.value <= value + enough * length * along + noise) || (low.length > 0 && now.value >= low.value + noise)
    if (tooHigh) high = now
    else {
      if (Math.abs(now.along) <= -flat * along) return now
      if (high === undefined ? now.along >= 0 : now.along * (high.length - low.length) >= 0) high = low
      low = { ...now, place: now }
    }
    if (high === undefined) length *= 2
    else {
      if (Math.abs(high.length - low.length) <= 1e-12 * Math.max(1, low.length)) break
      length = between(low, high)
    }
  }
  return low.place
}

interface Edge {
  length: number
  value: number
  along: number
}

/** The minimum of the cubic through two places, kept away from both. */
function between(a: Edge, b: Edge): number {
  const middle = (a.length + b.length) / 2
  const d1 = a.along + b.along - (3 * (a.value - b.value)) / (a.length - b.length)
  const d2 = Math.sign(b.length - a.length) * Math.sqrt(d1 * d1 - a.along * b.along)
  const cubic = b.length - ((b.length - a.length) * (b.along + d2 - d1)) / (b.along - a.along + 2 * d2)
  const [low, high] = [Math.min(a.length, b.length), Math.max(a.length, b.length)]
  const margin = 0.1 * (high - low)
  return Number.isFinite(cubic) ? Math.min(high - margin, Math.max(low + margin, cubic)) : middle
}

/** The slope of value + Σ absolute·|x| that points down from a kink. */
function pseudoGradient(point: Float64Array, gradient: Float64Array, absolute: Float64Array): Float64Array {
  return gradient.map((g, i) => {
    const weight = absolute[i]!
    if (point[i]! !== 0) return g + Math.sign(point[i]!) * weight
    if (g + weight < 0) return g + weight
    return Math.max(g - weight, 0)
  })
}

/** A step that does not leave the orthant: entries that would change their sign become 0. */
async function orthant(
  objective: Objective,
  from: Float64Array,
  value: number,
  direction: Float64Array,
  slope: Float64Array,
  absolute: Float64Array,
  first: number,
): Promise<Place | undefined> {
  let length = first
  for (let tries = 0; tries < 40; tries++, length /= 2) {
    const point = from.map((x, i) => {
      const moved = x + length * direction[i]!
      const sign = x !== 0 ? Math.sign(x) : -Math.sign(slope[i]!)
      return absolute[i] === 0 || Math.sign(moved) === sign ? moved : 0
    })
    const gradient = new Float64Array(from.length)
    const there = (await objective(point, gradient)) + penaltyOf(point, absolute)
    let along = 0
    for (let i = 0; i < from.length; i++) along += slope[i]! * (point[i]! - from[i]!)
    if (there <= value + 1e-4 * along) return { point, gradient, value: there }
  }
  return undefined
}

function penaltyOf(point: Float64Array, absolute: Float64Array | undefined): number {
  let sum = 0
  if (absolute !== undefined) for (let i = 0; i < point.length; i++) sum += absolute[i]! * Math.abs(point[i]!)
  return sum
}

function largestOf(values: Float64Array): number {
  let most = 0
  for (const value of values) most = Math.max(most, Math.abs(value))
  return most
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

function add(target: Float64Array, factor: number, values: Float64Array): void {
  for (let i = 0; i < target.length; i++) target[i]! += factor * values[i]!
}

const difference = (a: Float64Array, b: Float64Array): Float64Array => a.map((value, i) => value - b[i]!)
