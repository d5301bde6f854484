// Steps that change X in an ONNX graph, and steps one after another.
import { WeftError } from '../../core/error.js'
import { show } from '../../core/options.js'
import type { Stored } from '../estimator.js'
import { type PolynomialFeaturesOptions, termsOf } from '../preprocessing/polynomial.js'
import type { Cell } from '../preprocessing/table.js'
import { columnsMade, type Features, type Made, type Sheet } from './sheet.js'

/** Writes a stored model into the graph. */
export type Write = (sheet: Sheet, x: Features, stored: Stored) => Made

const refused = (text: string, hint: string): WeftError => new WeftError('ERR_ARGUMENT', `exportOnnx: ${text}`, { hint })
const NUMBERS = 'Export what comes behind it, and prepare texts before'

export function scaled(
  sheet: Sheet,
  x: Features,
  { center, factor, origin }: { center: number[]; factor: number[]; origin: number[] },
): Made {
  // a scaler of one feature takes any number of columns as this one
  const moved = sheet.mul(sheet.sub(sheet.wide(x), sheet.constant('center', center)), sheet.constant('factor', factor))
  return columnsMade(origin.every((value) => value === 0) ? moved : sheet.add(moved, sheet.constant('origin', origin)), x.columns)
}

export function imputed(
  sheet: Sheet,
  x: Features,
  { fills, gaps }: { fills: readonly Cell[]; gaps: readonly number[] },
  { addIndicator }: { addIndicator: boolean },
): Made {
  const text = fills.find((fill) => fill !== null && typeof fill !== 'number')
  if (text !== undefined) throw refused(`imputer fills in ${show(text)}, which is no number`, NUMBERS)
  const kept = fills.flatMap((fill, column) => (fill === null ? [] : [column]))
  const wide = sheet.wide(x)
  const missing = sheet.op('IsNaN', [wide])
  const filled = sheet.op('Where', [
    missing,
    sheet.constant(
      'fills',
      fills.map((fill) => (fill ?? 0) as number),
    ),
    wide,
  ])
  const parts = [kept.length === fills.length ? filled : sheet.gather(filled, kept)]
  const marks = addIndicator ? gaps.length : 0
  if (marks > 0) parts.push(sheet.gather(sheet.cast(missing, 'float64'), gaps))
  return columnsMade(sheet.concat(parts), kept.length + marks)
}

export function products(sheet: Sheet, x: Features, { features }: { features: number }, params: Required<PolynomialFeaturesOptions>): Made {
  const terms = termsOf(features, params)
  const wide = sheet.wide(x)
  // a column of ones stands for the factors that a product does not have
  const first = sheet.gather(wide, [0])
  const zeros = sheet.mul(first, sheet.constant('zero', [0], []))
  const all = sheet.concat([wide, sheet.add(zeros, sheet.constant('one', [1], []))])
  let made: string | undefined
  for (let factor = 0; factor < Math.max(1, ...terms.map((term) => term.length)); factor++) {
    const columns = sheet.gather(
      all,
      terms.map((term) => term[factor] ?? features),
    )
    made = made === undefined ? columns : sheet.mul(made, columns)
  }
  return columnsMade(made!, terms.length)
}

export function oneHot(
  sheet: Sheet,
  x: Features,
  { categories }: { categories: readonly (readonly Cell[])[] },
  { drop, handleUnknown }: { drop: 'first' | 'ifBinary' | null; handleUnknown: string },
): Made {
  const text = categories.flat().find((value) => typeof value !== 'number')
  if (text !== undefined) throw refused(`oneHotEncoder has the category ${show(text)}, which is no number`, NUMBERS)
  if (handleUnknown !== 'ignore')
    throw refused(
      'oneHotEncoder throws at unknown categories, and an ONNX graph cannot',
      "Write oneHotEncoder({ handleUnknown: 'ignore' })",
    )
  const wide = sheet.wide(x)
  const parts = categories.map((list, column) => {
    const kept = drop === 'first' || (drop === 'ifBinary' && list.length === 2) ? list.slice(1) : list
    return { count: kept.length, of: kept as number[], column }
  })
  const columns = parts.filter(({ count }) => count > 0)
  const made = columns.map(({ of, column }) =>
    sheet.cast(sheet.op('Equal', [sheet.gather(wide, [column]), sheet.constant('categories', of)]), 'float64'),
  )
  if (made.length === 0) throw refused('oneHotEncoder leaves no column', 'Write drop: null')
  return columnsMade(
    sheet.concat(made),
    columns.reduce((sum, { count }) => sum + count, 0),
  )
}

type Place = number | string

/** Steps of columns side by side. */
export function sideBySide(sheet: Sheet, x: Features, { params, state }: Stored, write: Write): Made {
  const { parts, remainder } = params as { parts: [string, Stored | string, Place | Place[]][]; remainder: Stored | string }
  const { names, rest } = state as { names: string[] | null; rest: number[] }
  const place = (column: Place): number => (typeof column === 'number' ? column : names!.indexOf(column))
  const all: [string, Stored | string, Place | Place[]][] = [
    ...parts,
    ...(rest.length > 0 ? [['remainder', remainder, rest] as never] : []),
  ]
  const made: string[] = []
  let columns = 0
  for (const [name, step, own] of all) {
    if (step === 'drop') continue
    if (!Array.isArray(own)) throw refused(`the step ${show(name)} takes the texts of one column`, NUMBERS)
    const taken: Features = { name: sheet.gather(x.name, own.map(place)), dtype: x.dtype, columns: own.length }
    const features = typeof step === 'string' ? taken : write(sheet, taken, step).features
    if (features === undefined) throw refused(`the step ${show(name)} makes no columns`, NUMBERS)
    made.push(sheet.wide(features))
    columns += features.columns
  }
  if (made.length === 0) throw refused('columnTransformer leaves no column', 'Give it steps')
  return columnsMade(sheet.concat(made), columns)
}

/** Steps one after another. */
export function inTurn(sheet: Sheet, x: Features, { params }: Stored, write: Write): Made {
  const { steps, names } = params as { steps: Stored[]; names: string[] }
  let now = x
  for (const [i, step] of steps.entries()) {
    const made = write(sheet, now, step)
    if (i === steps.length - 1) return made
    if (made.features === undefined) throw refused(`the step ${show(names[i])} makes no columns`, NUMBERS)
    now = made.features
  }
  throw refused('the pipeline has no steps', 'Write pipeline(standardScaler(), svc())')
}
