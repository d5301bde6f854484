// Reference: what operations compute, written slowly and obviously on plain arrays in double precision.

/** Numbers with a shape, row-major. */
export interface Values {
  readonly shape: readonly number[]
  readonly data: readonly number[]
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)

/** Visits all positions of a shape in row-major order. The position is one array, moved on between the calls. */
export function eachPosition(shape: readonly number[], visit: (position: number[]) => void): void {
  const position = shape.map(() => 0)
  for (let left = sizeOf(shape); left > 0; left--) {
    visit(position)
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      position[axis]!++
      if (position[axis]! < shape[axis]!) break
      position[axis] = 0
    }
  }
}

/** All positions of a shape, in row-major order. */
export function positions(shape: readonly number[]): number[][] {
  const list: number[][] = []
  eachPosition(shape, (position) => list.push([...position]))
  return list
}

/** Values of a shape from a function of the position, which may not keep the position it is given. */
export function generate(shape: readonly number[], value: (position: number[]) => number): Values {
  const data: number[] = []
  eachPosition(shape, (position) => data.push(value(position)))
  return { shape, data }
}

export const values = (shape: readonly number[], data: Iterable<number>): Values => ({ shape, data: [...data] })

export function at({ shape, data }: Values, position: readonly number[]): number {
  let offset = 0
  for (let axis = 0; axis < shape.length; axis++) {
    const [place, extent] = [position[axis]!, shape[axis]!]
    if (place < 0 || place >= extent) throw new Error(`position ${position} is outside [${shape}]`)
    offset = offset * extent + place
  }
  return data[offset]!
}

export const absolute = (x: Values): Values => values(x.shape, x.data.map(Math.abs))

/** The value at a position of a result that x is broadcast to. */
function broadcastAt({ shape, data }: Values, position: readonly number[]): number {
  const before = position.length - shape.length
  let offset = 0
  for (let axis = 0; axis < shape.length; axis++) offset = offset * shape[axis]! + (shape[axis] === 1 ? 0 : position[before + axis]!)
  return data[offset]!
}

export function broadcastShape(...shapes: (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length))
  return Array.from({ length: rank }, (_, i) => {
    const extents = shapes.map((shape) => shape[shape.length - rank + i] ?? 1)
    return extents.find((extent) => extent !== 1) ?? 1
  })
}

/** A function of one or more numbers, element by element with broadcasting. */
export const elementwise =
  (f: (...args: number[]) => number) =>
  (...xs: Values[]): Values =>
    generate(broadcastShape(...xs.map((x) => x.shape)), (position) => f(...xs.map((x) => broadcastAt(x, position))))

export const broadcastTo = (x: Values, shape: readonly number[]): Values => generate(shape, (position) => broadcastAt(x, position))

/** One number from the list of numbers along the axes (default: all). */
export const reduce =
  (f: (list: number[]) => number) =>
  (x: Values, axes: readonly number[] = x.shape.map((_, i) => i), keepDims = false): Values => {
    const own = axes.map((axis) => (axis < 0 ? axis + x.shape.length : axis))
    const kept = x.shape.map((extent, axis) => (own.includes(axis) ? 1 : extent))
    const result = generate(kept, (position) => {
      const inner = positions(own.map((axis) => x.shape[axis]!))
      return f(
        inner.map((place) => {
          const full = [...position]
          own.forEach((axis, i) => (full[axis] = place[i]!))
          return at(x, full)
        }),
      )
    })
    return keepDims
      ? result
      : values(
          kept.filter((_, axis) => !own.includes(axis)),
          result.data,
        )
  }

export const total = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0)
export const average = (list: readonly number[]): number => total(list) / list.length
const nan = (list: readonly number[]): boolean => list.some(Number.isNaN)
export const largest = (list: readonly number[]): number =>
  nan(list) ? Number.NaN : list.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
export const smallest = (list: readonly number[]): number =>
  nan(list) ? Number.NaN : list.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)
export const logSumExp = (list: readonly number[]): number => {
  const top = largest(list)
  return Number.isFinite(top) ? top + Math.log(total(list.map((v) => Math.exp(v - top)))) : top
}

export const reshape = (x: Values, shape: readonly number[]): Values => {
  if (sizeOf(shape) !== x.data.length) throw new Error(`[${x.shape}] does not reshape to [${shape}]`)
  return values(shape, x.data)
}

export const transpose = (x: Values, permutation: readonly number[] = x.shape.map((_, i) => x.shape.length - 1 - i)): Values =>
  generate(
    permutation.map((axis) => x.shape[axis]!),
    (position) => {
      const source: number[] = []
      permutation.forEach((axis, i) => (source[axis] = position[i]!))
      return at(x, source)
    },
  )

