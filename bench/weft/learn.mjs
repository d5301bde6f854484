// Weft's side of learn.mjs: classical models on Fashion-MNIST.
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { histGradientBoostingClassifier, kMeans, logisticRegression, pca, randomForestClassifier, svc } from '../../dist/lib/learn/index.js'
import { time } from '../shared/measure.mjs'
import { answerRequests } from '../shared/side.mjs'

const folder = '/usr/share/datasets/fashion-mnist'
const read = (name, skip) => gunzipSync(readFileSync(`${folder}/${name}.gz`)).subarray(skip)
const [pixels, labels] = [read('train-images-idx3-ubyte', 16), read('train-labels-idx1-ubyte', 8)]

const factories = { histGradientBoostingClassifier, kMeans, logisticRegression, pca, randomForestClassifier, svc }
let model
let x
let y
const load = ({ rows }) => {
  x = { data: Float64Array.from(pixels.subarray(0, rows * 784), (value) => value / 255), shape: [rows, 784] }
  y = Array.from(labels.subarray(0, rows))
  return { rows }
}
const run = async ({ kind, options, starts }) => {
  if (starts !== undefined) options.init = starts.map((row) => Array.from(x.data.subarray(row * 784, (row + 1) * 784)))
  return await time(async () => {
    model = await factories[kind](options).fit(x, y)
  }, 1)
}
/** What tells whether both sides learned the same. */
const result = async ({ kind }) => {
  if (kind === 'kMeans') return { values: [model.inertia], steps: model.nIter }
  if (kind === 'pca') return { values: model.explainedVariance }
  return { values: [await model.score(x, y)], steps: model.nIter ?? null }
}
answerRequests({ load, run, result })
