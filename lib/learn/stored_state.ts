// What load() accepts as the learned part of a model: every array with its type, its length and its range. A file that
// was edited ends in an error here, not in a wrong prediction.
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { isRecord } from '../core/tree.js'

type Test = (value: unknown) => boolean
const finite: Test = (value) => typeof value === 'number' && Number.isFinite(value)
const isText: Test = (value) => typeof value === 'string'
const isCell: Test = (value) => isText(value) || finite(value) || typeof value === 'boolean'

/** Reads entries of a stored record; ERR_FORMAT for what a model cannot have learned. */
class Entries {
  private readonly what: string
  private readonly record: Record<string, unknown>

  constructor(what: string, record: unknown) {
    this.what = what
    if (!isRecord(record)) throw this.wrong('its state', record, 'a record')
    this.record = record
  }

  wrong(name: string, found: unknown, wanted: string): WeftError {
    return new WeftError('ERR_FORMAT', `load: ${this.what} has ${name} ${show(found)}, expected ${wanted}`, {
      hint: 'Save the model again',
    })
  }
  private need<T>(name: string, fine: Test, wanted: string): T {
    const found = this.record[name]
    if (!fine(found)) throw this.wrong(name, found, wanted)
    return found as T
  }

  /** Finite float64; with `length` so many, with `above` all larger. */
  floats(name: string, length?: number, above: number = Number.NEGATIVE_INFINITY): Float64Array {
    const wanted = `${length === undefined ? '' : `${length} `}float64${above === 0 ? ' above 0' : ', all finite'}`
    return this.need(
      name,
      (value) =>
        value instanceof Float64Array &&
        (length === undefined || value.length === length) &&
        value.every((own) => finite(own) && own > above),
      wanted,
    )
  }
  /** int32 from `low` to below `high`. */
  ints(name: string, length: number | undefined, low: number, high: number): Int32Array {
    const inside = (own: number): boolean => own >= low && own < high
    return this.need(
      name,
      (value) => value instanceof Int32Array && (length === undefined || value.length === length) && value.every(inside),
      `${length === undefined ? '' : `${length} `}int32 from ${low} to ${high - 1}`,
    )
  }
  number(name: string): number {
    return this.need(name, finite, 'a finite number')
  }
  count(name: string, least = 0): number {
    return this.need(name, (value) => Number.isSafeInteger(value) && (value as number) >= least, `an integer of at least ${least}`)
  }
  flag(name: string): boolean {
    return this.need(name, (value) => typeof value === 'boolean', 'true or false')
  }
  /** Classes in ascending order. */
  classes(least = 1): number {
    const ascending = (list: readonly (string | number | boolean)[]): boolean =>
      list.every((label, i) => isCell(label) && typeof label === typeof list[0] && (i === 0 || label > list[i - 1]!))
    const list = this.need<unknown[]>(
      'classes',
      (value) => Array.isArray(value) && value.length >= least && ascending(value as string[]),
      `at least ${least} classes in ascending order`,
    )
    return list.length
  }
  list(name: string, item: Test, wanted: string, length?: number): unknown[] {
    return this.need(
      name,
      (value) => Array.isArray(value) && (length === undefined || value.length === length) && value.every(item),
      wanted,
    )
  }
  optional(name: string, read: () => void): void {
    if (this.record[name] !== null && this.record[name] !== undefined) read()
  }
  /** Names of columns, or null. */
  names(length: number): void {
    this.optional('names', () => void this.list('names', isText, `${length} names, or null`, length))
  }
  trees(read: (tree: Entries) => void): number {
    const list = this.list('trees', isRecord, 'a list of trees')
    if (list.length === 0) throw this.wrong('trees', list, 'at least one')
    for (const tree of list) read(new Entries(`a tree of ${this.what}`, tree))
    return list.length
  }
  /** Nodes whose children come after them: following them ends. Returns how many there are. */
  nodes(columns: number): number {
    const feature = this.ints('feature', undefined, -1, columns)
    const count = feature.length
    if (count === 0) throw this.wrong('feature', feature, 'at least one node')
    const [left, right] = [this.ints('left', count, -1, count), this.ints('right', count, -1, count)]
    for (let node = 0; node < count; node++)
      if (feature[node]! >= 0 && !(left[node]! > node && right[node]! > node))
        throw this.wrong(`in node ${node} the children`, [left[node], right[node]], 'nodes after it')
    const threshold = this.need<Float64Array>('threshold', (own) => own instanceof Float64Array && own.length === count, `${count} float64`)
    if (threshold.some(Number.isNaN)) throw this.wrong('threshold', threshold, 'no NaN')
    return count
  }
  /** One uint8, 0 or 1, for each node. */
  marks(name: string, length: number): void {
    this.need(name, (own) => own instanceof Uint8Array && own.length === length && own.every((mark) => mark < 2), `${length} uint8, 0 or 1`)
  }
}

