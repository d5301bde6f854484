// Rows of the cross-entropies of logits, and tests of bad labels.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { device } from '../../lib/core/device.js'
import {
  grad,
  gradients,
  jit,
  logSoftmax as logSoftmaxOf,
  profile,
  softmax,
  softmaxCrossEntropy,
  sparseSoftmaxCrossEntropy,
  stopGradient,
  type Tensor,
  tensor,
  type WeftError,
} from '../../lib/index.js'
import { checkRows, isProgram, type Row } from '../check.js'
import { at, generate, logSoftmax, type Values } from '../reference.js'

const SHAPES: readonly (readonly number[])[] = [
  [3, 5],
  [1, 1],
  [4, 10],
  [0, 3],
  [2, 3, 4],
  [33, 101],
  [21, 2],
  [37, 17],
  [17, 32],
]

const lossOf = (logits: Values, target: (position: number[], c: number) => number): Values => {
  const scores = logSoftmax(logits)
  const classes = logits.shape[logits.shape.length - 1]!
  return generate(logits.shape.slice(0, -1), (position) => {
    let loss = 0
    for (let c = 0; c < classes; c++) if (target(position, c) !== 0) loss -= target(position, c) * at(scores, [...position, c])
    return loss
  })
}

/** Five rows of logits, one far above the others; the label is that one, another, or one of two. */
const NEAR = [20, 0, -1, 0, 0, -12, -13, -40, -3, -3, 33, 1, 5, 5, -12, -13, 9, 1, 0.5, 2]
const LABELS = [0, 0, 2, 1, 3]
/** Losses of a confident model are as exact as themselves: the exponents are off by half a rounding of up to 40. */
const confident: Pick<Row, 'name' | 'dtypes' | 'roundings' | 'derivatives'> = {
  name: 'next to certainty: small losses keep their digits',
  dtypes: ['float64', 'float32', 'bfloat16'],
  roundings: 24,
  derivatives: 0,
}
const sizesOf = (loss: Values): Values => ({ shape: loss.shape, data: loss.data.map(Math.abs) })

export const rows: readonly Row[] = checkRows(import.meta.url, [
  {
    ...confident,
    op: 'sparseSoftmaxCrossEntropy',
    operands: [
      { shape: [5, 4], values: NEAR },
      { shape: [5], values: LABELS, dtype: 'int32' },
    ],
    run: (logits, labels) => sparseSoftmaxCrossEntropy(logits!, labels!),
    reference: (logits, labels) => lossOf(logits!, (position, c) => Number(at(labels!, position) === c)),
    sizes: (logits, labels) => sizesOf(lossOf(logits!, (position, c) => Number(at(labels!, position) === c))),
  },
  {
    ...confident,
    op: 'softmaxCrossEntropy',
    operands: [
      { shape: [5, 4], values: NEAR },
      { shape: [5, 4], values: LABELS.flatMap((label) => [0, 1, 2, 3].map((c) => Number(c === label))) },
    ],
    run: (logits, targets) => softmaxCrossEntropy(logits!, targets!),
    reference: (logits, targets) => lossOf(logits!, (position, c) => at(targets!, [...position, c])),
    sizes: (logits, targets) => sizesOf(lossOf(logits!, (position, c) => at(targets!, [...position, c]))),
  },
  ...SHAPES.flatMap((shape): Row[] => {
    const leading = shape.slice(0, -1)
    const n = leading.reduce((a, b) => a * b, 1)
    const classes = shape[shape.length - 1]!
    return [
      {
        op: 'softmaxCrossEntropy',
        name: `[${shape}]`,
        operands: [{ shape }, { shape, domain: [[0, 1]] }],
        run: (logits, targets) => softmaxCrossEntropy(logits!, targets!),
        reference: (logits, targets) => lossOf(logits!, (position, c) => at(targets!, [...position, c])),
        roundings: 16,
      },
      {
        op: 'sparseSoftmaxCrossEntropy',
        name: `[${shape}]`,
        operands: [{ shape }, { shape: leading, values: Array.from({ length: n }, (_, i) => (i * 3 + 1) % classes), dtype: 'int32' }],
        run: (logits, labels) => sparseSoftmaxCrossEntropy(logits!, labels!),
        reference: (logits, labels) => lossOf(logits!, (position, c) => Number(at(labels!, position) === c)),
        roundings: 8,
      },
    ]
  }),
])

