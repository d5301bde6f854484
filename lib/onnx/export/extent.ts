// Extents of an exported model: a number, or one that follows from the extents of the inputs. An extent is known by its
// values at the sizes at which the model was traced.

/** The values at each of the sizes. */
export type Extent = readonly number[]

/** The extent where it is the same at all sizes, else undefined. */
export const fixedExtent = (extent: Extent): number | undefined => (extent.every((n) => n === extent[0]) ? extent[0] : undefined)

export const isOne = (extent: Extent): boolean => fixedExtent(extent) === 1

export const sameExtent = (a: Extent, b: Extent): boolean => a.length === b.length && a.every((n, i) => n === b[i])

export const sameExtents = (a: readonly Extent[], b: readonly Extent[]): boolean =>
  a.length === b.length && a.every((extent, i) => sameExtent(extent, b[i]!))

/** An extent that is made of others, size by size. */
export const combined = (parts: readonly Extent[], combine: (values: readonly number[]) => number): Extent =>
  parts[0]!.map((_, i) => combine(parts.map((part) => part[i]!)))

/** The number of elements; `sizes`: at how many sizes the model was traced. */
export const sizeOfExtents = (extents: readonly Extent[], sizes: number): Extent =>
  Array.from({ length: sizes }, (_, i) => extents.reduce((size, extent) => size * extent[i]!, 1))

export const identityOrder = (rank: number): number[] => Array.from({ length: rank }, (_, i) => i)
export const isIdentity = (order: readonly number[]): boolean => order.every((axis, i) => axis === i)
export const sameOrder = (a: readonly number[], b: readonly number[]): boolean => a.length === b.length && a.every((n, i) => n === b[i])