const line = (state: Entries): void => {
  state.floats('coef')
  state.number('intercept')
}
function planes(state: Entries): void {
  const classes = state.classes(2)
  const outputs = state.floats('intercept').length
  if (outputs !== classes && !(outputs === 1 && classes === 2))
    throw state.wrong('intercept', outputs, `one for each of ${classes} classes`)
  const coef = state.floats('coef')
  if (coef.length === 0 || coef.length % outputs !== 0) throw state.wrong('coef', coef, `a multiple of ${outputs} values`)
}
/** The number of columns that come with a value for each class. */
function perClass(state: Entries, name: string, classes: number): number {
  const values = state.floats(name)
  if (values.length === 0 || values.length % classes !== 0) throw state.wrong(name, values, `a multiple of ${classes} values`)
  return values.length / classes
}
function vectors(state: Entries): number {
  const columns = state.count('columns', 1)
  state.number('gamma')
  const support = state.ints('support', undefined, 0, 2 ** 31).length
  const stored = state.floats('vectors').length
  // precomputed similarities have no vectors, and their places are columns
  if (stored === 0) state.ints('support', undefined, 0, columns)
  else state.floats('vectors', support * columns)
  return support
}
function machines(state: Entries): void {
  const classes = state.classes(2)
  const support = vectors(state)
  const pairs = (classes * (classes - 1)) / 2
  state.floats('dual', (classes - 1) * support)
  state.floats('intercept', pairs)
  const counts = state.list(
    'nSupport',
    (own) => Number.isSafeInteger(own) && (own as number) >= 0,
    `${classes} counts`,
    classes,
  ) as number[]
  if (counts.reduce((a, b) => a + b, 0) !== support) throw state.wrong('nSupport', counts, `counts that add up to ${support}`)
  state.optional('sigmoids', () => void state.floats('sigmoids', 2 * pairs))
}
function trees(state: Entries, classes: number): void {
  const columns = state.count('columns', 1)
  state.trees((tree) => {
    const nodes = tree.nodes(columns)
    tree.floats('value', nodes * classes)
    for (const name of ['weight', 'impurity']) tree.floats(name, nodes)
    tree.ints('samples', nodes, 0, 2 ** 31)
  })
}
function boosted(state: Entries, outputs: number): void {
  const columns = state.count('columns', 1)
  const found = state.count('outputs', 1)
  if (found !== outputs) throw state.wrong('outputs', found, String(outputs))
  state.floats('baseline', outputs)
  const count = state.trees((tree) => {
    const nodes = tree.nodes(columns)
    tree.floats('value', nodes)
    tree.marks('missingLeft', nodes)
    tree.ints('samples', nodes, 0, 2 ** 31)
  })
  if (count % outputs !== 0) throw state.wrong('trees', count, `a multiple of ${outputs}`)
}
function neighbors(state: Entries): number {
  const columns = state.count('columns', 1)
  const { length } = state.floats('data')
  if (length === 0 || length % columns !== 0) throw state.wrong('data', length, `a multiple of ${columns} values`)
  return length / columns
}
const categories = (state: Entries): void => {
  const isList: Test = (own) => Array.isArray(own) && own.length > 0 && own.every(isCell)
  state.names(state.list('categories', isList, 'a list of categories for each column').length)
}
const texts = (state: Entries): void => {
  const terms = state.list('terms', isText, 'a list of texts').length
  if (state.floats('idf').length > 0) state.floats('idf', terms)
}
/** Scalers read their own lines. */
const own = (): void => undefined

