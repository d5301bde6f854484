// images.fromFolder: a Dataset of the pictures in a folder, with a class for each folder in it.
import os from 'node:os'
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import { pathOf, type Place } from '../core/place.js'
import { nextSeed } from '../core/random.js'
import { warnOnce } from '../core/warnings.js'
import { Dataset, type ShuffleOrder } from '../data/dataset.js'
import type { ShapedArray } from '../data/host.js'
import { draws, permutation } from '../data/shuffle.js'
import { checkReading, decoded, READING_OPTIONS, type ReadingOptions } from './decode.js'
import { type Listed, listAll, listClasses, splitByClass } from './listing.js'
import { bytesOf } from './load.js'

/** What y is: 'int' a class number; 'categorical' a one-hot row; 'binary' 0 or 1 as float32; 'none': there is no y. */
export type LabelMode = 'int' | 'categorical' | 'binary' | 'none'

export interface FromFolderOptions extends ReadingOptions {
  /** Default 'int'. With 'none' pictures of all folders are taken, those that lie in no folder too. */
  labels?: LabelMode
  /** The folders that are classes, in the order of their numbers; others are left out. Default: all, by name. */
  classNames?: readonly string[]
  /** A new order on every pass; the validation part keeps its order. Default true. */
  shuffle?: boolean
  /** Of the order and the split. Default: drawn from setSeed's sequence. */
  seed?: number
  /** The share of the pictures of each class that is set apart. */
  validationSplit?: number
  /** What to do with a picture that cannot be read: 'throw' (default) an error that names it, or 'skip' it. */
  onError?: 'throw' | 'skip'
}
const OPTIONS: OptionTable<FromFolderOptions> = {
  ...READING_OPTIONS,
  labels: ['int', 'categorical', 'binary', 'none'],
  classNames: 'list',
  shuffle: 'boolean',
  seed: 'integer',
  validationSplit: 'number',
  onError: ['throw', 'skip'],
}

/** One picture: x is uint8 [height, width, channels]. */
export interface PictureSample {
  x: ShapedArray
  // biome-ignore lint/suspicious/noExplicitAny: a number or a one-hot row, by the option `labels`
  y?: any
}

/** A picture that was left out. */
export interface Skipped {
  readonly file: string
  readonly reason: string
}

/** A Dataset of pictures, with what their classes are called. */
export class PictureDataset extends Dataset<PictureSample> {
  /** The name of each class number. */
  readonly classNames: readonly string[]
  /** The files, in the order of a pass that is not shuffled. */
  readonly files: readonly string[]
  /** The class number of each file. */
  readonly labels: readonly number[]
  /** Files that are no pictures by their names. */
  readonly ignored: readonly string[]
  /** With onError 'skip': what the last pass has left out so far. */
  readonly skipped: readonly Skipped[]

  /** @internal */
  constructor(source: PictureSource) {
    super(source)
    this.classNames = source.classNames
    this.files = source.pictures.map(({ file }) => file)
    this.labels = source.pictures.map(({ label }) => label)
    this.ignored = source.ignored
    this.skipped = source.skipped
  }
}

/** The parts of a folder. */
export interface SplitPictures {
  readonly train: PictureDataset
  readonly validation: PictureDataset
  readonly classNames: readonly string[]
}

/** Pictures that are read ahead: sharp decodes in threads of its own. */
const AHEAD = Math.max(2, Math.min(16, os.availableParallelism() * 2))

/** Reads the pictures of a list; pictures of a pass are decoded some ahead of the one that is asked for. */
class PictureSource {
  readonly size: number | undefined
  readonly dtypes: Readonly<Record<string, 'int32' | 'float32'>>
  readonly orders: readonly ShuffleOrder[]
  readonly skipped: Skipped[] = []
  readonly pictures: readonly Listed[]
  readonly classNames: readonly string[]
  readonly ignored: readonly string[]
  private readonly options: FromFolderOptions

  constructor(
    pictures: readonly Listed[],
    about: { classNames: readonly string[]; ignored: readonly string[] },
    options: FromFolderOptions,
    seed: number | undefined,
  ) {
    this.pictures = pictures
    this.classNames = about.classNames
    this.ignored = about.ignored
    this.options = options
    this.size = options.onError === 'skip' ? undefined : pictures.length
    this.dtypes = { y: options.labels === 'binary' ? 'float32' : 'int32' }
    this.orders = seed === undefined ? [] : [{ seed, pass: 0 }]
  }

  open(): AsyncIterator<PictureSample, void> {
    const [order] = this.orders
    const { length } = this.pictures
    return this.openIn(order ? permutation(length, draws(order.seed, order.pass++)) : Uint32Array.from({ length }, (_, i) => i))
  }

