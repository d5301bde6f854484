// The small data sets that ship with the package: gzipped CSV files in data/, the target in the last column. Sources:
// data/LICENSES.md.
import { tensor } from '../../core/create.js'
import { checkCall, type OptionTable } from '../../core/options.js'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { Tensor } from '../../core/tensor.js'

const root = path.dirname(createRequire(import.meta.url).resolve('weftjs/package.json'))
const unpack = promisify(gunzip)

export interface Table {
  x: Tensor
  y: Tensor
  featureNames: string[]
}

export interface Classes extends Table {
  /** The name of each class, by its number in y. */
  classNames: string[]
}

interface Columns {
  /** [rows, columns] without the target, row-major. */
  features: Float64Array
  target: Float64Array
  names: string[]
}

async function columns(name: string): Promise<Columns> {
  const text = (await unpack(await readFile(path.join(root, 'data', `${name}.csv.gz`)))).toString('latin1')
  const [header, ...lines] = text.trimEnd().split('\n')
  const names = header!.split(',').slice(0, -1)
  const features = new Float64Array(lines.length * names.length)
  const target = new Float64Array(lines.length)
  for (const [row, line] of lines.entries()) {
    const fields = line.split(',')
    for (let column = 0; column < names.length; column++) features[row * names.length + column] = Number(fields[column])
    target[row] = Number(fields[names.length])
  }
  return { features, target, names }
}

async function classes(name: string, classNames: string[]): Promise<Classes> {
  const { features, target, names } = await columns(name)
  return {
    x: tensor(Float32Array.from(features), [target.length, names.length]),
    y: tensor(Int32Array.from(target), [target.length]),
    featureNames: names,
    classNames,
  }
}

/** Handwritten digits, 8 by 8: x float32 [1797, 8, 8, 1], 0..16; y int32 [1797]. */
export async function digits(): Promise<Classes> {
  checkCall('datasets.digits()', arguments)
  const { features, target, names } = await columns('digits')
  return {
    x: tensor(Float32Array.from(features), [target.length, 8, 8, 1]),
    y: tensor(Int32Array.from(target), [target.length]),
    featureNames: names,
    classNames: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
  }
}

/** Iris flowers: x float32 [150, 4], centimetres; y int32 [150], 3 species. */
export async function iris(): Promise<Classes> {
  checkCall('datasets.iris()', arguments)
  return classes('iris', ['setosa', 'versicolor', 'virginica'])
}

/** Wines: x float32 [178, 13], chemical analyses on very different scales; y int32 [178], 3 growers. */
export async function wine(): Promise<Classes> {
  checkCall('datasets.wine()', arguments)
  return classes('wine', ['class_0', 'class_1', 'class_2'])
}

/** Breast cancer, Wisconsin diagnostic: x float32 [569, 30]; y int32 [569], 0 malignant, 1 benign. */
export async function breastCancer(): Promise<Classes> {
  checkCall('datasets.breastCancer()', arguments)
  return classes('breast-cancer', ['malignant', 'benign'])
}

export interface DiabetesOptions {
  /**
   * True (default): each column centred, with a sum of squares of 1, as scikit-learn gives it. False: the values as
   * measured.
   */
  scaled?: boolean
}

const DIABETES_OPTIONS: OptionTable<DiabetesOptions> = { scaled: 'boolean' }

/** Diabetes: x float32 [442, 10]; y float32 [442], progression of the disease after a year, 25..346. */
export async function diabetes(options: DiabetesOptions = {}): Promise<Table> {
  checkCall('datasets.diabetes(options)', arguments, DIABETES_OPTIONS)
  const { features, target, names } = await columns('diabetes')
  if (options.scaled ?? true) scale(features, names.length)
  return {
    x: tensor(Float32Array.from(features), [target.length, names.length]),
    y: tensor(Float32Array.from(target), [target.length]),
    featureNames: names,
  }
}

/** Centres each column of [rows, columns] and divides it by the square root of its sum of squares. */
function scale(values: Float64Array, width: number): void {
  const rows = values.length / width
  for (let column = 0; column < width; column++) {
    let mean = 0
    for (let row = 0; row < rows; row++) mean += values[row * width + column]! / rows
    let squares = 0
    for (let row = 0; row < rows; row++) squares += (values[row * width + column]! - mean) ** 2
    for (let row = 0; row < rows; row++) values[row * width + column] = (values[row * width + column]! - mean) / Math.sqrt(squares)
  }
}
