// Preprocessing of weftjs/learn: steps that learn from the training part and change X.
export {
  type ColumnStep,
  ColumnTransformer,
  type ColumnTransformerOptions,
  type Columns,
  columnTransformer,
} from './column_transformer.js'
export {
  type Categories,
  LabelEncoder,
  labelEncoder,
  OneHotEncoder,
  type OneHotEncoderOptions,
  OrdinalEncoder,
  type OrdinalEncoderOptions,
  oneHotEncoder,
  ordinalEncoder,
} from './encoders.js'
export { Imputer, type ImputerOptions, imputer } from './imputer.js'
export { Pipeline, type PipelineInput, pipeline } from './pipeline.js'
export { PolynomialFeatures, type PolynomialFeaturesOptions, polynomialFeatures } from './polynomial.js'
export { minMaxScaler, robustScaler, standardScaler } from './scalers.js'
export type { Step } from './steps.js'
export type { Cell, TableLike } from './table.js'
export {
  CountVectorizer,
  type CountVectorizerOptions,
  countVectorizer,
  TfidfVectorizer,
  type TfidfVectorizerOptions,
  tfidfVectorizer,
} from './vectorizers.js'
