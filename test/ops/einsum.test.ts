// Rows of einsum: against a sum over all letters, and against what PyTorch computes.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { einsum, input, jit, model, tensor } from '../../lib/index.js'
import { checkRows, isProgram, type Row } from '../check.js'
import { close, throws } from '../expect.js'
import { recorded, wave } from '../oracle/torch_values.js'
import { at, eachPosition, generate, type Values } from '../reference.js'

/** The sum over the letters that are not in the result, one product after the other. Equations without an ellipsis. */
function summed(equation: string, operands: readonly Values[]): Values {
  const [left, right] = equation.split('->') as [string, string]
  const terms = left.split(',')
  const extents = new Map<string, number>()
  terms.forEach((term, i) =>
    [...term].forEach((letter, axis) => extents.set(letter, Math.max(extents.get(letter) ?? 0, operands[i]!.shape[axis]!))),
  )
  const gone = [...extents.keys()].filter((letter) => !right.includes(letter))
  return generate(
    [...right].map((letter) => extents.get(letter)!),
    (position) => {
      const places = new Map([...right].map((letter, i) => [letter, position[i]!]))
      let total = 0
      eachPosition(
        gone.map((letter) => extents.get(letter)!),
        (inner) => {
          gone.forEach((letter, i) => places.set(letter, inner[i]!))
          total += terms.reduce((product, term, i) => {
            const place = [...term].map((letter, axis) => (operands[i]!.shape[axis] === 1 ? 0 : places.get(letter)!))
            return product * at(operands[i]!, place)
          }, 1)
        },
      )
      return total
    },
  )
}

const row = (op: string, equation: string, shapes: readonly (readonly number[])[], spelled = equation): Row => ({
  op,
  name: `${equation} of ${shapes.map((shape) => `[${shape}]`).join(' ')}`,
  operands: shapes.map((shape) => ({ shape })),
  run: (...xs) => einsum(equation, ...xs),
  reference: (...xs) => summed(spelled, xs),
  roundings: 16,
})

export const rows: readonly Row[] = checkRows(import.meta.url, [
  row('matMul', 'ij,jk->ik', [
    [2, 3],
    [3, 4],
  ]),
  row(
    'matMul',
    ' ij , kj -> ki ',
    [
      [2, 3],
      [4, 3],
    ],
    'ij,kj->ki',
  ),
  row(
    'matMul',
    'ij,jk',
    [
      [2, 3],
      [3, 4],
    ],
    'ij,jk->ik',
  ),
  row('matMul', 'bhqd,bkhd->bhqk', [
    [2, 2, 3, 2],
    [2, 2, 2, 2],
  ]),
  row(
    'matMul',
    '...ij,jk->...ik',
    [
      [2, 1, 2, 3],
      [3, 2],
    ],
    'xyij,jk->xyik',
  ),
  row(
    'matMul',
    'i...,i...->...',
    [
      [3, 2, 1],
      [3, 1, 2],
    ],
    'iab,iab->ab',
  ),
  row('matMul', 'bn,anm,bm->ba', [
    [2, 3],
    [3, 3, 2],
    [2, 2],
  ]),
  row('matMul', 'ij,jk->ik', [
    [0, 3],
    [3, 2],
  ]),
  row('matMul', 'ij,jk->ik', [
    [2, 0],
    [0, 2],
  ]),
  row('matMul', 'ij,jk->ik', [
    [2, 1],
    [3, 2],
  ]),
  row('matMul', 'iij,j->i', [[3, 3, 2], [2]]),
  row('mul', 'i,j->ij', [[3], [2]]),
  row('mul', 'aij,aj->jia', [
    [2, 3, 2],
    [2, 2],
  ]),
  row('slice', 'ii->i', [[3, 3]]),
  row('slice', 'ijij->ji', [[2, 3, 2, 3]]),
  row('sum', 'ii', [[3, 3]], 'ii->'),
  row('sum', 'ijk->k', [[2, 3, 2]]),
  row('sum', 'ab,ac,cd->a', [
    [2, 3],
    [2, 2],
    [2, 3],
  ]),
  row('transpose', 'ba', [[2, 3]], 'ba->ab'),
])

if (isProgram(import.meta.url)) {
  const test = suite()
  for (const { equation, shapes, shape, values } of recorded.einsum)
    test(`${equation} as PyTorch computes it`, async () => {
      const y = einsum(equation, ...shapes.map((s, k) => tensor(wave(s, k), { shape: s })))
      assert.equal([...y.shape], shape)
      close(await y.data(), values, 2e-6)
    })

  test('a list of operands, a trace, a functional model', async () => {
    const [a, b] = [
      tensor([
        [1, 2],
        [3, 4],
      ]),
      tensor([
        [1, 0],
        [1, 1],
      ]),
    ]
    const expected = [
      [3, 2],
      [7, 4],
    ]
    assert.equal(await einsum('ij,jk->ik', [a, b]).array(), expected)
    assert.equal(await jit((x: typeof a) => einsum('ij,jk->ik', x, b))(a).array(), expected)
    const x = input({ shape: [2] })
    const net = model({ inputs: x, outputs: einsum('ni,ij->nj', x, b) })
    assert.equal(await (await net.predict(a)).array(), expected)
    assert.equal(
      await einsum(
        'ij->j',
        tensor(
          [
            [1, 2],
            [3, 4],
          ],
          { dtype: 'int32' },
        ),
      ).array(),
      [4, 6],
    )
  })

  test('equations that cannot be read, and operands that do not fit', () => {
    const [a, b] = [
      tensor([[1, 2, 3]]),
      tensor([
        [1, 2],
        [3, 4],
      ]),
    ]
    throws('ERR_ARGUMENT', /of 2 operands, and 1 were given/, () => einsum('ij,jk->ik', a))
    throws('ERR_ARGUMENT', /'ijk' does not fit operand 0 of shape \[1,3\]/, () => einsum('ijk->i', a))
    throws('ERR_ARGUMENT', /'z' of the result is in no operand/, () => einsum('ij->z', a))
    throws('ERR_ARGUMENT', /'i' is twice in the result/, () => einsum('ij->ii', a))
    throws('ERR_ARGUMENT', /more than one arrow/, () => einsum('ij->i->j', a))
    throws('ERR_ARGUMENT', /'i1' is not made of letters/, () => einsum('i1->i', a))
    throws('ERR_ARGUMENT', /equation is a string/, () => einsum(a as never, a))
    throws('ERR_ARGUMENT', /no operands/, () => einsum('ij'))
    throws('ERR_SHAPE', /'j' has the extents 3 and 2/, () => einsum('ij,jk->ik', a, b))
    throws('ERR_SHAPE', /'i' has the extents 1 and 3/, () => einsum('ii', a))
    throws('ERR_DTYPE', /einsum: operands of different dtypes/, () => einsum('ij,ij->', a, a.cast('float16')))
  })
  test.run()
}
