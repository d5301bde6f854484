// Rows of the cross-entropies of logits, and tests of bad labels.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { grad, softmaxCrossEntropy, sparseSoftmaxCrossEntropy, type Tensor, tensor, type WeftError } from '../../lib/index.js'
import { checkRows, isProgram, type Row } from '../check.js'
import { at, generate, logSoftmax, type Values } from '../reference.js'

const SHAPES: readonly (readonly number[])[] = [
  [3, 5],
  [1, 1],
  [4, 10],
  [0, 3],
  [2, 3, 4],
  [33, 101],
]

const lossOf = (logits: Values, target: (position: number[], c: number) => number): Values => {
  const scores = logSoftmax(logits)
  const classes = logits.shape[logits.shape.length - 1]!
  return generate(logits.shape.slice(0, -1), (position) => {
    let loss = 0
    for (let c = 0; c < classes; c++) loss -= target(position, c) * at(scores, [...position, c])
    return loss
  })
}

export const rows: readonly Row[] = checkRows(
  import.meta.url,
  SHAPES.flatMap((shape): Row[] => {
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
)

if (isProgram(import.meta.url)) {
  const test = suite()
  // rows that a warp, a block and several blocks take
  for (const classes of [3, 900, 300_000]) {
    test(`slopes keep their digits where the loss is next to nothing: ${classes} classes`, async () => {
      const logits = Array.from({ length: classes }, (_, c) => (c === 1 ? 40 : -(c % 7)))
      const others = logits.reduce((total, x, c) => total + (c === 1 ? 0 : Math.exp(x - 40)), 0)
      const onehot = logits.map((_, c) => Number(c === 1))
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
  test.run()
}
