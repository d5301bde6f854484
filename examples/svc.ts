// A support vector machine: the grower of a wine from thirteen measurements, whose scales differ by a factor of a
// thousand.
import { datasets } from 'weftjs'
import { confusionMatrix, dummyClassifier, gridSearch, pipeline, standardScaler, svc, trainTestSplit } from 'weftjs/learn'
import { options, report } from './shared/setup.js'

const { seed } = options({ epochs: 1 })
const { x, y } = await datasets.wine()
const growers = Array.from(await y.data(), Number)
const [xTrain, xTest, yTrain, yTest] = trainTestSplit(x, growers, { testSize: 0.25, seed, stratify: growers })

// kernels compare distances: without a scaler the feature of the largest scale decides alone
const raw = await svc().fit(xTrain, yTrain)
console.log(`without scaling ${(await raw.score(xTest, yTest)).toFixed(4)}`)
const search = gridSearch(pipeline(standardScaler(), svc({ kernel: 'rbf', gamma: 'scale' })), { svc__C: [0.1, 1, 10] })
await search.fit(xTrain, yTrain)
console.log('best', search.bestParams)
console.log(confusionMatrix(yTest, (await search.predict(xTest)) as number[]))
const baseline = await dummyClassifier().fit(xTrain, yTrain)
report(await search.score(xTest, yTest), await baseline.score(xTest, yTest))
