// Sizes: extents that vary, as int64 values that the graph computes from the shapes of its tensors.
import { combined, type Extent, fixedExtent, sameExtent } from './extent.js'
import type { NodeList, Attribute } from './nodes.js'
import { Unsupported } from './unsupported.js'

export class Sizes {
  private readonly nodes: NodeList
  /** A tensor and its axis that has the extent, by extent. */
  private readonly places = new Map<string, { extent: Extent; name: string; axis: number }>()
  private readonly made = new Map<string, string>()

  constructor(nodes: NodeList) {
    this.nodes = nodes
  }

  /** Notes the extents of a tensor of the graph. */
  know(name: string, extents: readonly Extent[]): void {
    extents.forEach((extent, axis) => {
      const key = extent.join()
      if (fixedExtent(extent) === undefined && !this.places.has(key)) this.places.set(key, { extent, name, axis })
    })
  }

  /** The numbers as an int64 vector. */
  shape(extents: readonly Extent[]): string {
    const fixed = extents.map(fixedExtent)
    if (!fixed.includes(undefined)) return this.nodes.ints(fixed as number[])
    const parts: string[] = []
    let run: number[] = []
    const flush = (): void => {
      if (run.length > 0) parts.push(this.nodes.ints(run))
      run = []
    }
    extents.forEach((extent, i) => {
      if (fixed[i] !== undefined) run.push(fixed[i]!)
      else {
        flush()
        parts.push(this.vector(extent))
      }
    })
    flush()
    return parts.length === 1 ? parts[0]! : this.nodes.add('Concat', parts, { axis: { int: 0 } })
  }

  /** The number as an int64 vector of one element. */
  vector(extent: Extent): string {
    const fixed = fixedExtent(extent)
    if (fixed !== undefined) return this.nodes.ints([fixed])
    const key = extent.join()
    const name = this.made.get(key) ?? this.compute(extent)
    this.made.set(key, name)
    return name
  }

  /** The number as an int64 scalar. */
  scalar(extent: Extent): string {
    const fixed = fixedExtent(extent)
    return fixed === undefined ? this.nodes.add('Squeeze', [this.vector(extent)]) : this.nodes.int(fixed)
  }

  private compute(extent: Extent): string {
    const place = this.places.get(extent.join())
    if (place) return this.extentOf(place)
    const known = [...this.places.values()]
    for (const one of known) {
      const shift = fixedExtent(combined([extent, one.extent], ([a, b]) => a! - b!))
      if (shift !== undefined) return this.nodes.add('Add', [this.extentOf(one), this.nodes.ints([shift])])
      const scaled = this.scaled(extent, one.extent, () => this.extentOf(one))
      if (scaled !== undefined) return scaled
    }
    for (const one of known)
      for (const other of known) {
        const product = combined([one.extent, other.extent], ([a, b]) => a! * b!)
        const scaled = this.scaled(extent, product, () => this.nodes.add('Mul', [this.extentOf(one), this.extentOf(other)]))
        if (scaled !== undefined) return scaled
      }
    for (const one of known) {
      const linear = lineThrough(one.extent, extent)
      if (linear === undefined) continue
      const times = this.nodes.add('Mul', [this.extentOf(one), this.nodes.ints([linear.factor])])
      return this.nodes.add('Add', [times, this.nodes.ints([linear.shift])])
    }
    for (const one of known) {
      const part = wholePart(one.extent, extent)
      if (part === undefined) continue
      return this.nodes.add('Div', [
        this.nodes.add('Add', [this.extentOf(one), this.nodes.ints([part.shift])]),
        this.nodes.ints([part.divisor]),
      ])
    }
    throw new Unsupported('a size that does not follow from those of its operands')
  }

  /** The extent, if it is a multiple or a whole part of another. */
  private scaled(extent: Extent, of: Extent, make: () => string): string | undefined {
    if (of.includes(0)) return undefined
    const factor = fixedExtent(combined([extent, of], ([a, b]) => a! / b!))
    if (factor === undefined || factor === 0) return undefined
    if (factor === 1) return make()
    if (Number.isInteger(factor)) return this.nodes.add('Mul', [make(), this.nodes.ints([factor])])
    const divisor = Math.round(1 / factor)
    const exact = combined([extent, of], ([a, b]) => a! * divisor - b!)
    return sameExtent(
      exact,
      exact.map(() => 0),
    )
      ? this.nodes.add('Div', [make(), this.nodes.ints([divisor])])
      : undefined
  }

  private extentOf({ name, axis }: { name: string; axis: number }): string {
    const key = `${name} ${axis}`
    const made = this.made.get(key) ?? this.nodes.add('Shape', [name], { start: { int: axis }, end: { int: axis + 1 } })
    this.made.set(key, made)
    return made
  }

  /** What Reshape is told to make a tensor of one shape another: 0 copies an extent, -1 is what is left. */
  target(from: readonly Extent[], to: readonly Extent[]): string[] {
    const fixed = to.map(fixedExtent)
    if (fixed.includes(0)) return [this.shape(to)]
    const copied = to.map((extent, i) => fixed[i] ?? (i < from.length && sameExtent(extent, from[i]!) ? 0 : -1))
    return [copied.filter((n) => n === -1).length <= 1 ? this.nodes.ints(copied) : this.shape(to)]
  }

  /** An extent of 0 is meant as such where there is one. */
  reshapeAttributes(to: readonly Extent[]): Record<string, Attribute> {
    return to.some((extent) => fixedExtent(extent) === 0) ? { allowzero: { int: 1 } } : {}
  }
}

/** y = factor · x + shift in whole numbers, at all sizes. */
function lineThrough(x: Extent, y: Extent): { factor: number; shift: number } | undefined {
  const factor = (y[1]! - y[0]!) / (x[1]! - x[0]!)
  const shift = y[0]! - factor * x[0]!
  const fits = Number.isInteger(factor) && y.every((n, i) => n === factor * x[i]! + shift)
  return fits ? { factor, shift } : undefined
}

const MOST_DIVISOR = 64

/** y = ⌊(x + shift) / divisor⌋ at all sizes, if they leave no other shift. */
function wholePart(x: Extent, y: Extent): { shift: number; divisor: number } | undefined {
  for (let divisor = 2; divisor <= MOST_DIVISOR; divisor++) {
    const least = Math.max(...y.map((n, i) => n * divisor - x[i]!))
    const most = Math.min(...y.map((n, i) => (n + 1) * divisor - 1 - x[i]!))
    if (least === most && x.every((n) => n + least >= 0)) return { shift: least, divisor }
  }
  return undefined
}
