// Losses against what PyTorch and scikit-learn compute; ctc with lengths, masks and rows that do not fit; training on
// it.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { grad, layers, losses, sequential, type Tensor, tensor } from '../../lib/index.js'
import { close, throws } from '../expect.js'
import { recorded, wave } from '../oracle/torch_values.js'

test('figures of scikit-learn', async () => {
  const [y, p] = [wave([40]), wave([40], 2)].map((values) => tensor(values.map((v) => Math.abs(v) + 0.1)))
  for (const name of ['meanAbsolutePercentageError', 'meanSquaredLogarithmicError'] as const)
    close([await losses[name]()(y!, p!).item()], [recorded.figures[name]], 2e-6 * recorded.figures[name] + 1e-7)
})

test('focal cross-entropies of PyTorch', async () => {
  const column = (values: number[]): Tensor => tensor(values).expandDims(-1)
  const [logits, y] = [column(wave([10]).map((v) => 3 * v)), column(wave([10], 1).map((v) => Number(v > 0)))]
  const { binary, weighted, categorical } = recorded.focal
  const options = { fromLogits: true, reduction: 'none' } as const
  close(await losses.binaryFocalCrossentropy(options)(y, logits).data(), binary, 2e-6)
  close(await losses.binaryFocalCrossentropy({ reduction: 'none' })(y, logits.sigmoid()).data(), binary, 2e-6)
  const balanced = losses.binaryFocalCrossentropy({ ...options, gamma: 1.5, applyClassBalancing: true })
  close(await balanced(y, logits).data(), weighted, 2e-6)
  const rows = tensor(
    wave([6, 4]).map((v) => 3 * v),
    { shape: [6, 4] },
  )
  const classes = Array.from({ length: 6 }, (_, i) => Array.from({ length: 4 }, (__, k) => Number(k === i % 4)))
  close(await losses.categoricalFocalCrossentropy(options)(classes, rows).data(), categorical, 2e-6)
  close(await losses.categoricalFocalCrossentropy({ reduction: 'none' })(classes, rows.softmax()).data(), categorical, 2e-6)
})

test('a focal loss that is next to nothing keeps its digits, and its slope is finite', async () => {
  const loss = losses.binaryFocalCrossentropy({ fromLogits: true, reduction: 'sum' })
  const q = Math.exp(-12) / (1 + Math.exp(-12))
  const found = await loss([[1]], tensor([[12]])).item()
  assert.ok(Math.abs(found / (q ** 2 * -Math.log1p(-q)) - 1) < 1e-5, `${found}`)
  for (const gamma of [0, 1, 2, 3.5])
    for (const logit of [-200, 0, 200]) {
      const make = losses.categoricalFocalCrossentropy({ fromLogits: true, gamma })
      const slope = await grad((t: Tensor) => make([[1, 0]], t))(tensor([[logit, 0]])).data()
      assert.ok(
        slope.every((v) => Number.isFinite(Number(v))),
        `gamma ${gamma}, logit ${logit}: ${slope}`,
      )
    }
})

/** As close(), with infinite values that agree. */
function agree(actual: ArrayLike<number | bigint>, expected: readonly (number | null)[]): void {
  const found = Array.from(actual as ArrayLike<number>, (v) => (v === Number.POSITIVE_INFINITY ? null : v))
  assert.equal(
    found.map((v) => v === null),
    expected.map((v) => v === null),
  )
  close(
    found.map((v) => v ?? 0),
    expected.map((v) => v ?? 0),
    2e-5,
  )
}

for (const { steps, classes, labels, lengths, losses: expected, gradient } of recorded.ctc)
  test(`ctc of ${labels.length} rows of at most ${labels[0]!.length} labels in ${steps} steps`, async () => {
    const n = labels.length
    const x = tensor(
      wave([n, steps, classes]).map((v) => 2 * v),
      { shape: [n, steps, classes] },
    )
    const mask = tensor(lengths.map((length) => Array.from({ length: steps }, (_, t) => t < length)))
    agree((await losses.ctc({ reduction: 'none' })(labels, x, { mask }).data()) as Float32Array, expected)
    const given = losses.ctc({ reduction: 'none', fromLogits: false })
    agree((await given(labels, x.softmax(), { mask }).data()) as Float32Array, expected)
    const slope = await grad((t: Tensor) => losses.ctc({ reduction: 'sum' })(labels, t, { mask }))(x).data()
    // torch gives NaN where the labels do not fit
    close(slope, gradient ?? Array.from(slope as Float32Array, () => 0), 2e-5)
  })

