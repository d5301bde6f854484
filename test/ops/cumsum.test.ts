// Rows of running sums.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { cumSum, device, type Tensor, tensor } from '../../lib/index.js'
import { checkRows, FLOATS, isProgram, type Row } from '../check.js'
import { at, generate } from '../reference.js'

const CASES: readonly [readonly number[], number][] = [
  [[7], 0],
  [[1], 0],
  [[3, 5], 0],
  [[3, 5], 1],
  [[2, 3, 4], 1],
  [[0, 3], 0],
  [[2, 0], 1],
  [[5, 133], 1],
  [[133, 5], 0],
]

export const rows: readonly Row[] = checkRows(
  import.meta.url,
  CASES.flatMap(([shape, axis]) =>
    [false, true].flatMap((exclusive) =>
      [false, true].map(
        (reverse): Row => ({
          op: 'cumSum',
          name: `of [${shape}] along ${axis}${exclusive ? ', exclusive' : ''}${reverse ? ', from the end' : ''}`,
          operands: [{ shape }],
          run: (x) => cumSum(x!, axis, { exclusive, reverse }),
          reference: (x) =>
            generate(shape, (position) => {
              let sum = 0
              for (let i = 0; i < shape[axis]!; i++) {
                const place = position[axis]!
                const inside = reverse ? i >= place + Number(exclusive) : i <= place - Number(exclusive)
                if (inside)
                  sum += at(
                    x!,
                    position.map((p, k) => (k === axis ? i : p)),
                  )
              }
              return sum
            }),
          dtypes: [...FLOATS, 'int32'],
          roundings: 4 + shape[axis]! / 4,
        }),
      ),
    ),
  ),
)

if (isProgram(import.meta.url)) {
  const test = suite()
  const onCpu = device() === 'cpu' ? test : test.skip
  onCpu('-0 stays -0, except where there is nothing to sum', async () => {
    const signs = async (x: Tensor): Promise<number[]> => Array.from((await x.data()) as Float32Array, (v) => (Object.is(v, -0) ? -1 : 1))
    for (const dtype of ['float32', 'float64'] as const) {
      const zeros = tensor([-0, -0, 0], { dtype })
      assert.equal(await signs(zeros.cumSum()), [-1, -1, 1])
      assert.equal(await signs(zeros.cumSum(0, { exclusive: true })), [1, -1, -1])
      assert.equal(await signs(zeros.cumSum(0, { reverse: true })), [1, 1, 1])
      assert.equal(await signs(zeros.reshape([3, 1]).tile([1, 2]).cumSum()), [-1, -1, -1, -1, 1, 1])
    }
  })
  test.run()
}
