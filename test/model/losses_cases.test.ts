// Losses where numbers are extreme or shapes unusual: precision next to 0, one class, and the user's own functions.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { grad, type Tensor, tensor } from '../../lib/index.js'
import { resolveLoss } from '../../lib/losses/by_name.js'
import * as losses from '../../lib/losses/index.js'
import { close, throws } from '../expect.js'

test('binary cross-entropy from logits: value and slope keep their precision where the loss is next to nothing', async () => {
  const loss = losses.binaryCrossentropy({ fromLogits: true, reduction: 'sum' })
  const near = (found: number, expected: number, what: string): void =>
    assert.ok(Math.abs(found - expected) <= 1e-6 * Math.abs(expected), `${what}: ${found}, expected ${expected}`)
  for (const size of [0, 0.5, 12, 15, 40, 80])
    for (const logit of size === 0 ? [0] : [size, -size])
      for (const target of [0, 0.25, 1]) {
        const what = `logit ${logit}, target ${target}`
        const x = tensor([[logit]])
        const small = Math.log1p(Math.exp(-size))
        // log(1 + exp(x)) - x·y, without cancellation
        near(await loss([[target]], x).item(), small + Math.max(logit, 0) * (1 - target) + Math.max(-logit, 0) * target, what)
        const slope = (1 - target) / (1 + Math.exp(-logit)) - target / (1 + Math.exp(logit))
        near(await grad((t: Tensor) => loss([[target]], t))(x).item(), slope, `slope of ${what}`)
      }
})

test('binary cross-entropy from probabilities: small ones keep their precision', async () => {
  const loss = losses.binaryCrossentropy({ reduction: 'sum' })
  for (const p of [2e-7, 1e-5, 0.3]) {
    const found = await loss([[0]], tensor([[p]])).item()
    assert.ok(Math.abs(found / -Math.log1p(-p) - 1) < 1e-6, `p ${p}: ${found}, expected ${-Math.log1p(-p)}`)
  }
})

test('logCosh: value and slope keep their precision for small errors, and are finite for large ones', async () => {
  const loss = losses.logCosh({ reduction: 'sum' })
  for (const error of [0, 1e-5, -1e-3, 0.1, -0.99, 1.01, 5, -300]) {
    const e = Math.fround(error)
    const value = Math.abs(e) < 20 ? -0.5 * Math.log1p(-(Math.tanh(e) ** 2)) : Math.abs(e) - Math.LN2
    const found = await loss([[0]], tensor([[e]])).item()
    const slope = await grad((t: Tensor) => loss([[0]], t))(tensor([[e]])).item()
    assert.ok(Math.abs(found - value) <= 2e-6 * value, `error ${error}: ${found}, expected ${value}`)
    assert.ok(Math.abs(slope - Math.tanh(e)) <= 2e-6 * Math.abs(Math.tanh(e)), `slope at ${error}: ${slope}, expected ${Math.tanh(e)}`)
  }
})

test('crossentropy over one class: a warning that names the right loss', async () => {
  const warnings: Error[] = []
  const keep = (warning: Error): void => void warnings.push(warning)
  process.on('warning', keep)
  losses.categoricalCrossentropy()([[1], [0]], tensor([[0.9], [0.2]]))
  losses.sparseCategoricalCrossentropy()([0, 0], tensor([[0.9], [0.2]]))
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', keep)
  assert.is(warnings.length, 2)
  for (const { message } of warnings) assert.match(message, /'binaryCrossentropy' and activation 'sigmoid'/)
})

test('own losses: targets are aligned, and a scalar cannot be weighted', async () => {
  const own = resolveLoss((y: Tensor, p: Tensor) => p.sub(y).square().mean())
  const p = tensor([[1], [2], [3]])
  assert.is(await own([1, 2, 3], p).item(), 0)
  throws('ERR_SHAPE', /do not fit/, () => own([1, 2], p))
  throws('ERR_ARGUMENT', /one value per sample/, () => own([1, 2, 3], p, { sampleWeight: [1, 2, 3] }))
  throws('ERR_ARGUMENT', /one value per sample/, () => own([1, 2, 3], p, { mask: tensor([true, false, true]) }))
  const each = resolveLoss((y: Tensor, q: Tensor) => q.sub(y).square().squeeze(-1))
  assert.is(await each([0, 2, 5], p, { sampleWeight: [3, 1, 0] }).item(), 1)
  // class numbers with predictions of classes are no mistake
  const sparse = resolveLoss((y: Tensor, q: Tensor) => losses.sparseCategoricalCrossentropy({ fromLogits: true })(y, q))
  close(
    [
      await sparse(
        [1, 0],
        tensor([
          [0, 0],
          [0, 0],
        ]),
      ).item(),
    ],
    [Math.LN2],
    1e-6,
  )
  throws('ERR_ARGUMENT', /expected a Tensor/, () => resolveLoss((() => 3) as never)([1], tensor([1])))
})

test('focal losses with roots have gradients where the answer is sure', async () => {
  for (const [loss, y, logits] of [
    [losses.binaryFocalCrossentropy({ fromLogits: true, gamma: 0.5 }), [[1, 0]], [[90, -90]]],
    [losses.categoricalFocalCrossentropy({ fromLogits: true, gamma: 0.5 }), [[1, 0]], [[90, 0]]],
  ] as const) {
    const slopes = await grad((x: Tensor) => loss(y, x).mean())(tensor(logits)).data()
    assert.ok(
      Array.from(slopes as Float32Array).every((slope) => Math.abs(slope) < 1e-6),
      String(slopes),
    )
  }
})

test('ctc: what fills up a row of labels may stand anywhere in it', async () => {
  const logits = tensor(
    Array.from({ length: 2 * 6 * 4 }, (_, i) => Math.sin(i)),
    { dtype: 'float32' },
  ).reshape([2, 6, 4])
  const of = async (labels: number[][]): Promise<number[]> =>
    Array.from((await losses.ctc({ reduction: 'none' })(labels, logits).data()) as Float32Array)
  const expected = await of([
    [1, 2, 0, 0],
    [3, 3, 1, -1],
  ])
  assert.equal(
    await of([
      [0, 1, 0, 2],
      [3, -1, 3, 1],
    ]),
    expected,
  )
})

test.run()