test('ctc: padding by the blank, another blank, sample weights, no labels at all', async () => {
  const x = tensor(wave([2, 5, 3]), { shape: [2, 5, 3] })
  const each = losses.ctc({ reduction: 'none' })
  const expected = [
    ...(await each(
      [
        [1, 2],
        [1, -1],
      ],
      x,
    ).data()),
  ].map(Number)
  close(
    await each(
      [
        [1, 2],
        [1, 0],
      ],
      x,
    ).data(),
    expected,
    1e-6,
  )
  const turned = x.gather([1, 2, 0], 2) // class 0 is the last now
  close(
    await losses
      .ctc({ reduction: 'none', maskIndex: 2 })(
        [
          [0, 1],
          [0, 2],
        ],
        turned,
      )
      .data(),
    expected,
    1e-6,
  )
  const weighted = losses.ctc()(
    [
      [1, 2],
      [1, -1],
    ],
    x,
    { sampleWeight: [1, 3] },
  )
  close([await weighted.item()], [(expected[0]! + 3 * expected[1]!) / 2], 1e-5)
  const blanks = [...(await x.logSoftmax().slice([0, 0, 0], [2, 5, 1]).sum([1, 2]).neg().data())].map(Number)
  close(await each(tensor([], { shape: [2, 0], dtype: 'int32' }), x).data(), blanks, 1e-5)
})

test('ctc: what is no batch of labels and predictions', () => {
  const x = tensor(wave([2, 5, 3]), { shape: [2, 5, 3] })
  throws('ERR_SHAPE', /targets \[batch, labels\] and predictions \[batch, steps, classes\], got \[2\]/, () => losses.ctc()([1, 2], x))
  throws('ERR_ARGUMENT', /maskIndex 3 is not one of the 3 classes/, () => losses.ctc({ maskIndex: 3 })([[1], [2]], x))
  throws('ERR_ARGUMENT', /maskIndex must be an integer of at least 0/, () => losses.ctc({ maskIndex: -1 }))
})

test('a model learns rows of labels by ctc, softmax layer or not', async () => {
  // two labels shown at places that the loss is not told of
  const x = Array.from({ length: 8 }, (_, i) =>
    Array.from({ length: 6 }, (__, t) => (t === 1 + (i % 2) ? [1, 0] : t === 4 ? [0, 1] : [0, 0])),
  )
  const y = Array.from({ length: 8 }, () => [1, 2])
  for (const activation of [undefined, 'softmax'] as const) {
    const net = sequential([layers.dense({ units: 3, inputShape: [6, 2], ...(activation ? { activation } : {}) })])
    net.compile({ optimizer: 'adam', loss: activation ? losses.ctc({ fromLogits: false }) : 'ctc' })
    const before = await net.evaluate(x, y)
    await net.fit(x, y, { epochs: 15, batchSize: 4, verbose: 0 })
    const after = await net.evaluate(x, y)
    assert.ok(after.loss < before.loss, `${before.loss} became ${after.loss}`)
  }
})

test('dice: one loss per sample and class, and the whole batch as one, as Keras', async () => {
  const y = tensor([
    [
      [1, 0],
      [1, 1],
    ],
    [
      [0, 0],
      [1, 0],
    ],
  ])
  const p = tensor([
    [
      [0.8, 0.2],
      [0.6, 0.4],
    ],
    [
      [0.1, 0.3],
      [0.9, 0.5],
    ],
  ])
  const none = { reduction: 'none' } as const
  close(
    await losses
      .dice({ ...none, axis: [1] })(y, p)
      .data(),
    [1 - 2.8 / 3.4, 1 - 0.8 / 1.6, 1 - 1.8 / 2, 1],
    1e-5,
  )
  close(await losses.dice(none)(y, p).data(), [1 - 3.6 / 5, 1 - 1.8 / 2.8], 1e-5)
  close(
    [
      await losses
        .dice({ axis: [0, 1, 2] })(y, p)
        .item(),
    ],
    [1 - (2 * 2.7) / 7.8],
    1e-5,
  )
  throws('ERR_ARGUMENT', /axis is an integer or a list of them, got 'x'/, () => losses.dice({ axis: 'x' as never }))
})

test('refusals of focal losses', () => {
  throws('ERR_ARGUMENT', /gamma must be a number of at least 0, got -1/, () => losses.binaryFocalCrossentropy({ gamma: -1 }))
  throws('ERR_ARGUMENT', /alpha is a number or a list of them/, () => losses.categoricalFocalCrossentropy({ alpha: ['a'] as never }))
  const two = losses.categoricalFocalCrossentropy({ alpha: [1, 2] })
  throws('ERR_ARGUMENT', /alpha has 2 weights, and there are 3 classes/, () => two([[1, 0, 0]], tensor([[1, 2, 3]])))
})

test.run()