const STATES: Readonly<Record<string, (state: Entries) => void>> = {
  linearRegression: line,
  ridge: line,
  lasso: line,
  elasticNet: line,
  sgdRegressor: line,
  logisticRegression(state) {
    planes(state)
    state.flag('softmax')
  },
  linearSvc: planes,
  sgdClassifier: planes,
  svc: machines,
  svr(state) {
    state.floats('dual', vectors(state))
    state.number('intercept')
  },
  gaussianNB(state) {
    const classes = state.classes()
    state.floats('priors', classes)
    state.floats('variance', perClass(state, 'theta', classes) * classes, 0)
  },
  multinomialNB(state) {
    const classes = state.classes()
    state.floats('priors', classes)
    perClass(state, 'logChances', classes)
  },
  decisionTreeClassifier: (state) => trees(state, state.classes()),
  randomForestClassifier: (state) => trees(state, state.classes()),
  decisionTreeRegressor: (state) => trees(state, 1),
  randomForestRegressor: (state) => trees(state, 1),
  histGradientBoostingClassifier(state) {
    const classes = state.classes(2)
    boosted(state, classes === 2 ? 1 : classes)
  },
  histGradientBoostingRegressor: (state) => boosted(state, 1),
  kNeighborsClassifier: (state) => void state.ints('index', neighbors(state), 0, state.classes()),
  kNeighborsRegressor: (state) => void state.floats('targets', neighbors(state)),
  kMeans(state) {
    const columns = state.count('columns', 1)
    const groups = state.floats('centers').length / columns
    if (!(Number.isInteger(groups) && groups > 0)) throw state.wrong('centers', groups, `a multiple of ${columns} values`)
    state.ints('labels', undefined, 0, groups)
    state.number('inertia')
  },
  pca(state) {
    const columns = state.floats('mean').length
    state.floats('components', columns * state.floats('variance').length)
    state.number('total')
    state.count('rows', 1)
  },
  dummyClassifier: (state) => void state.floats('shares', state.classes()),
  dummyRegressor: (state) => void state.number('value'),
  labelEncoder: (state) => void state.classes(),
  oneHotEncoder: categories,
  ordinalEncoder: categories,
  imputer(state) {
    const columns = state.list('fills', (fill) => fill === null || isCell(fill), 'a value for each column').length
    state.list('gaps', (gap) => Number.isInteger(gap) && (gap as number) >= 0 && (gap as number) < columns, 'places of columns')
    state.names(columns)
  },
  polynomialFeatures: (state) => void state.count('features', 1),
  columnTransformer(state) {
    const columns = state.count('columns', 1)
    state.list('rest', (place) => Number.isInteger(place) && (place as number) >= 0 && (place as number) < columns, 'places of columns')
    state.names(columns)
  },
  countVectorizer: texts,
  tfidfVectorizer: texts,
  standardScaler: own,
  minMaxScaler: own,
  robustScaler: own,
  pipeline: own,
}

/** @internal Whether states of this kind are checked: all are. */
export const isChecked = (kind: string): boolean => Object.hasOwn(STATES, kind)

/** ERR_FORMAT unless a model of this kind can have learned the state. */
export function checkState(kind: unknown, state: unknown): void {
  if (state === undefined || state === null || typeof kind !== 'string' || !isChecked(kind)) return
  STATES[kind]!(new Entries(kind, state))
}
