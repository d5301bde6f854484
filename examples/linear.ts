// Linear regression: how far diabetes has come after a year, from ten measurements of each patient.
import { datasets } from 'weftjs'
import { dummyRegressor, linearRegression, ridge, rootMeanSquaredError, trainTestSplit } from 'weftjs/learn'
import { options } from './shared/setup.js'

const { seed } = options({ epochs: 1 })
const { x, y, featureNames } = await datasets.diabetes()
const numbers = Array.from(await y.data(), Number)
const [xTrain, xTest, yTrain, yTest] = trainTestSplit(x, numbers, { testSize: 0.2, seed })

const model = await linearRegression().fit(xTrain, yTrain)
console.log(`intercept ${model.intercept.toFixed(2)}`)
for (const [i, name] of featureNames.entries()) console.log(`${name.padEnd(4)} ${model.coef[i]!.toFixed(1).padStart(8)}`)

const baseline = await dummyRegressor().fit(xTrain, yTrain)
const shrunk = await ridge({ alpha: 0.1 }).fit(xTrain, yTrain)
const error = rootMeanSquaredError(yTest, await model.predict(xTest))
const penalized = rootMeanSquaredError(yTest, await shrunk.predict(xTest))
const always = rootMeanSquaredError(yTest, await baseline.predict(xTest))
console.log(`R² ${(await model.score(xTest, yTest)).toFixed(4)}`)
console.log(`test RMSE ${error.toFixed(2)}, with ridge ${penalized.toFixed(2)} (always the mean: ${always.toFixed(2)})`)