  async *openIn(order: Uint32Array): AsyncGenerator<PictureSample, void> {
    const ahead: Promise<PictureSample | Skipped>[] = []
    let next = 0
    const ask = (): void => {
      const reading = this.read(this.pictures[order[next++]!]!)
      reading.catch(() => undefined) // told when its turn comes, not as an unhandled rejection
      ahead.push(reading)
    }
    this.skipped.length = 0
    while (next < order.length && ahead.length < AHEAD) ask()
    while (ahead.length > 0) {
      const found = await ahead.shift()!
      if (next < order.length) ask()
      if ('x' in found) yield found
      else this.skipped.push(found)
    }
    const [first] = this.skipped
    if (first)
      warnOnce(
        'WEFT_PICTURES_SKIPPED',
        `images.fromFolder: ${this.skipped.length} of ${order.length} pictures cannot be read and were left out, the first: ${first.reason}`,
        this,
      )
  }

  private async read({ file, label }: Listed): Promise<PictureSample | Skipped> {
    const what = 'images.fromFolder'
    try {
      const x = await decoded(what, file, await bytesOf(what, file), this.options)
      return { x, ...this.labelled(label) }
    } catch (error) {
      const damaged = error instanceof WeftError && error.code === 'ERR_FORMAT'
      if (!damaged || this.options.onError !== 'skip') throw error
      return { file, reason: error.message }
    }
  }

  private labelled(label: number): { y?: unknown } {
    const { labels = 'int' } = this.options
    if (labels === 'none') return {}
    if (labels !== 'categorical') return { y: label }
    const row = new Float32Array(this.classNames.length)
    row[label] = 1
    return { y: row }
  }
}

/**
 * The pictures of a folder that holds a folder for each class, as samples { x, y }: x uint8 [height, width, channels],
 * y the number of the class. Folders in those of the classes are looked through too; hidden ones are not. The folder is
 * listed by the call, pictures are read when a pass comes to them. ERR_FORMAT names a picture that cannot be read, a
 * class without pictures, and a folder that is not there.
 */
export function fromFolder(dir: Place, options: FromFolderOptions & { validationSplit: number }): SplitPictures
export function fromFolder(dir: Place, options?: FromFolderOptions & { validationSplit?: undefined }): PictureDataset
export function fromFolder(dir: Place, options: FromFolderOptions = {}): PictureDataset | SplitPictures {
  const what = 'images.fromFolder'
  checkCall(`${what}(dir, options)`, arguments, OPTIONS)
  checkReading(what, options)
  const { labels = 'int', classNames, validationSplit, shuffle = true } = options
  if (classNames !== undefined) checkNames(what, classNames)
  if (labels === 'none' && classNames !== undefined)
    throw new WeftError('ERR_ARGUMENT', `${what}: classNames go with labels, and labels are 'none'`)
  if (validationSplit !== undefined && !(validationSplit > 0 && validationSplit < 1))
    throw new WeftError('ERR_ARGUMENT', `${what}: validationSplit is a share between 0 and 1, got ${show(validationSplit)}`)
  const folder = pathOf(what, dir)
  const listing = labels === 'none' ? listAll(what, folder) : listClasses(what, folder, classNames)
  if (labels === 'binary' && listing.classNames.length !== 2)
    throw new WeftError('ERR_ARGUMENT', `${what}: labels 'binary' are of two classes, '${folder}' has ${listing.classNames.length}`, {
      hint: "Use labels 'int', or name two of them: { classNames: [...] }",
    })
  const seed = options.seed ?? nextSeed()
  const made = (pictures: readonly Listed[], order: number | undefined): PictureDataset =>
    new PictureDataset(new PictureSource(pictures, listing, options, order))
  if (validationSplit === undefined) return made(listing.pictures, shuffle ? seed : undefined)
  const { train, validation } = splitByClass(what, listing, validationSplit, seed)
  return { train: made(train, shuffle ? seed : undefined), validation: made(validation, undefined), classNames: listing.classNames }
}

function checkNames(what: string, names: readonly string[]): void {
  const wrong = names.find((name) => typeof name !== 'string' || name === '' || name === '.' || name === '..' || /[/\\\0]/.test(name))
  if (names.length === 0 || wrong !== undefined)
    throw new WeftError('ERR_ARGUMENT', `${what}: classNames are names of folders, got ${show(wrong ?? names)}`)
  if (new Set(names).size !== names.length) throw new WeftError('ERR_ARGUMENT', `${what}: classNames has a name twice: ${show(names)}`)
}
