// report: one HTML page that says how good a model is on some data.
import { integer } from '../../core/checks.js'
import { WeftError } from '../../core/error.js'
import { checkCall, checkOptions, type OptionTable, show } from '../../core/options.js'
import { pathOf, type Place } from '../../core/place.js'
import { isRecord } from '../../core/tree.js'
import { Tensor } from '../../core/tensor.js'
import { Dataset } from '../../data/dataset.js'
import { isShaped } from '../../data/host.js'
import { writeNew } from '../../io/folder.js'
import { replaceFile } from '../../io/replace_file.js'
import { permutationImportance } from '../../explain/permutation_importance.js'
import { explanationsOf, type WordsOf } from '../../explain/pictures/explanations.js'
import type { LabelsLike, MatrixLike } from '../matrix.js'
import { checkData } from '../selection/cross_validation.js'
import { type Rowed, rowCount } from '../selection/rows.js'
import { classCurves, importanceBars, numberCurves } from './curves.js'
import { type ClassFigures, classFigures, type Figure, type NumberFigures, numberFigures } from './figures.js'
import { pageOf, shown } from './page.js'
import type { Samples } from './predictor.js'
import { scoredOf } from './scored.js'

/** Rows that the model was not fitted on, with what is true of them. */
export interface ReportData {
  x: MatrixLike | Samples
  y: LabelsLike
  /** As the data sets of weftjs have them; options of the same names go first. */
  featureNames?: readonly string[]
  classNames?: readonly string[]
}

export interface ReportOptions {
  /** The HTML file, replaced as a whole. Default: none is written. */
  file?: Place
  /** Default: the kind of the model. */
  title?: string
  /** Names of the features, for the bars of their importance. */
  featureNames?: readonly string[]
  /** Names of the classes, in order. */
  classNames?: readonly string[]
  /** Bars of the importance of the features. Default: for tables of up to 50 features and 5,000 rows. */
  importance?: boolean
  /**
   * Pictures of why the model decides so in some samples. Networks on images: saliency, Grad-CAM and occlusion; on ids
   * of words: shaded words; models of tables: SHAP values; networks with attention: its weights. Default false.
   */
  explain?: boolean | ExplainOptions
  /** Draws of the rows for intervals. Default: 1000 of up to 2,000 rows, fewer of more, at least 50. */
  resamples?: number
  /** 0 to 2^32 - 1. Default: a new one, reproducible by setSeed(). */
  seed?: number
}
export interface ExplainOptions {
  /** How many samples, half of them wrong ones where there are such. Default 6. */
  samples?: number
  /** The words of ids, as (ids) => ids.map((id) => names[id]); padding is undefined. Default: the ids, 0 as padding. */
  words?: WordsOf
}
const EXPLAIN_OPTIONS: OptionTable<ExplainOptions> = { samples: 'integer', words: 'function' }

const OPTIONS: OptionTable<ReportOptions> = {
  file: 'any',
  title: 'string',
  featureNames: 'list',
  classNames: 'list',
  importance: 'boolean',
  explain: 'any',
  resamples: 'integer',
  seed: 'integer',
}

export interface Report {
  /** Metrics with intervals, each beside a baseline. */
  figures: readonly Figure[]
  /** [true class][predicted class], in the order of `classes`. */
  confusion: readonly (readonly number[])[] | undefined
  classes: ClassFigures['classes'] | undefined
  /** Mean fall of the score when a feature is shuffled. */
  importances: readonly number[] | undefined
  /** The page. */
  html: string
  /** Where it was written. */
  file: string | undefined
}

/** The number of features of a table; undefined for data of another shape. */
function featuresOf(x: unknown): number | undefined {
  if (x instanceof Tensor || isShaped(x)) return x.shape.length === 2 ? x.shape[1] : undefined
  const first: unknown = (x as readonly unknown[])[0]
  const isRow = (Array.isArray(first) || ArrayBuffer.isView(first)) && typeof (first as ArrayLike<unknown>)[0] === 'number'
  return isRow ? (first as unknown as ArrayLike<unknown>).length : undefined
}

/** Names that were given, as many as there are; those of the data only where they fit. */
function namesFor(
  option: 'featureNames' | 'classNames',
  count: number | undefined,
  given: readonly string[] | undefined,
  known: readonly string[] | undefined,
): readonly string[] | undefined {
  if (given === undefined) return known?.length === count ? known : undefined
  if (given.length === count && given.every((name) => typeof name === 'string')) return given
  const what = option === 'classNames' ? 'classes' : 'features'
  throw new WeftError('ERR_ARGUMENT', `report: there are ${count ?? 'no'} ${what}, ${option} are ${show(given)}`)
}

function explainOption(what: string, given: unknown): ExplainOptions | undefined {
  if (given === undefined || given === false) return undefined
  if (given === true) return {}
  checkOptions(`${what}'s explain`, given, EXPLAIN_OPTIONS)
  const options = given as ExplainOptions
  integer(what, 'samples of explain', options.samples ?? 6, 1, 100)
  return options
}

