// Searches and evaluations of weftjs/learn, alone or spread over ranks.
import { distributed, layers, sequential, setSeed, type Tensor, type WeftError } from '../../../lib/index.js'
import { permutationImportance } from '../../../lib/explain/index.js'
import {
  crossValidate,
  crossValPredict,
  crossValScore,
  gridSearch,
  halvingSearch,
  kFold,
  linearRegression,
  logisticRegression,
  networkClassifier,
  type NetworkFacts,
  randomForestClassifier,
  randomSearch,
  type Search,
  uniform,
} from '../../../lib/learn/index.js'
import { heard, say } from './say.js'
import { hashOf } from './small_models.js'

const [what] = process.argv.slice(2)
const { rank, size } = await distributed.init({ heartbeatMs: 5_000, timeoutMs: 120_000 })
const rows = 60
const x = Array.from({ length: rows }, (_, i) => [Math.sin(i * 1.7), Math.cos(i * 0.9), Math.sin(i * i)])
const y = Array.from({ length: rows }, (_, i) => (x[i]![0]! + 0.4 * x[i]![1]! > 0.1 ? 1 : 0))
const target = x.map(([a, b]) => 3 * a! - b!)
const ranks = true
const verbose = 0 as const

const build = ({ units }: { units: number }, { inputShape, outputs }: NetworkFacts) => {
  const net = sequential([
    layers.dense({ units, activation: 'relu', inputShape }),
    layers.dropout({ rate: 0.1 }),
    layers.dense({ units: outputs, activation: 'softmax' }),
  ])
  net.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' })
  return net
}
async function found(search: Search): Promise<unknown> {
  const { meanFitMs, ...results } = search.cvResults
  const net = (search.bestEstimator as { network?: { weights: Tensor[] } }).network
  return [results, search.bestParams, await search.predict(x), await hashOf(net?.weights ?? []), meanFitMs.every((ms) => ms >= 0)]
}
async function refusalOf(work: () => Promise<unknown>): Promise<string> {
  return await work().then(
    () => 'no error',
    (error: WeftError) => `${typeof error.code === 'string' ? error.code : error.name} ${error.message}`,
  )
}

const said: Record<string, unknown> = { size }
// other numbers on each rank: those of rank 0 hold
setSeed(7 + rank)
if (what === 'killed') {
  const killed = networkClassifier((params: never, facts) => {
    if (rank === size - 1) process.kill(process.pid, 'SIGKILL')
    return build(params, facts)
  })
  said['killed'] = await refusalOf(() => gridSearch(killed, { units: [2, 3, 4] }, { cv: 2, ranks, verbose }).fit(x, y))
  say(rank, said)
  await heard(size - 1)
  process.exit(75)
}
said['grid'] = await found(await gridSearch(logisticRegression(), { C: [0.01, 1, 100] }, { cv: 4, ranks, verbose }).fit(x, y))
said['random'] = await found(
  await randomSearch(
    logisticRegression(),
    { C: uniform(0.1, 10) },
    { nIter: 4, cv: kFold({ nSplits: 3, shuffle: true }), ranks, verbose },
  ).fit(x, y),
)
said['forest'] = await found(
  await gridSearch(randomForestClassifier({ nEstimators: 5 }), { maxDepth: [1, 3] }, { cv: 3, ranks, verbose }).fit(x, y),
)
said['networks'] = await found(
  await gridSearch(networkClassifier(build, { epochs: 2, batchSize: 16 }), { units: [2, 5] }, { cv: 2, ranks, verbose }).fit(x, y),
)
said['halving'] = await found(
  await halvingSearch(
    networkClassifier(build, { batchSize: 16 }),
    { units: [2, 4, 6] },
    { cv: 2, resource: 'epochs', maxResources: 3, ranks, verbose },
  ).fit(x, y),
)
said['scores'] = await crossValScore(randomForestClassifier({ nEstimators: 5 }), x, y, { cv: 5, ranks, verbose })
const { fitMs: _, ...validated } = await crossValidate(logisticRegression(), x, y, { returnTrainScore: true, ranks, verbose })
said['validated'] = validated
said['predicted'] = await crossValPredict(randomForestClassifier({ nEstimators: 5 }), x, y, { method: 'predictProba', ranks })
const line = await linearRegression().fit(x, target)
said['permuted'] = await permutationImportance(line, x, target, { repeats: 3, ranks })

const zeros = await crossValScore(logisticRegression(), x, y, { cv: 3, scoring: () => -0, ranks, verbose })
said['signs of zeros'] = zeros.map((zero) => Object.is(zero, -0))

// one candidate fails
const warnings: string[] = []
process.on('warning', ({ message }) => void warnings.push(message))
const failing = networkClassifier((params: { units: number }, facts) => {
  if (params.units === 0) throw new Error('no units')
  return build(params, facts)
})
const partly = await gridSearch(failing, { units: [3, 0] }, { cv: 2, ranks, verbose }).fit(x, y)
said['partly'] = [partly.cvResults.splitTestScores, partly.bestParams]
said['raised'] = await refusalOf(() => gridSearch(failing, { units: [3, 0] }, { cv: 2, errorScore: 'raise', ranks, verbose }).fit(x, y))
await new Promise((resolve) => setImmediate(resolve))
said['warnings'] = warnings.length

if (size > 1) {
  const controller = new AbortController()
  if (rank === 1) controller.abort()
  const { signal } = controller
  said['aborted'] = await refusalOf(() => crossValScore(logisticRegression(), x, y, { signal, ranks, verbose }))
  const fewer = rank === 1 ? 50 : rows
  const search = gridSearch(logisticRegression(), { C: [1, 2] }, { ranks, verbose })
  said['rows'] = await refusalOf(() => search.fit(x.slice(0, fewer), y.slice(0, fewer)))
  const reversed = rank === 1 ? [...x].reverse() : x
  said['order'] = await refusalOf(() => search.fit(reversed, y))
  said['targets'] = await refusalOf(() => crossValPredict(linearRegression(), x, rank === 1 ? target.map((t) => t + 1) : target, { ranks }))
  const other = gridSearch(logisticRegression(), { C: rank === 1 ? [1, 3] : [1, 2] }, { ranks, verbose })
  said['candidates'] = await refusalOf(() => other.fit(x, y))
  said['estimators'] = await refusalOf(() => crossValidate(logisticRegression(), x, y, { returnEstimator: true, ranks }))
}
say(rank, said)
await distributed.close()
