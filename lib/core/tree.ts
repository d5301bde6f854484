// Trees: nested arrays and plain records. Functions and models take and return them with leaves of one kind; options
// and files are trees of single values.
import { WeftError } from './error.js'
import type { DynamicShape } from './spec.js'
import { Tensor } from './tensor.js'

/** What tells a leaf from the rest of a tree. */
export type IsLeaf<L> = (value: unknown) => value is L

/** No tree of tensors is nested deeper; what is contains itself. */
const DEEPEST = 256

export function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value) as unknown
  return prototype === Object.prototype || prototype === null
}

/** @internal Throws ERR_ARGUMENT for values that are nested so deeply that they must contain themselves. */
export function checkDepth(depth: number): void {
  if (depth > DEEPEST)
    throw new WeftError('ERR_ARGUMENT', `the values are nested more than ${DEEPEST} deep`, {
      hint: 'Does an array or object contain itself?',
    })
}

/** Visits every leaf in nested arrays and plain records, in order. */
function eachLeaf<L>(tree: unknown, isLeaf: IsLeaf<L>, visit: (leaf: L) => void, depth = 0): void {
  if (isLeaf(tree)) {
    visit(tree)
    return
  }
  if (typeof tree !== 'object' || tree === null) return
  checkDepth(depth)
  if (Array.isArray(tree)) for (const item of tree) eachLeaf(item, isLeaf, visit, depth + 1)
  else if (isRecord(tree)) for (const item of Object.values(tree)) eachLeaf(item, isLeaf, visit, depth + 1)
}

/**
 * A copy of the tree with every leaf replaced; values that are neither leaves, arrays nor plain records stay as they
 * are.
 */
export function mapLeaves<L>(tree: unknown, isLeaf: IsLeaf<L>, replace: (leaf: L) => unknown, depth = 0): unknown {
  if (isLeaf(tree)) return replace(tree)
  if (typeof tree !== 'object' || tree === null) return tree
  checkDepth(depth)
  if (Array.isArray(tree)) return tree.map((item) => mapLeaves(item, isLeaf, replace, depth + 1))
  if (!isRecord(tree)) return tree
  return Object.fromEntries(Object.entries(tree).map(([key, item]) => [key, mapLeaves(item, isLeaf, replace, depth + 1)]))
}

/** The leaves of a tree, in order. */
export function leavesOf<L>(tree: unknown, isLeaf: IsLeaf<L>): L[] {
  const leaves: L[] = []
  eachLeaf(tree, isLeaf, (leaf) => leaves.push(leaf))
  return leaves
}

/** One tree of trees of the same form: `join` makes each leaf from those at its place. */
export function joinTrees<L>(trees: readonly unknown[], isLeaf: IsLeaf<L>, join: (leaves: readonly L[]) => unknown): unknown {
  const columns = trees.map((tree) => leavesOf(tree, isLeaf))
  let at = 0
  return mapLeaves(trees[0], isLeaf, () => {
    const place = at++
    return join(columns.map((leaves) => leaves[place]!))
  })
}

/** Whether the value is a leaf of data: neither an array nor a plain record. */
export const isValue: IsLeaf<unknown> = (value): value is unknown => !Array.isArray(value) && !isRecord(value)

/**
 * A copy of data with every value replaced. Entries of records that are undefined are left out.
 * @param path where the data stand; each value is given its own place, as in 'config.layers[0].name'
 */
export function mapData(data: unknown, replace: (value: unknown, path: string) => unknown, path: string, depth = 0): unknown {
  if (!Array.isArray(data) && !isRecord(data)) return replace(data, path)
  checkDepth(depth)
  if (Array.isArray(data)) return data.map((item, i) => mapData(item, replace, `${path}[${i}]`, depth + 1))
  const entries = Object.entries(data).filter(([, item]) => item !== undefined)
  return Object.fromEntries(entries.map(([key, item]) => [key, mapData(item, replace, `${path}.${key}`, depth + 1)]))
}

export const isTensor = (value: unknown): value is Tensor => value instanceof Tensor

/** A list of numbers (or nulls): a leaf in trees of shapes. An empty list is the shape of a scalar. */
export const isShape = (value: unknown): value is DynamicShape =>
  Array.isArray(value) && value.every((extent) => extent === null || typeof extent === 'number')

/** Visits every Tensor. */
export const walk = (tree: unknown, visit: (t: Tensor) => void): void => eachLeaf(tree, isTensor, visit)

/** A copy of the tree with every Tensor replaced. */
export const mapTree = (tree: unknown, replace: (t: Tensor) => unknown): unknown => mapLeaves(tree, isTensor, replace)
