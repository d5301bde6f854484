// A stored model as an ONNX graph.
import { WeftError } from '../../core/error.js'
import { packageVersion } from '../../core/version.js'
import { writeOnnx } from '../../onnx/export/file.js'
import type { Stored } from '../estimator.js'
import { directions, gaussian, groups, multinomial } from './distances.js'
import { descended, line, logistic, planes } from './linear.js'
import { type Features, type Made, type Output, Sheet } from './sheet.js'
import { imputed, inTurn, oneHot, products, scaled, sideBySide, type Write } from './steps.js'
import { supportLine, supportVectors } from './svm.js'
import { boosted, forest } from './trees.js'

type Part = (sheet: Sheet, x: Features, state: never, params: never) => Made

/** How each kind is written, from what save() keeps of it. */
const PARTS: Readonly<Record<string, Part>> = {
  linearRegression: line,
  ridge: line,
  lasso: line,
  elasticNet: line,
  sgdRegressor: line,
  logisticRegression: logistic,
  linearSvc: planes,
  sgdClassifier: descended,
  svc: supportVectors,
  svr: supportLine,
  gaussianNB: gaussian,
  multinomialNB: multinomial,
  decisionTreeClassifier: forest,
  decisionTreeRegressor: forest,
  randomForestClassifier: forest,
  randomForestRegressor: forest,
  histGradientBoostingClassifier: boosted,
  histGradientBoostingRegressor: boosted,
  kMeans: groups,
  pca: directions,
  standardScaler: scaled,
  minMaxScaler: scaled,
  robustScaler: scaled,
  imputer: imputed,
  polynomialFeatures: products,
  oneHotEncoder: oneHot,
}

/** ERR_ARGUMENT for kinds that ONNX cannot say. */
function partOf(kind: string): Part {
  const part = Object.hasOwn(PARTS, kind) ? PARTS[kind] : undefined
  if (part !== undefined) return part
  throw new WeftError('ERR_ARGUMENT', `exportOnnx: ${kind} cannot be exported`, {
    hint: `What can: ${[...Object.keys(PARTS), 'pipeline', 'columnTransformer'].sort().join(', ')}`,
  })
}

const write: Write = (sheet, x, stored) => {
  if (stored.kind === 'pipeline') return inTurn(sheet, x, stored, write)
  if (stored.kind === 'columnTransformer') return sideBySide(sheet, x, stored, write)
  return partOf(stored.kind)(sheet, x, stored.state as never, stored.params as never)
}

/** The columns that a stored model reads. */
function columnsOf({ kind, params, state }: Stored): number {
  if (kind === 'pipeline') return columnsOf((params as { steps: Stored[] }).steps[0]!)
  if (kind !== 'columnTransformer') partOf(kind)
  const known = state as Record<string, unknown> | undefined
  const length = (name: string): number | undefined => (known?.[name] as ArrayLike<unknown> | undefined)?.length
  if (typeof known?.['columns'] === 'number') return known['columns']
  if (typeof known?.['features'] === 'number') return known['features']
  const classes = length('classes')
  for (const name of ['theta', 'logChances']) if (length(name) !== undefined) return length(name)! / classes!
  if (length('coef') !== undefined) return length('coef')! / (length('intercept') ?? 1)
  for (const name of ['mean', 'center', 'fills', 'categories']) if (length(name) !== undefined) return length(name)!
  throw new WeftError('ERR_STATE', `exportOnnx: ${kind} does not know how many columns X has`)
}

const INPUT = 'X'
const OUTPUTS: readonly Output['name'][] = ['label', 'probabilities', 'scores', 'prediction', 'distances', 'features']

/** Writes the file; what was there stays where anything fails. */
export async function writeModel(file: string, stored: Stored, opset: number): Promise<void> {
  const columns = columnsOf(stored)
  const sheet = new Sheet(opset, [INPUT, ...OUTPUTS])
  try {
    const { outputs } = write(sheet, { name: INPUT, dtype: 'float32', columns }, stored)
    for (const output of outputs) sheet.finish(output)
    sheet.nodes.prune(outputs.map(({ name }) => name))
    await writeOnnx(
      file,
      {
        name: stored.kind,
        inputs: [{ name: INPUT, dtype: 'float32', shape: ['batch', columns] }],
        outputs: outputs.map(({ name, dtype, columns: width }) => ({
          name,
          dtype: dtype === 'float64' ? 'float32' : dtype,
          shape: width === undefined ? ['batch'] : ['batch', width],
        })),
        nodes: sheet.nodes,
      },
      { external: false, version: packageVersion() },
    )
  } finally {
    sheet.nodes.release()
  }
}
