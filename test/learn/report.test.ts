// Reports: the figures they hold, whatever classes are named, and the page in a real browser.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { data, datasets, layers, optimizers, sequential, setSeed } from '../../lib/index.js'
import * as learn from '../../lib/learn/index.js'
import { rejects } from '../expect.js'
import { checkSealed, checkWithoutColour, inBrowser } from '../sealed_page.js'
import { hasChromium } from '../serve/browser.js'
import { testWith } from '../skip.js'

const folder = await mkdtemp(path.join(os.tmpdir(), 'weft-'))
test.after(() => rm(folder, { recursive: true }))
const HOSTILE = '<img src=x onerror="window.hacked=1"></title><script>window.hacked=2</script>'

const { x, y } = await datasets.breastCancer()
const [xTrain, xTest, yTrain, yTest] = learn.trainTestSplit(x, y, { seed: 0, stratify: y })
const model = await learn.pipeline(learn.standardScaler(), learn.logisticRegression()).fit(xTrain, yTrain)
const figure = (found: learn.Report, name: string): learn.Figure => found.figures.find((own) => own.name === name)!

/** Tags close in the order in which they open. */
function checkTags(html: string): void {
  const open: string[] = []
  for (const [, close, name, single] of html.matchAll(/<(\/?)([a-z][a-z0-9]*)[^>]*?(\/?)>/g)) {
    if (close) assert.is(open.pop(), name)
    else if (!single && !['meta', 'link'].includes(name!)) open.push(name!)
  }
  assert.equal(open, [])
}

test('a classifier: figures with intervals beside a baseline, and pictures', async () => {
  const file = path.join(folder, 'report.html')
  const found = await learn.report(model, { x: xTest, y: yTest }, { file, seed: 1, resamples: 200 })
  const html = await readFile(file, 'utf8')
  assert.is(found.file, file)
  assert.is(found.html, html)
  const predicted = await model.predict(xTest)
  const accuracy = figure(found, 'accuracy')
  assert.is(accuracy.interval.value, learn.accuracyScore(yTest, predicted))
  assert.ok(accuracy.interval.low < accuracy.interval.value && accuracy.interval.high >= accuracy.interval.value)
  const benign = Array.from(await yTest.data(), Number).filter((label) => label === 1).length
  assert.is(accuracy.baseline, benign / yTest.size)
  const area = learn.rocAucScore(
    yTest,
    (await model.predictProba(xTest)).map((row) => row[1]!),
  )
  assert.is(figure(found, 'area under ROC').interval.value, area)
  assert.equal(found.confusion, learn.confusionMatrix(yTest, predicted))
  assert.is(found.importances!.length, 30)
  assert.is(html.match(/<svg /g)!.length, 4)
  assert.not.match(html, /NaN|undefined|<script|https?:\/\/(?!www\.w3\.org\/2000\/svg)/)
  checkTags(html)
  const set = data.from(xTest, yTest)
  await rejects('ERR_ARGUMENT', /got a \w*Dataset. Read it first: .*toArray/, learn.report(model, set as never))
  // the same for the same seed
  assert.is((await learn.report(model, { x: xTest, y: yTest }, { seed: 1, resamples: 200 })).html, html)
})