/** Explanations of some samples: wrong ones first, up to half of them, then others from all over the rows. */
async function explained(
  what: string,
  model: unknown,
  x: Samples,
  found: ClassFigures | NumberFigures,
  featureNames: readonly string[],
  { samples = 6, words }: ExplainOptions,
  seed: number | undefined,
): Promise<string> {
  const count = Math.min(samples, found.rows)
  const places = Array.from({ length: found.rows }, (_, i) => i)
  const wrong = found.tells === 'classes' ? places.filter((i) => found.predicted[i] !== found.truth[i]).slice(0, count >> 1) : []
  const rest = places.filter((i) => !wrong.includes(i))
  const others = Array.from({ length: count - wrong.length }, (_, i) => rest[Math.floor((i * rest.length) / (count - wrong.length))]!)
  const chosen = [...wrong, ...others]
  const outputs = chosen.map((i) => (found.tells === 'classes' ? found.classes.indexOf(found.predicted[i]!) : 0))
  const captions = chosen.map((i, at) => {
    if (found.tells === 'numbers') return `target ${shown(found.truth[i]!)}, predicted ${shown(found.predicted[i]!)}`
    const truth = found.names[found.classes.indexOf(found.truth[i]!)] ?? String(found.truth[i])
    const p = found.probabilities?.[i]?.[outputs[at]!]
    const taken = `${found.names[outputs[at]!]}${p === undefined ? '' : ` (${p.toFixed(2)})`}`
    return found.predicted[i] === found.truth[i] ? `right: ${taken}` : `wrong: ${truth}, taken for ${taken}`
  })
  return explanationsOf(what, model, x, { chosen, captions, outputs, featureNames, wordsOf: words, seed })
}

/**
 * Says how good a network or a model of weftjs/learn is on data that it was not fitted on: report(model, { x, y },
 * { file: 'report.html' }). Metrics have intervals and stand beside a baseline. Classes: confusion matrix, precision
 * and recall, ROC, precision-recall and calibration curves. Numbers: predictions and errors. The page is one file,
 * without scripts, that needs no network.
 */
export async function report(model: unknown, data: ReportData, options: ReportOptions = {}): Promise<Report> {
  const what = 'report'
  checkCall(`${what}(model, data, options)`, arguments)
  if (!isRecord(data) || !('x' in data) || !('y' in data))
    throw new WeftError('ERR_ARGUMENT', `${what}: expected { x, y }, got ${show(data)}`, {
      hint:
        data instanceof Dataset
          ? `Read it first: const [all] = await data.batch(data.size).toArray(), then ${what}(model, all)`
          : `Write ${what}(model, { x, y }, { file: 'report.html' })`,
    })
  const table: OptionTable<ReportData> = { x: 'any', y: 'any', featureNames: 'list', classNames: 'list' }
  checkOptions(what, data, table, 'model')
  checkOptions(what, options, OPTIONS, 'model, { x, y }')
  const { x, y } = data as { x: MatrixLike; y: LabelsLike }
  checkData(what, x, y)
  const wanted = explainOption(what, options.explain)
  // a place that cannot be is told before the work
  const file = options.file === undefined ? undefined : pathOf(what, options.file, 'file')
  if (file !== undefined && !/\.html?$/i.test(file))
    throw new WeftError('ERR_ARGUMENT', `${what}: '${file}' does not end in .html`, { hint: "Write { file: 'report.html' }" })
  const rows = rowCount(what, x as Rowed)
  const resamples = integer(what, 'resamples', options.resamples ?? Math.min(1000, Math.max(50, Math.floor(2e6 / rows))), 2)
  const scored = await scoredOf(what, model, x as Samples, y)
  const count = scored.classes?.length
  const classNames = namesFor('classNames', count, options.classNames, (data as ReportData).classNames)
  const settings = { seed: options.seed, resamples, classNames }
  const found: ClassFigures | NumberFigures = await (scored.tells === 'classes' ? classFigures : numberFigures)(scored, x, y, settings)
  const curves = found.tells === 'classes' ? await classCurves(found) : await numberCurves(found)
  const features = featuresOf(x)
  const known = namesFor('featureNames', features, options.featureNames, (data as ReportData).featureNames)
  const names = known ?? Array.from({ length: features ?? 0 }, (_, i) => `feature ${i}`)
  if (features === undefined && options.importance === true)
    throw new WeftError('ERR_SHAPE', `${what}: importance is of tables [rows, features]`, {
      hint: "For images use gradCam() of 'weftjs/explain'",
    })
  let importances: number[] | undefined
  let bars: string | undefined
  if (features !== undefined && (options.importance ?? (features <= 50 && rows <= 5000))) {
    const seed = options.seed === undefined ? {} : { seed: options.seed }
    const { importancesMean, importancesStd } = await permutationImportance(model as never, x, y, { repeats: 3, ...seed })
    importances = importancesMean
    bars = await importanceBars(names, importancesMean, importancesStd)
  }
  const explanations = wanted && (await explained(what, model, x as Samples, found, names, wanted, options.seed))
  const kind = (model as { kind?: string; name?: string }).kind ?? (model as { name?: string }).name ?? 'model'
  const html = pageOf({
    title: options.title ?? `Report: ${kind}`,
    facts: [
      ['model', kind],
      ['rows', String(rows)],
      ...(features === undefined ? [] : [['features', String(features)] as const]),
      ...(found.tells === 'classes' ? [['classes', found.names.join(', ')] as const] : []),
      ...(options.seed === undefined ? [] : [['seed', String(options.seed)] as const]),
    ],
    found,
    curves,
    importance: bars,
    explanations,
  })
  if (file !== undefined) await replaceFile(what, file, (fresh) => writeNew(fresh, async (handle) => void (await handle.writeFile(html))))
  const [confusion, classes] = found.tells === 'classes' ? [found.confusion, found.classes] : [undefined, undefined]
  return { figures: found.figures, confusion, classes, importances, html, file }
}
