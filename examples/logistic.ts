// Logistic regression: whether a tumour is benign, with its probability, from thirty measurements of cells.
import { datasets } from 'weftjs'
import {
  classificationReport,
  dummyClassifier,
  logisticRegression,
  pipeline,
  rocAucScore,
  standardScaler,
  trainTestSplit,
} from 'weftjs/learn'
import { options, report } from './shared/setup.js'

const { seed } = options({ epochs: 1 })
const { x, y, classNames } = await datasets.breastCancer()
const names = Array.from(await y.data(), Number).map((k) => classNames[k]!)
const [xTrain, xTest, yTrain, yTest] = trainTestSplit(x, names, { testSize: 0.2, seed, stratify: names })

const model = await pipeline(standardScaler(), logisticRegression()).fit(xTrain, yTrain)
const predicted = await model.predict(xTest)
console.log(classificationReport(yTest, predicted as string[]))
const chances = await model.predictProba(xTest)
console.log(`the first patient: benign with a probability of ${chances[0]![0]!.toFixed(4)}, in truth ${yTest[0]}`)
console.log(
  `AUC ${rocAucScore(
    yTest,
    chances.map((row) => row[1]!),
    { posLabel: 'malignant' },
  ).toFixed(4)}`,
)
const baseline = await dummyClassifier().fit(xTrain, yTrain)
report(await model.score(xTest, yTest), await baseline.score(xTest, yTest))
