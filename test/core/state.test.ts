// State in traced functions: reads before assign keep the old value, reads after see the new one, the device sees the
// last.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { jit, tensor, variable, WeftError, type Tensor } from '../../lib/index.js'
import { codeOf, values } from '../expect.js'

test('reads before and after assign', async () => {
  const w = variable([1, 2])
  const step = jit((x: Tensor) => {
    const before = w.mul(x)
    w.assign(w.add(1))
    const after = w.mul(x)
    w.assign(w.mul(10))
    return { before, after }
  })
  const first = step(tensor([1, 1]))
  assert.equal(await values(first.before), [1, 2])
  assert.equal(await values(first.after), [2, 3])
  assert.equal(await values(w), [20, 30])
  const second = step(tensor([1, 1]))
  assert.equal(await values(second.before), [20, 30])
  assert.equal(await values(second.after), [21, 31])
  assert.equal(await values(w), [210, 310])
})

test('returning a variable beside assigning it gives the old value', async () => {
  const w = variable(new Float32Array(300).fill(1))
  const step = jit(() => {
    const old = w.mul(1)
    w.assign(w.add(1))
    return [w, old]
  })
  const [now, old] = step()
  assert.is((await now!.data())[299], 2)
  assert.is((await old!.data())[299], 1)
  const read = jit(() => {
    const keep = [w].map((v) => v.reshape([300]))
    w.assign(w.add(1))
    return keep[0]!
  })
  assert.is((await read().data())[0], 2)
  assert.is((await w.data())[0], 3)
})

test('two variables exchange their values', async () => {
  const a = variable([1, 2])
  const b = variable([3, 4])
  const swap = jit(() => {
    const was = a.mul(1)
    a.assign(b)
    b.assign(was)
  })
  swap()
  assert.equal(
    [await values(a), await values(b)],
    [
      [3, 4],
      [1, 2],
    ],
  )
  const direct = jit(() => {
    const x = a.reshape([2])
    const y = b.reshape([2])
    a.assign(y)
    b.assign(x)
  })
  direct()
  assert.equal(
    [await values(a), await values(b)],
    [
      [1, 2],
      [3, 4],
    ],
  )
})

test('nothing is assigned when tracing throws', async () => {
  const w = variable([1])
  const step = jit(() => {
    w.assign(w.add(1))
    throw new Error('stop')
  })
  assert.throws(step, 'stop')
  assert.equal(await values(w), [1])
})

test('a variable made while tracing is made once, outside the recording', async () => {
  const made: number[] = []
  const step = jit((x: Tensor) => {
    const w = variable([5])
    made.push(1)
    return x.add(w)
  })
  assert.equal(await values(step(tensor([1]))), [6])
  assert.equal(await values(step(tensor([2]))), [7])
  assert.is(made.length, 1)
  assert.is(
    codeOf(() => jit((x: Tensor) => variable(x))(tensor([1]))),
    'ERR_TRACE',
  )
})

test('values inside a trace are not known', () => {
  for (const use of [(x: Tensor) => x.dataSync(), (x: Tensor) => x.arraySync()]) {
    assert.is(
      codeOf(() => jit((x: Tensor) => (use(x), x))(tensor([1]))),
      'ERR_TRACE',
    )
  }
  const outside = tensor([1])
  assert.is(
    codeOf(() => jit((x: Tensor) => (outside.dataSync(), x))(tensor([1]))),
    'ERR_TRACE',
  )
  assert.is(
    codeOf(() => jit(((x: Tensor) => Promise.resolve(x)) as unknown as (x: Tensor) => Tensor)(tensor([1]))),
    'ERR_TRACE',
  )
})

test('a traced value outside its trace', () => {
  let escaped: Tensor | undefined
  jit((x: Tensor) => (escaped = x.add(1)))(tensor([1]))
  assert.is(
    codeOf(() => escaped!.add(1)),
    'ERR_TRACE',
  )
  assert.is(
    codeOf(() => jit((x: Tensor) => x.add(escaped!))(tensor([1]))),
    'ERR_TRACE',
  )
  assert.is(
    codeOf(() => escaped!.dataSync()),
    'ERR_TRACE',
  )
})

test('eager assign, shapes and dtypes of assigned values', async () => {
  const w = variable([1, 2])
  w.assign([3, 4])
  assert.equal(await values(w), [3, 4])
  w.assign(w.mul(2))
  assert.equal(await values(w), [6, 8])
  w.assign(tensor([1, 0], { dtype: 'int32' }))
  assert.equal(await values(w), [1, 0])
  assert.is(
    codeOf(() => w.assign([1, 2, 3])),
    'ERR_SHAPE',
  )
})

test('jit inside jit is inlined; closed-over tensors stay alive; using a disposed one throws', async () => {
  const k = tensor([10])
  const inner = jit((x: Tensor) => x.mul(k))
  const outer = jit((x: Tensor) => inner(x).add(1))
  const again = jit((x: Tensor) => x.add(1))
  assert.equal(await values(outer(tensor([2]))), [21])
  assert.equal(await values(again(tensor([2]))), [3])
  assert.is(inner.programs, 0)
  k.dispose()
  assert.is(
    codeOf(() => outer(tensor([2]))),
    'ERR_DISPOSED',
  )
  for (const end of [() => outer.dispose(), () => again[Symbol.dispose]()]) end()
  for (const f of [outer, again])
    assert.is(
      codeOf(() => f(tensor([2]))),
      'ERR_DISPOSED',
    )
})

test('records, arrays and other values as arguments and results', async () => {
  let traced = 0
  const f = jit((p: { a: Tensor; list: Tensor[] }, scale: number) => {
    traced++
    return { sum: p.a.add(p.list[0]!).mul(scale), same: scale, nested: [p.list[1]!] }
  })
  const p = { a: tensor([1]), list: [tensor([2]), tensor([3])] }
  const r = f(p, 2)
  assert.equal([await values(r.sum), r.same, await values(r.nested[0]!)], [[6], 2, [3]])
  f(p, 2)
  assert.is(traced, 1)
  assert.equal(await values(f(p, 3).sum), [9])
  assert.is(traced, 2)
})

test('names and values of a record are told apart', () => {
  const keys = jit((record: Record<string, unknown>) => Object.keys(record).length)
  assert.is(keys({ a: 1, b: 2 }), 2)
  assert.is(keys({ 'a:1,b': 2 }), 1)
  assert.is(keys({ '1a:1,1b': 2 }), 1)
})

test('at most 16 programs are kept, and many signatures warn once', async () => {
  const warned: string[] = []
  const listen = (w: Error & { code?: string }): void => void warned.push(`${w.code}: ${w.message}`)
  process.on('warning', listen)
  const f = jit(function growing(x: Tensor) {
    return x.add(1)
  })
  for (let n = 1; n <= 20; n++) f(tensor(new Float32Array(n * 2), [2, n]))
  assert.is(f.programs, 16)
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', listen)
  const mine = warned.filter((w) => w.includes('growing'))
  assert.is(mine.length, 1)
  assert.match(mine[0]!, 'axis 1 of tensor 0')
})

test('errors are WeftErrors with code and values', () => {
  try {
    tensor([1, 2]).add(tensor([1, 2, 3]) as Tensor)
    assert.unreachable()
  } catch (error) {
    assert.instance(error, WeftError)
    assert.is((error as WeftError).code, 'ERR_SHAPE')
    assert.match((error as WeftError).message, '2')
  }
})

test.run()