test('numbers: a regressor; a network; names that are markup', async () => {
  const diabetes = await datasets.diabetes()
  const ridge = await learn.ridge().fit(diabetes.x, diabetes.y)
  const names = ['age', HOSTILE, ...'abcdefgh']
  const found = await learn.report(ridge, diabetes, { title: HOSTILE, featureNames: names, resamples: 100 })
  assert.is(figure(found, 'R²').interval.value, await ridge.score(diabetes.x, diabetes.y))
  assert.is(figure(found, 'R²').baseline, 0)
  assert.is(found.confusion, undefined)
  assert.not.match(found.html, /<script|<img/)
  assert.match(found.html, /&#60;img src=x/)
  checkTags(found.html)

  setSeed(3)
  const iris = await datasets.iris()
  const net = sequential([
    layers.dense({ units: 8, activation: 'tanh', inputShape: [4] }),
    layers.dense({ units: 3, activation: 'softmax' }),
  ])
  net.compile({ optimizer: optimizers.adam({ learningRate: 0.05 }), loss: 'sparseCategoricalCrossentropy' })
  await net.fit(iris.x, iris.y, { epochs: 20, verbose: 0 })
  const ofNet = await learn.report(net, iris, { resamples: 60, seed: 1 })
  assert.ok(figure(ofNet, 'accuracy').interval.value > 0.9)
  assert.equal(ofNet.classes, [0, 1, 2])
  assert.match(ofNet.html, /setosa: area/)
  checkTags(ofNet.html)
  const words = Array.from((await iris.y.data()) as Int32Array, (label) => ['</td>setosa', 'b', 'c'][label]!)
  checkTags((await learn.report(net, { x: iris.x, y: words }, { resamples: 50 })).html)
  // no probabilities: no curves
  const svc = await learn.pipeline(learn.standardScaler(), learn.linearSvc()).fit(iris.x, iris.y)
  const plain = await learn.report(svc, iris, { resamples: 50, importance: false })
  assert.not.match(plain.html, /<svg/)
  const machine = await learn.pipeline(learn.standardScaler(), learn.svc()).fit(iris.x, iris.y)
  assert.not.match((await learn.report(machine, iris, { resamples: 50, importance: false })).html, /<svg/)
  // a search reports as the best of what it tried
  const search = await learn.gridSearch(learn.ridge(), { alpha: [1, 10] }, { cv: 2 }).fit(diabetes.x, diabetes.y)
  assert.is((await learn.report(search, diabetes, { resamples: 50, importance: false })).classes, undefined)
})

test('what cannot be reported is refused', async () => {
  await rejects('ERR_ARGUMENT', /expected \{ x, y \}/, learn.report(model, xTest as never))
  await rejects('ERR_SHAPE', /x has 143 rows, y has 426/, learn.report(model, { x: xTest, y: yTrain }))
  await rejects('ERR_ARGUMENT', /does not end in \.html/, learn.report(model, { x: xTest, y: yTest }, { file: 'report.pdf' }))
  await rejects(
    'ERR_ARGUMENT',
    /there are 30 features, featureNames are \["a"\]/,
    learn.report(model, { x: xTest, y: yTest }, { featureNames: ['a'] }),
  )
  await rejects('ERR_STATE', /before .*fitted/, learn.report(model.clone(), { x: xTest, y: yTest }))
  await rejects('ERR_ARGUMENT', /unknown option 'fil'/, learn.report(model, { x: xTest, y: yTest }, { fil: 'a' } as never))
})

testWith(
  hasChromium,
  'chromium',
  'in a browser: everything is there, nothing is asked for, nothing runs, and no colour is needed',
  async () => {
    const file = path.join(folder, 'page.html')
    await learn.report(model, { x: xTest, y: yTest }, { file, title: HOSTILE, seed: 1, resamples: 100 })
    await inBrowser(file, "document.querySelectorAll('svg').length === 4", async (browser) => {
      const text = await browser.evaluate<string>('document.body.innerText')
      assert.match(text, /accuracy\s+0\.9\d+/)
      assert.match(text, /Confusion matrix/)
      assert.is(await browser.evaluate('document.images.length'), 0)
      // each picture is seen: it is as wide as it should be, and in the page
      const widths = await browser.evaluate<number[]>(
        "[...document.querySelectorAll('svg')].map((svg) => svg.getBoundingClientRect().width)",
      )
      assert.ok(
        widths.every((width) => width > 300),
        widths.join(),
      )
      await checkSealed(browser, file)
      // lines differ by their dashes, right predictions by an outline
      await checkWithoutColour(browser, 'report.png')
      const outlined = await browser.evaluate<string>("getComputedStyle(document.querySelector('td.right')).outlineStyle")
      assert.is(outlined, 'solid')
    })
  },
)

test('lines of a picture differ without colour', async () => {
  const iris = await datasets.iris()
  const fitted = await learn.logisticRegression({ maxIter: 1000 }).fit(iris.x, iris.y)
  const { html } = await learn.report(fitted, iris, { resamples: 50, importance: false })
  const [roc] = html.split('<svg ').slice(1)
  const dashes = [...roc!.matchAll(/stroke-width="2" stroke-dasharray="([^"]*)"/g)].map(([, dash]) => dash)
  // three lines, and their three samples in the legend
  assert.equal(dashes.slice(0, 3), dashes.slice(3))
  assert.is(new Set(dashes).size, 3)
})

test.run()
