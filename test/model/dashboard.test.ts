// callbacks.dashboard: what it tells while fit runs, to whom, and the page in a real browser.
import { writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { callbacks, layers, optimizers, type Sequential, sequential, setSeed, tensor } from '../../lib/index.js'
import type { Snapshot } from '../../lib/callbacks/dashboard_state.js'
import { generator, rejects, throws } from '../expect.js'
import { Browser, hasChromium } from '../serve/browser.js'
import { testWith } from '../skip.js'

const HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=2</script>'
const next = generator(1)
/** Pictures that are bright on the left or on the right. */
const y = Array.from({ length: 96 }, (_, i) => i % 2)
const x = tensor(
  Float32Array.from({ length: 96 * 64 }, (_, i) => next() * 0.5 + Number(Number(i % 8 > 3) === y[Math.floor(i / 64)])),
  [96, 8, 8, 1],
)
function net(name = 'sides'): Sequential {
  setSeed(1)
  const made = sequential(
    [
      layers.conv2d({ filters: 4, kernelSize: 3, activation: 'relu', inputShape: [8, 8, 1], name: 'edges' }),
      layers.batchNormalization({ name: 'norm' }),
      layers.flatten(),
      layers.dropout({ rate: 0.2 }),
      layers.dense({ units: 2, activation: 'softmax', name: 'classes' }),
    ],
    { name },
  )
  made.compile({ optimizer: optimizers.adam({ learningRate: 0.01 }), loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
  return made
}
const samples = { x: x.slice([0, 0, 0, 0], [6, 8, 8, 1]), y: y.slice(0, 6) }
const told = async (url: string): Promise<Snapshot> => (await (await fetch(`${url}data`)).json()) as Snapshot
const options = { epochs: 3, batchSize: 16, validationSplit: 0.25, verbose: 0 } as const

test('figures, histograms and predictions of each epoch; the training is the same without it', async () => {
  const board = callbacks.dashboard({ samples, classNames: ['left', HOSTILE] })
  assert.is(board.url, undefined)
  const seen: Snapshot[] = []
  const watched = net()
  const { history } = await watched.fit(x, y, {
    ...options,
    callbacks: [board, callbacks.lambda({ onEpochEnd: async () => void seen.push(await told(board.url!)) })],
  })
  assert.is(board.url, undefined, 'closed with the training')
  const { history: alone } = await net().fit(x, y, options)
  assert.equal(history, alone)
  assert.equal(
    seen.map(({ epochs, status }) => [epochs.length, status]),
    [
      [1, 'training'],
      [2, 'training'],
      [3, 'training'],
    ],
  )
  const last = seen.at(-1)!
  assert.equal(
    last.epochs.map(({ logs }) => logs['val_accuracy']),
    history['val_accuracy'],
  )
  assert.equal([last.model, last.lastEpoch, last.live.epoch, last.live.steps], ['sides', 3, 2, 5])
  assert.is(last.live.rate, watched.optimizer.learningRate)
  assert.equal(
    last.curve.map(([step]) => step),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  )
  assert.ok(last.curve.every(([, loss]) => Number.isFinite(loss)))
  assert.ok(Math.abs(last.live.rowsPerSecond! / last.live.stepsPerSecond! - 16) < 1e-9)
  // all weights, and gradients of those that are trained
  assert.equal(
    last.weights.map(({ name }) => name),
    ['edges/kernel', 'edges/bias', 'norm/gamma', 'norm/beta', 'norm/movingMean', 'norm/movingVariance', 'classes/kernel', 'classes/bias'],
  )
  assert.equal(
    last.gradients.map(({ name }) => name),
    last.weights.map(({ name }) => name).filter((name) => !name.includes('moving')),
  )
  const [kernel] = last.weights as [Snapshot['weights'][0]]
  const values = Array.from((await watched.layers[0]!.weights[0]!.data()) as Float32Array)
  assert.equal([kernel.buckets!.min, kernel.buckets!.max], [Math.min(...values), Math.max(...values)])
  assert.is(
    kernel.buckets!.counts.reduce((a, b) => a + b, 0),
    36,
  )
  assert.ok(last.gradients.some(({ buckets }) => buckets!.min < buckets!.max))
  // predictions
  assert.is(last.samples.length, 6)
  const outputs = (await (await watched.predict(samples.x)).array()) as unknown as number[][]
  last.samples.forEach((sample, i) => {
    assert.equal([sample.picture!.width, sample.picture!.height, Buffer.from(sample.picture!.rgb, 'base64').length], [8, 8, 192])
    assert.is(sample.target, y[i] === 0 ? 'left' : HOSTILE)
    assert.is(sample.outputs[0]!.value, Math.max(...outputs[i]!))
    assert.is(sample.right, outputs[i]!.indexOf(Math.max(...outputs[i]!)) === y[i])
  })
})

test('rows and numbers; a training that fails; a page that stays', async () => {
  const rows = [
    [1, 2],
    [3, 4],
    [5, 6],
  ]
  const line = sequential([layers.dense({ units: 1, inputShape: [2] })])
  line.compile({ optimizer: 'sgd', loss: 'mse' })
  const board = callbacks.dashboard({ samples: { x: rows, y: [1, 2, 3] }, stay: true })
  try {
    await line.fit(rows, [1, 2, 3], { verbose: 0, callbacks: board })
    const { status, samples: shown } = await told(board.url!)
    assert.is(status, 'done')
    assert.equal(
      shown.map(({ values, target }) => [values, target]),
      [
        [[1, 2], '1'],
        [[3, 4], '2'],
        [[5, 6], '3'],
      ],
    )
    assert.is(shown[0]!.right, undefined)
    const { url } = board
    const broken = callbacks.lambda({
      onEpochEnd: () => {
        throw new Error('enough')
      },
    })
    await line.fit(rows, [1, 2, 3], { verbose: 0, callbacks: [board, broken] }).catch(() => undefined)
    assert.is(board.url, url, 'one page for several trainings')
    assert.match((await told(url!)).status, /ended by an error: enough/)
    const taken = callbacks.dashboard({ port: Number(new URL(url!).port) })
    await rejects('ERR_STATE', /port \d+ is taken.*Leave port out/s, line.fit(rows, [1, 2, 3], { verbose: 0, callbacks: taken }))
  } finally {
    await board.close()
  }
  assert.is(board.url, undefined)
  throws('ERR_ARGUMENT', /port must be an integer between 0 and 65535/, () => callbacks.dashboard({ port: 70000 }))
  throws('ERR_ARGUMENT', /samples are \{ x, y \}/, () => callbacks.dashboard({ samples: [1] as never }))
  throws('ERR_ARGUMENT', /classNames are texts/, () => callbacks.dashboard({ classNames: [1 as never] }))
})

test('for this machine alone, and for reading', async () => {
  const board = callbacks.dashboard({ stay: true })
  const line = sequential([layers.dense({ units: 1, inputShape: [1] })])
  line.compile({ optimizer: 'sgd', loss: 'mse' })
  await line.fit([[1]], [1], { verbose: 0, callbacks: board })
  const url = new URL(board.url!)
  const status = (route: string, headers: Record<string, string> = {}, method = 'GET'): Promise<number> =>
    new Promise((resolve, reject) => {
      request({ host: '127.0.0.1', port: url.port, path: route, method, headers }, (reply) => {
        reply.resume()
        resolve(reply.statusCode!)
      })
        .on('error', reject)
        .end()
    })
  assert.is(url.hostname, '127.0.0.1')
  assert.is(await status('/'), 200)
  assert.is(await status('/', { host: 'evil.example' }), 403)
  assert.is(await status('/data', { host: `evil.example:${url.port}` }), 403)
  assert.is(await status('/data', { host: `localhost:${url.port}` }), 200)
  assert.is(await status('/', {}, 'POST'), 405)
  assert.is(await status('/elsewhere'), 404)
  assert.is(await status('//'), 404)
  const page = await fetch(url)
  const policy = page.headers.get('content-security-policy')!
  assert.match(policy, /default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-[^']+'; img-src data:; connect-src 'self'/)
  assert.not.match((await page.text()).replace('http://www.w3.org/2000/svg', ''), /https?:|innerHTML|insertAdjacent|document\.write|eval/)
  await board.close()
})

testWith(hasChromium, 'chromium', 'in a browser: it follows the training, offline, without errors, and needs no colour', async () => {
  const board = callbacks.dashboard({ samples, classNames: ['left', HOSTILE] })
  const browser = await Browser.open()
  try {
    const text = (): Promise<string> => browser.evaluate<string>('document.body.innerText')
    let [first, url] = ['', '']
    const look = callbacks.lambda({
      onTrainBegin: async () => {
        url = board.url!
        await browser.send('Page.navigate', { url })
        await browser.until("document.getElementById('status')?.textContent === 'training'")
      },
      onEpochEnd: async (epoch) => {
        // the page has heard of the epoch
        await browser.until(
          `document.querySelector('[data-chart=loss] .train')?.parentNode.querySelectorAll('circle.train').length === ${epoch + 1}`,
        )
        if (epoch === 1) first = await text()
      },
    })
    await net(HOSTILE).fit(x, y, { ...options, callbacks: [board, look] })
    await browser.until("document.getElementById('status').textContent.includes('stays as it is')")
    assert.match(first, /epoch\s+2 of 3/)
    assert.match(first, /target left/)
    assert.match(first, /edges\/kernel/)
    const last = await text()
    assert.match(last, /epoch\s+3 of 3/)
    assert.match(last, /rows a second\s+[\d.]+/)
    assert.match(last, /done; the program has closed this page/)
    assert.ok(last.includes(HOSTILE), 'names are text')
    assert.is(await browser.evaluate('window.hacked === undefined && document.images.length === 0 && document.scripts.length === 1'), true)
    assert.is(await browser.evaluate("document.querySelectorAll('#samples canvas').length"), 6)
    assert.is(await browser.evaluate("document.querySelectorAll('#weights rect').length > 40"), true)
    assert.is(await browser.evaluate("document.querySelectorAll('#gradients figure').length"), 6)
    // a picture that was drawn has more than one grey
    const greys = "new Set(document.querySelector('canvas').getContext('2d').getImageData(0, 0, 8, 8).data).size"
    assert.ok((await browser.evaluate<number>(greys)) > 5)
    // validation differs from training by dashes and rings, right from wrong by words
    assert.match(await browser.evaluate("getComputedStyle(document.querySelector('path.validation')).strokeDasharray"), /\d/)
    assert.is(await browser.evaluate("getComputedStyle(document.querySelector('path.train')).strokeDasharray"), 'none')
    assert.match(last, /✓ right|✗ wrong/)
    const outside = await browser.evaluate<number>('document.documentElement.scrollWidth - document.documentElement.clientWidth')
    assert.ok(outside <= 0, `${outside} pixels too wide`)
    await browser.send('Emulation.setEmulatedVisionDeficiency', { type: 'achromatopsia' })
    const { data } = (await browser.send('Page.captureScreenshot', { format: 'png', captureBeyondViewport: true })) as { data: string }
    const picture = Buffer.from(data, 'base64')
    assert.ok(picture.length > 20_000, `a picture of ${picture.length} bytes`)
    const kept = process.env['WEFT_SCREENSHOTS']
    if (kept) await writeFile(path.join(kept, 'training.png'), picture)
    const requested = browser.events
      .filter(({ method }) => method === 'Network.requestWillBeSent')
      .map(({ params }) => (params['request'] as { url: string }).url)
    assert.ok(
      requested.every((own) => own.startsWith(url) || own === 'about:blank' || own.startsWith('data:')),
      requested.join(),
    )
    const complaints = browser.events
      .filter(({ method }) => ['Log.entryAdded', 'Runtime.exceptionThrown', 'Runtime.consoleAPICalled'].includes(method))
      .map(({ params }) => JSON.stringify(params))
    assert.equal(complaints, [])
  } finally {
    await browser.close()
  }
})

test.run()
