// Every public function: a surplus argument, what is no options object and a misspelt option throw a WeftError that
// names the call. The functions are found by walking over what the package exports.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as weft from '../../lib/index.js'
import * as callbackFactories from '../../lib/callbacks/factories.js'
import * as lossFactories from '../../lib/losses/factories.js'
import * as metricFactories from '../../lib/metrics/factories.js'
import * as optimizerFactories from '../../lib/optimizers/factories.js'
import * as scheduleFactories from '../../lib/schedules/factories.js'

type Loose = (...args: unknown[]) => unknown

/** Functions that messages call by another name of theirs. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  'losses.mae': 'losses.meanAbsoluteError',
  'losses.mape': 'losses.meanAbsolutePercentageError',
  'losses.mse': 'losses.meanSquaredError',
  'losses.msle': 'losses.meanSquaredLogarithmicError',
}
/** A number in the place of these options is one of them. */
const NUMBER_FITS: ReadonlySet<string> = new Set(['regularizers.l1', 'regularizers.l2'])
/** Arguments that a function looks at before its options. */
const BEFORE: Readonly<Record<string, readonly unknown[]>> = { 'layers.lambda': [(x: weft.Tensor): weft.Tensor => x] }

/** Functions that take any number of arguments. */
const ENDLESS: ReadonlySet<string> = new Set(['einsum'])

/** A class cannot be called without `new`. */
const isClass = (value: object): boolean => Object.getOwnPropertyDescriptor(value, 'prototype')?.writable === false

function functionsIn(names: object, path = '', seen: Set<object> = new Set()): [string, Loose][] {
  return Object.entries(names).flatMap(([key, value]: [string, unknown]): [string, Loose][] => {
    const name = path === '' ? key : `${path}.${key}`
    if (typeof value === 'function') return isClass(value) ? [] : [[name, value as Loose]]
    if (typeof value !== 'object' || value === null || Array.isArray(value) || seen.has(value)) return []
    seen.add(value)
    return functionsIn(value, name, seen)
  })
}
const functions = functionsIn(weft)

async function refusal(name: string, fn: Loose, args: readonly unknown[]): Promise<weft.WeftError> {
  try {
    await fn(...args)
  } catch (error) {
    assert.instance(error, weft.WeftError, `${name}: ${String(error)}`)
    return error as weft.WeftError
  }
  throw new Error(`${name}: nothing was thrown for the last of ${args.length} arguments`)
}

/** The call that a message says to write, and the names of its parameters. */
function callOf(name: string, { message }: weft.WeftError): readonly string[] {
  const found = /Write ([\w.]+)\(([^)]*)\); the surplus one/.exec(message)
  assert.ok(found, `${name}: ${message}`)
  const called = OTHER_NAMES[name] ?? name
  assert.ok(called === found[1] || called.endsWith(`.${found[1]}`), `${name}: the message names ${found[1]}`)
  return found[2] === '' ? [] : found[2]!.split(', ')
}

test('what the package exports is found', () => {
  for (const name of ['tensor', 'conv2d', 'layers.dense', 'text.wordPiece.load', 'schedules.cosineDecay'])
    assert.ok(
      functions.some(([found]) => found === name),
      name,
    )
  for (const name of [...Object.keys(OTHER_NAMES), ...NUMBER_FITS, ...ENDLESS, ...Object.keys(BEFORE)])
    assert.ok(
      functions.some(([found]) => found === name),
      `${name} is not exported any more`,
    )
})

/** What each namespace holds beside the functions that make something by a config: no more than users are to call. */
const catalogues: Readonly<Record<string, { of: object; factories: object; classes: readonly string[] }>> = {
  callbacks: { of: weft.callbacks, factories: callbackFactories, classes: ['Callback', 'everyRank'] },
  losses: { of: weft.losses, factories: lossFactories, classes: [] },
  metrics: { of: weft.metrics, factories: metricFactories, classes: ['Metric'] },
  optimizers: { of: weft.optimizers, factories: optimizerFactories, classes: ['Optimizer'] },
  schedules: { of: weft.schedules, factories: scheduleFactories, classes: [] },
}
/** The namespaces that are no catalogues: what the guides and the types speak of, and nothing else. */
const namespaces: readonly (readonly [object, string])[] = [
  [weft.constraints, 'maxNorm minMaxNorm nonNeg unitNorm'],
  [
    weft.data,
    'Dataset MinMaxScaler RobustScaler Scaler StandardScaler chronologicalSplit csv from generator jsonLines minMaxScaler ' +
      'parquet robustScaler standardScaler statistics windows',
  ],
  [weft.datasets, 'breastCancer cifar10 diabetes digits fashionMnist iris mnist wine'],
  [
    weft.initializers,
    'constant glorotNormal glorotUniform heNormal heUniform identity lecunNormal lecunUniform ones orthogonal randomNormal ' +
      'randomUniform truncatedNormal varianceScaling zeros',
  ],
  [weft.distributed, 'allGather allReduce allToAll alone barrier broadcast close gatherJson init reduceScatter sendRecv'],
  [weft.regularizers, 'l1 l1l2 l2'],
  [
    weft.text,
    'NgramModel SubwordTokenizer Tokenizer bytePairEncoding fromFolder hashingTrick loadTokenizer ngramModel padSequences ' +
      'textToWordSequence tokenizer tokenizerFromJson wordPiece',
  ],
]

// layers: test/layers/layers.test.ts asks for a row of everything under that name
test('a public namespace holds what users are to call, and nothing of the library itself', () => {
  for (const [name, { of, factories, classes }] of Object.entries(catalogues))
    assert.equal(Object.keys(of).sort(), [...Object.keys(factories), ...classes].sort(), name)
  for (const [of, names] of namespaces) assert.equal(Object.keys(of).sort(), names.split(' '))
})

test('surplus arguments, what is no options object and misspelt options', async () => {
  let withOptions = 0
  for (const [name, fn] of functions) {
    if (ENDLESS.has(name)) continue
    const surplus = await refusal(name, fn, new Array(12).fill(undefined))
    assert.is(surplus.code, 'ERR_ARGUMENT', name)
    const parameters = callOf(name, surplus)
    if (parameters.at(-1) !== 'options') continue
    withOptions++
    const before = BEFORE[name] ?? new Array(parameters.length - 1).fill(undefined)
    const called = OTHER_NAMES[name] ?? name
    const named = (message: string): boolean => message.includes(called) || message.includes(called.slice(called.lastIndexOf('.') + 1))
    for (const wrong of [NUMBER_FITS.has(name) ? 'big' : 5, null, [1]]) {
      const { code, message } = await refusal(name, fn, [...before, wrong])
      assert.is(code, 'ERR_ARGUMENT', name)
      assert.ok(named(message) && /options are an object|expected|must be/.test(message), `${name}: ${message}`)
    }
    const { code, message } = await refusal(name, fn, [...before, { mispelt: 1 }])
    assert.is(code, 'ERR_ARGUMENT', name)
    assert.ok(named(message) && message.includes("'mispelt'"), `${name}: ${message}`)
  }
  assert.ok(withOptions > 150, `${withOptions} functions have options`)
})

test.run()