/** The parts of x whose position along an axis is each of the given ones. */
export const take = (x: Values, places: readonly number[], axis: number): Values =>
  generate(
    x.shape.map((extent, i) => (i === axis ? places.length : extent)),
    (position) =>
      at(
        x,
        position.map((p, i) => (i === axis ? places[p]! : p)),
      ),
  )

export const slice = (
  x: Values,
  begin: readonly number[],
  size: readonly number[],
  steps: readonly number[] = begin.map(() => 1),
): Values =>
  generate(size, (position) =>
    at(
      x,
      position.map((p, i) => begin[i]! + p * steps[i]!),
    ),
  )

export const concat = (xs: readonly Values[], axis: number): Values => {
  const extent = total(xs.map((x) => x.shape[axis]!))
  return generate(
    xs[0]!.shape.map((n, i) => (i === axis ? extent : n)),
    (position) => {
      let along = position[axis]!
      for (const x of xs) {
        if (along < x.shape[axis]!)
          return at(
            x,
            position.map((p, i) => (i === axis ? along : p)),
          )
        along -= x.shape[axis]!
      }
      throw new Error('outside')
    },
  )
}

export const pad = (x: Values, paddings: readonly (readonly number[])[], value: number): Values =>
  generate(
    x.shape.map((n, i) => n + paddings[i]![0]! + paddings[i]![1]!),
    (position) => {
      const source = position.map((p, i) => p - paddings[i]![0]!)
      return source.every((p, i) => p >= 0 && p < x.shape[i]!) ? at(x, source) : value
    },
  )

export const tile = (x: Values, counts: readonly number[]): Values =>
  generate(
    x.shape.map((n, i) => n * counts[i]!),
    (position) =>
      at(
        x,
        position.map((p, i) => p % x.shape[i]!),
      ),
  )

/** Rows along the last axis, each replaced by f of it. */
export const rowwise =
  (f: (row: number[]) => number[]) =>
  (x: Values): Values => {
    const n = x.shape[x.shape.length - 1]!
    const data: number[] = []
    let width = n
    for (let i = 0; i < x.data.length; i += n) {
      const row = f(x.data.slice(i, i + n))
      width = row.length
      data.push(...row)
    }
    if (x.data.length === 0) width = f(new Array<number>(n).fill(0)).length
    return values([...x.shape.slice(0, -1), width], data)
  }

export const softmax: (x: Values) => Values = rowwise((row) => {
  const powers = row.map((v) => Math.exp(v - largest(row)))
  return powers.map((v) => v / total(powers))
})
export const logSoftmax: (x: Values) => Values = rowwise((row) => {
  const shifted = row.map((v) => v - largest(row))
  const top = shifted.indexOf(0)
  // log Σ of 1 and the others, which keeps its digits where those are next to nothing
  const others = total(shifted.map((v, i) => (i === top ? 0 : Math.exp(v))))
  return shifted.map((v) => v - Math.log1p(others))
})

/** Positions of a row's values in order; equal ones keep theirs, NaN last. */
export const order = (row: readonly number[], descending: boolean): number[] =>
  row
    .map((_, i) => i)
    .sort((i, j) => {
      const [a, b] = [row[i]!, row[j]!]
      if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b)) || i - j
      return (descending ? b - a : a - b) || i - j
    })

export const matMul = (a: Values, b: Values, transposeA = false, transposeB = false): Values => {
  const [ra, rb] = [a.shape.length, b.shape.length]
  const m = a.shape[transposeA ? ra - 1 : ra - 2]!
  const k = a.shape[transposeA ? ra - 2 : ra - 1]!
  const n = b.shape[transposeB ? rb - 2 : rb - 1]!
  const batch = broadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2))
  return generate([...batch, m, n], (position) => {
    const [i, j] = position.slice(-2) as [number, number]
    const [left, right] = [[...position], [...position]]
    const last = position.length - 1
    let sum = 0
    for (let p = 0; p < k; p++) {
      left[last - 1] = transposeA ? p : i
      left[last] = transposeA ? i : p
      right[last - 1] = transposeB ? j : p
      right[last] = transposeB ? p : j
      sum += broadcastAt(a, left) * broadcastAt(b, right)
    }
    return sum
  })
}

/** The error function: its series, and for large arguments the continued fraction of its complement. */
export function erf(x: number): number {
  if (Number.isNaN(x)) return x
  const z = Math.abs(x)
  if (z > 6) return Math.sign(x)
  if (z < 2.5) {
    let term = z
    let sum = z
    for (let n = 1; n < 200; n++) {
      term *= (-z * z) / n
      sum += term / (2 * n + 1)
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI)
  }
  let fraction = 0
  for (let n = 60; n > 0; n--) fraction = n / 2 / (z + fraction)
  return Math.sign(x) * (1 - Math.exp(-z * z) / Math.sqrt(Math.PI) / (z + fraction))
}
