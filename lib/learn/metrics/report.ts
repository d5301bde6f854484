// classificationReport: precision, recall and F1 of each class and on average, as text in scikit-learn's layout or as
// an object.
import { WeftError } from '../../core/error.js'
import { checkCall, type OptionTable, show } from '../../core/options.js'
import { countClasses, type Score, scoresOf } from './confusion.js'
import { inOrder, type Label, plain, type Targets, type WeightOption } from './targets.js'

export interface ClassificationReportOptions extends WeightOption {
  /** Classes to report, in order. Default: all that occur, sorted. */
  labels?: readonly Label[]
  /** Names to show, in the order of the classes. Default: the classes themselves. */
  targetNames?: readonly string[]
  /** Decimals of the text. Default 2. */
  digits?: number
  /** True: an object instead of text. Default false. */
  outputDict?: boolean
  /** What 0 / 0 is, as where a class is never predicted. Default: 0, with a warning. */
  zeroDivision?: number
}
const OPTIONS: OptionTable<ClassificationReportOptions> = {
  sampleWeight: 'any',
  labels: 'list',
  targetNames: 'list',
  digits: 'integer',
  outputDict: 'boolean',
  zeroDivision: 'number',
}

/** Figures of one class, or averaged ones. */
export interface ReportRow {
  precision: number
  recall: number
  f1Score: number
  support: number
}

/**
 * Rows by class name, with 'macro avg' and 'weighted avg', and `accuracy`; 'micro avg' in its place where `labels` are
 * not all classes.
 */
export type ClassificationReport = { readonly accuracy: number } & { readonly [name: string]: ReportRow }

const NAME = 'classificationReport'

/**
 * Precision, recall, F1 and support of every class. Text in the layout of scikit-learn, or with { outputDict: true } an
 * object.
 */
export function classificationReport(
  yTrue: Targets,
  yPred: Targets,
  options: ClassificationReportOptions & { outputDict: true },
): ClassificationReport
export function classificationReport(yTrue: Targets, yPred: Targets, options?: ClassificationReportOptions): string
export function classificationReport(
  yTrue: Targets,
  yPred: Targets,
  options: ClassificationReportOptions = {},
): string | ClassificationReport {
  checkCall(`${NAME}(yTrue, yPred, options)`, arguments, OPTIONS)
  const confusion = countClasses(NAME, yTrue, yPred, options.sampleWeight)
  const labels = (options.labels ?? confusion.classes).map(plain)
  const names = options.targetNames ? [...options.targetNames] : (options.labels ?? confusion.classes).map(String)
  if (names.length !== labels.length || names.some((name) => typeof name !== 'string'))
    throw new WeftError('ERR_ARGUMENT', `${NAME}: there are ${labels.length} classes, targetNames are ${show(options.targetNames)}`, {
      hint: options.labels ? 'Give as many names as labels' : 'Say which classes the names are of: { labels: [...], targetNames: [...] }',
    })
  const digits = options.digits ?? 2
  if (digits < 0 || digits > 20) throw new WeftError('ERR_ARGUMENT', `${NAME}: digits are from 0 to 20, got ${digits}`)
  const scores = scoresOf(NAME, confusion, labels, 1, options.zeroDivision)
  const whole = options.labels === undefined || isEqual([...labels].sort(inOrder), confusion.classes)
  const averages: [string, Score][] = [
    [whole ? 'accuracy' : 'micro avg', scores.micro()],
    ['macro avg', scores.macro()],
    ['weighted avg', scores.weighted()],
  ]
  return options.outputDict ? dictOf(names, scores.each, averages) : textOf(names, scores.each, averages, digits)
}

const isEqual = (a: readonly Label[], b: readonly Label[]): boolean => a.length === b.length && a.every((label, i) => label === b[i])
const rowOf = ({ precision, recall, f1, support }: Score): ReportRow => ({ precision, recall, f1Score: f1, support })

function dictOf(names: readonly string[], each: readonly Score[], averages: readonly [string, Score][]): ClassificationReport {
  const rows = names.map((name, i): [string, unknown] => [name, rowOf(each[i]!)])
  const last = averages.map(([name, score]): [string, unknown] => [name, name === 'accuracy' ? score.precision : rowOf(score)])
  return Object.fromEntries([...rows, ...last]) as unknown as ClassificationReport
}

function textOf(names: readonly string[], each: readonly Score[], averages: readonly [string, Score][], digits: number): string {
  const width = Math.max(...names.map((name) => [...name].length), 'weighted avg'.length, digits)
  const right = (text: string, size: number): string => ' '.repeat(Math.max(0, size - [...text].length)) + text
  const line = (name: string, cells: readonly string[]): string =>
    `${right(name, width)} ${cells.map((cell) => ` ${right(cell, 9)}`).join('')}\n`
  const cells = ({ precision, recall, f1, support }: Score): string[] => [
    ...[precision, recall, f1].map((value) => fixed(value, digits)),
    String(support),
  ]
  const head = `${right('', width)} ${['precision', 'recall', 'f1-score', 'support'].map((name) => ` ${right(name, 9)}`).join('')}\n\n`
  const body = names.map((name, i) => line(name, cells(each[i]!))).join('')
  const tail = averages
    .map(([name, score]) =>
      name === 'accuracy' ? line(name, ['', '', fixed(score.precision, digits), String(score.support)]) : line(name, cells(score)),
    )
    .join('')
  return `${head}${body}\n${tail}`
}

/** The number with so many decimals, rounded half to even where a binary number lies half-way, as Python prints it. */
function fixed(value: number, digits: number): string {
  const scaled = value * 2 ** 20
  // only a number of few binary digits can lie half-way exactly
  if (digits < 20 && Number.isInteger(scaled)) {
    const tens = 10n ** BigInt(digits)
    const above = BigInt(scaled) * tens
    const [whole, rest] = [above >> 20n, above & 0xfffffn]
    const up = rest > 0x80000n || (rest === 0x80000n && whole % 2n === 1n)
    const text = (whole + (up ? 1n : 0n)).toString().padStart(digits + 1, '0')
    return digits === 0 ? text : `${text.slice(0, -digits)}.${text.slice(-digits)}`
  }
  return value.toFixed(digits)
}
