// Calls with arguments that do not belong: each throws a WeftError that names the call to write.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  bert,
  constraints,
  data,
  datasets,
  generate,
  gpt,
  initializers,
  input,
  layers,
  model,
  regularizers,
  sequential,
  tensor,
  text,
  toCategorical,
  type WeftError,
} from '../../lib/index.js'
import { rejection } from '../expect.js'

type Loose = (...args: unknown[]) => unknown
const net = sequential([layers.dense({ units: 1, inputShape: [1] })])
net.compile({ optimizer: 'sgd', loss: 'mse', metrics: ['mae'] })
const x = tensor([[1], [2]])
const dataset = data.from([[1], [2]], [[1], [2]])
const method = (target: object, name: string): Loose => ((target as Record<string, Loose>)[name] as Loose).bind(target)

/**
 * [the call as users write it, the function, its arguments before the options, a misspelt option; undefined: no
 * options]
 */
const calls: readonly [string, Loose, readonly unknown[], boolean][] = [
  ['compile', method(net, 'compile'), [], true],
  ['fit', method(net, 'fit'), [x, x], true],
  ['evaluate', method(net, 'evaluate'), [x, x], true],
  ['predict', method(net, 'predict'), [x], true],
  ['trainOnBatch', method(net, 'trainOnBatch'), [x, x], true],
  ['evaluateOnBatch', method(net, 'evaluateOnBatch'), [x, x], true],
  ['summary', method(net, 'summary'), [], true],
  ['input', input as Loose, [], true],
  ['model', model as Loose, [], true],
  ['sequential', sequential as Loose, [[]], true],
  ['toCategorical', toCategorical as Loose, [[0], 2], false],
  ['data.csv', data.csv as Loose, ['data/iris.csv'], true],
  ['data.from', data.from as Loose, [[1], [1], [1]], false],
  ['data.generator', data.generator as Loose, [[1]], false],
  ['data.windows', data.windows as Loose, [[1, 2, 3]], true],
  ['data.chronologicalSplit', data.chronologicalSplit as Loose, [[1, 2, 3]], true],
  ['data.standardScaler', data.standardScaler as Loose, [], true],
  ['data.minMaxScaler', data.minMaxScaler as Loose, [], true],
  ['shuffle', method(dataset, 'shuffle'), [], true],
  ['batch', method(dataset, 'batch'), [2], true],
  ['take', method(dataset, 'take'), [2], false],
  ['skip', method(dataset, 'skip'), [2], false],
  ['repeat', method(dataset, 'repeat'), [2], false],
  ['map', method(dataset, 'map'), [String], false],
  ['filter', method(dataset, 'filter'), [Boolean], false],
  ['cache', method(dataset, 'cache'), [], false],
  ['prefetch', method(dataset, 'prefetch'), [2], false],
  ['datasets.mnist', datasets.mnist as Loose, [], true],
  ['datasets.fashionMnist', datasets.fashionMnist as Loose, [], true],
  ['datasets.cifar10', datasets.cifar10 as Loose, [], true],
  ['datasets.diabetes', datasets.diabetes as Loose, [], true],
  ['text.padSequences', text.padSequences as Loose, [[[1]]], true],
  ['text.tokenizer', text.tokenizer as Loose, [], true],
  ['text.textToWordSequence', text.textToWordSequence as Loose, ['a b'], true],
  ['text.hashingTrick', text.hashingTrick as Loose, ['a b', 5], true],
  ['text.ngramModel', text.ngramModel as Loose, [], true],
  ['text.bytePairEncoding.train', text.bytePairEncoding.train as Loose, [['a']], true],
  ['text.wordPiece.train', text.wordPiece.train as Loose, [['a']], true],
  ['gpt', gpt as Loose, [], true],
  ['bert', bert as Loose, [], true],
  ...(['l1', 'l2', 'l1l2'] as const).map((name): [string, Loose, unknown[], boolean] => [
    `regularizers.${name}`,
    regularizers[name] as Loose,
    [],
    true,
  ]),
  ...Object.entries({ ...constraints }).map(([name, fn]): [string, Loose, unknown[], boolean] => [
    `constraints.${name}`,
    fn as Loose,
    [],
    true,
  ]),
  ...Object.entries({ ...initializers }).map(([name, fn]): [string, Loose, unknown[], boolean] => [
    `initializers.${name}`,
    fn as Loose,
    [],
    true,
  ]),
]