if (isProgram(import.meta.url)) {
  const test = suite()
  // rows that a warp, a block and several blocks take
  for (const classes of [3, 900, 300_000]) {
    test(`values and slopes keep their digits where the loss is next to nothing: ${classes} classes`, async () => {
      const logits = Array.from({ length: classes }, (_, c) => (c === 1 ? 40 : -(c % 7)))
      const others = logits.reduce((total, x, c) => total + (c === 1 ? 0 : Math.exp(x - 40)), 0)
      const onehot = logits.map((_, c) => Number(c === 1))
      const label = tensor([1], { dtype: 'int32' })
      for (const value of [
        sparseSoftmaxCrossEntropy(tensor([logits]), label),
        softmaxCrossEntropy(tensor([logits]), tensor([onehot])),
        logSoftmaxOf(tensor([logits]))
          .slice([0, 1], [1, 1])
          .neg(),
      ]) {
        const [loss] = (await value.data()) as Float32Array
        assert.ok(Math.abs(loss! / others - 1) < 1e-5, `${loss}, should be ${others}`)
      }
      const sparse = grad((x: Tensor) => sparseSoftmaxCrossEntropy(x, tensor([1], { dtype: 'int32' })).sum())
      const dense = grad((x: Tensor) => softmaxCrossEntropy(x, tensor([onehot])).sum())
      for (const [name, slope] of [['sparse', sparse(tensor([logits]))] as const, ['dense', dense(tensor([logits]))] as const]) {
        const [, first] = (await slope.data()) as Float32Array
        assert.ok(Math.abs(first! / -others - 1) < 1e-4, `${name}: ${first}, should be ${-others}`)
      }
    })
  }
  for (const label of [3, -1]) {
    test(`a label of ${label} for 3 classes rejects the await`, async () => {
      let error: WeftError | undefined
      await sparseSoftmaxCrossEntropy(
        [
          [1, 2, 3],
          [1, 2, 3],
        ],
        tensor([0, label], { dtype: 'int32' }),
      )
        .data()
        .catch((e: WeftError) => (error = e))
      assert.is(error?.code, 'ERR_DATA')
      assert.match(error!.message, String(label))
    })
  }
  if (device() === 'cpu')
    test('a row of few classes has the same bits alone and among others', async () => {
      const step = jit((x: Tensor, labels: Tensor) => {
        const loss = sparseSoftmaxCrossEntropy(x, labels)
        return [softmax(x), loss, ...gradients(loss.mul(3).sum(), [x])]
      })
      for (const classes of [1, 2, 8, 10, 16, 17, 32]) {
        const rows = 37
        const values = Float32Array.from({ length: rows * classes }, (_, i) => ((i * 7919) % 1013) / 100)
        const labels = Array.from({ length: rows }, (_, r) => (r * 5) % classes)
        const all = await Promise.all(step(tensor(values, [rows, classes]), tensor(labels, { dtype: 'int32' })).map((t) => t.data()))
        for (let r = 0; r < rows; r++) {
          const x = tensor(values.subarray(r * classes, (r + 1) * classes), [1, classes])
          const alone = await Promise.all(step(x, tensor([labels[r]!], { dtype: 'int32' })).map((t) => t.data()))
          alone.forEach((value, i) => {
            const of = all[i]!.slice((r * all[i]!.length) / rows, ((r + 1) * all[i]!.length) / rows)
            assert.equal(value, of, `${classes} classes, row ${r}, result ${i}`)
          })
        }
      }
    })
  if (device() === 'cpu')
    test('the gradient of long rows is made with their loss, to the same bits', async () => {
      const [rows, classes] = [7, 5003]
      const values = Float32Array.from({ length: rows * classes }, (_, i) => ((i * 7919) % 1013) / 300 + (i % (classes + 1) === 3 ? 15 : 0))
      const logits = tensor(values, [rows, classes])
      // a class that is sure, one that is not, and others
      const labels = tensor([3, 4, 5, 5002, 0, 8, 11], { dtype: 'int32' })
      const weights = tensor([1, 0.5, -2, 0, 3, 0.1, 7])
      const run = async (joined: boolean): Promise<unknown> => {
        const step = jit((x: Tensor, labels: Tensor, w: Tensor) => {
          const loss = sparseSoftmaxCrossEntropy(x, labels)
          // factors that come from the losses are not there while they are computed
          const factors = joined ? w : stopGradient(loss).mul(0).add(w)
          return [loss, ...gradients(loss.mul(factors).sum(), [x])]
        })
        let results: unknown[] = []
        const { kernels } = await profile(async () => {
          results = await Promise.all(step(logits, labels, weights).map((t) => t.data()))
        })
        assert.is(
          kernels.some(({ name }) => name === 'sparseSoftmaxCrossEntropy+gradient'),
          joined,
        )
        return results
      }
      assert.equal(await run(true), await run(false))
    })
  test.run()
}
