// polynomialFeatures: products of features up to a degree, in the order of scikit-learn.
import { integer } from '../../core/checks.js'
import { WeftError } from '../../core/error.js'
import { checkCall, type OptionTable } from '../../core/options.js'
import { type Definition, register } from '../estimator.js'
import { type MatrixLike, readMatrix } from '../matrix.js'
import { TransformerBase } from './transformer.js'

export interface PolynomialFeaturesOptions {
  /** The most factors of a product. Default 2. */
  degree?: number
  /** Products of different features only, no powers. Default false. */
  interactionOnly?: boolean
  /** A first column of ones. Default true. */
  includeBias?: boolean
}
const DEFINITION: Definition<PolynomialFeaturesOptions> = {
  kind: 'polynomialFeatures',
  table: { degree: 'integer', interactionOnly: 'boolean', includeBias: 'boolean' } satisfies OptionTable<PolynomialFeaturesOptions>,
  defaults: { degree: 2, interactionOnly: false, includeBias: true },
  check: ({ degree }) => void integer('polynomialFeatures', 'degree', degree, 1),
}
const MOST_COLUMNS = 1_000_000

/** All products of features up to a degree. */
export class PolynomialFeatures extends TransformerBase<PolynomialFeaturesOptions, { features: number }, MatrixLike> {
  constructor(options: PolynomialFeaturesOptions = {}) {
    super(DEFINITION, options)
  }

  override async fit(x: MatrixLike): Promise<this> {
    const { columns } = await readMatrix('polynomialFeatures.fit', x)
    termsOf(columns, this.params)
    this.learned = { features: columns }
    return this
  }

  override async transform(x: MatrixLike): Promise<number[][]> {
    const { features } = this.state('transform')
    const { data, rows } = await readMatrix('polynomialFeatures.transform', x, { columns: features })
    const terms = termsOf(features, this.params)
    return Array.from({ length: rows }, (_, row) =>
      terms.map((term) => {
        const product = term.reduce((sofar, at) => sofar * data[row * features + at]!, 1)
        if (Number.isFinite(product)) return product
        throw new WeftError(
          'ERR_DATA',
          `polynomialFeatures.transform: the product of features ${term.join(', ')} of row ${row} is infinite`,
          {
            hint: 'Scale the features with standardScaler() first, or lower the degree',
          },
        )
      }),
    )
  }

  override getFeatureNamesOut(given?: readonly string[]): string[] {
    const { features } = this.state('getFeatureNamesOut')
    const names = this.namesFor(features, null, given)
    return termsOf(features, this.params).map((term) => {
      const powers = new Map<number, number>()
      for (const at of term) powers.set(at, (powers.get(at) ?? 0) + 1)
      return [...powers].map(([at, power]) => (power === 1 ? names[at]! : `${names[at]}^${power}`)).join(' ') || '1'
    })
  }
}

/** The factors of each product: combinations of feature numbers, by degree. ERR_ARGUMENT for more than a million. */
export function termsOf(features: number, { degree, interactionOnly, includeBias }: Required<PolynomialFeaturesOptions>): number[][] {
  const terms: number[][] = includeBias ? [[]] : []
  let last: number[][] = [[]]
  for (let d = 1; d <= degree; d++) {
    last = last.flatMap((term) => {
      const from = term.length === 0 ? 0 : term.at(-1)! + (interactionOnly ? 1 : 0)
      return Array.from({ length: Math.max(0, features - from) }, (_, i) => [...term, from + i])
    })
    for (const term of last) terms.push(term)
    if (terms.length > MOST_COLUMNS)
      throw new WeftError(
        'ERR_ARGUMENT',
        `polynomialFeatures: degree ${degree} of ${features} features makes more than ${MOST_COLUMNS} columns`,
        {
          hint: 'Use a smaller degree, or interactionOnly',
        },
      )
  }
  return terms
}

/** Products of features up to a degree: 1, a, b, a², a·b, b² for two features. */
export function polynomialFeatures(options: PolynomialFeaturesOptions = {}): PolynomialFeatures {
  checkCall('polynomialFeatures(options)', arguments)
  return new PolynomialFeatures(options)
}
register('polynomialFeatures', (params: PolynomialFeaturesOptions) => new PolynomialFeatures(params) as never)