async function refusal(fn: Loose, args: readonly unknown[]): Promise<WeftError> {
  return (await rejection((async () => fn(...args))())) as WeftError
}

function named(error: WeftError, name: string, what: string): void {
  assert.is(error.code, 'ERR_ARGUMENT', `${name}: ${what}: ${error.message}`)
  assert.ok(new RegExp(`(^|[^.\\w])${name.replaceAll('.', '\\.')}\\b`).test(error.message), `${name}: ${what}: ${error.message}`)
  if (what === 'surplus') assert.match(error.message, /surplus|holds its own|takes at most/)
}

test('surplus arguments', async () => {
  for (const [name, fn, before, options] of calls) named(await refusal(fn, [...before, ...(options ? [{}] : []), 5]), name, 'surplus')
})

test('what is no options object', async () => {
  for (const [name, fn, before, options] of calls) {
    if (!options) continue
    // a number is the rate of these two
    const wrong = /^regularizers\.l[12]$/.test(name) ? ['big', null, [1], x] : [5, 'big', null, [1], x]
    for (const value of wrong) named(await refusal(fn, [...before, value]), name, `options ${String(value)}`)
  }
})

test('misspelt options', async () => {
  for (const [name, fn, before, options] of calls) {
    if (options) named(await refusal(fn, [...before, { mispelt: 1 }]), name, 'misspelt')
  }
})

test('the error says what to write', async () => {
  const says = async (fn: Loose, args: unknown[], words: string): Promise<void> => {
    const { message } = await refusal(fn, args)
    assert.ok(message.includes(words), message)
  }
  await says(method(net, 'fit'), [x, x, 5], 'Write fit(x, y, { epochs: 5 })')
  await says(method(net, 'fit'), [dataset.batch(2), 5], 'Write fit(source, { epochs: 5 })')
  await says(method(net, 'fit'), [dataset.batch(2), x, {}], 'a source of batches holds its own targets')
  await says(method(net, 'predict'), [x, 32], 'Write predict(x, { batchSize: 32 })')
  await says(method(net, 'evaluate'), [x, x, 32], 'Write evaluate(x, y, { batchSize: 32 })')
  await says(text.padSequences as Loose, [[[1]], 5], 'Write text.padSequences(sequences, { maxLen: 5 })')
  await says(layers.dense as Loose, [10], 'Write layers.dense({ units: 10 })')
  await says(sequential as Loose, [layers.dense({ units: 1 })], 'Write sequential([layers.dense({ units: 1 })])')
  await says(method(dataset, 'shuffle'), [100], 'Write shuffle({ bufferSize: 100 })')
  await says(initializers.constant as Loose, [5], 'Write initializers.constant({ value: 5 })')
  await says(method(net, 'fit'), [x, x, { signal: 5 }], 'AbortController')
})

test('a forgotten y', async () => {
  for (const name of ['fit', 'evaluate']) {
    const { code, message } = await refusal(method(net, name), [x, { verbose: 0 }])
    assert.is(code, 'ERR_ARGUMENT')
    assert.match(message, new RegExp(`${name}: y is missing; .*"verbose":0.*Write ${name}\\(x, y, options\\)`))
  }
})

test('generate', async () => {
  const tiny = gpt({ vocabularySize: 4, sequenceLength: 4, numLayers: 1, numHeads: 1, hiddenDim: 4 })
  named(await refusal(generate as Loose, [tiny, [1], 5]), 'generate', 'options')
  named(await refusal(generate as Loose, [tiny, [1], { maxToken: 5 }]), 'generate', 'misspelt')
  named(await refusal(generate as Loose, [tiny, [1], {}, 5]), 'generate', 'surplus')
})

test.run()
